using System.Text.Json;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>
/// Once the server listens: makes the administrator's token when there has never been a token, and says in a file where the server is, so that
/// programs of the same user find it. Both files are readable by that user alone from their first instant on.
/// </summary>
internal sealed class FirstStart(IServiceProvider services, IGrainFactory grains, HostSettings settings, ListenAddress listen, ILogger<FirstStart> log) : IHostedLifecycleService
{
    public const string TokenFile = "administrator.token";
    public const string EndpointFile = "endpoint.json";

    private static readonly JsonSerializerOptions json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull };

    private string Endpoint => Path.Combine(Path.GetFullPath(settings.DataDirectory), EndpointFile);

    public async Task StartedAsync(CancellationToken cancellationToken)
    {
        await MakeAdministratorAsync();
        var url = Url();
        var authority = listen.IsSecure ? services.GetRequiredService<ServerCertificate>().File : null;
        PrivateFiles.Write(Endpoint, JsonSerializer.Serialize(new EndpointNote(url, Environment.ProcessId, authority), json) + "\n", isSecret: true);
        LocksLog.Serving(log, url);
    }

    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        File.Delete(Endpoint);
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>The file first, then the hash: a crash in between finds the file and goes on with it. A file removed later is not made again; who owns the
    /// data folder makes a new token with <c>imgmt token reset</c>.</summary>
    private async Task MakeAdministratorAsync()
    {
        var tokens = grains.GetTokens();
        if (!settings.Cluster.HasSilo || await tokens.GetAsync(-1) is not { Revision: 0 })
        {
            return; // a front end's folder is nobody's place to look for it
        }

        var file = Path.Combine(Path.GetFullPath(settings.DataDirectory), TokenFile);
        var text = File.Exists(file) ? (await File.ReadAllTextAsync(file)).Trim() : "";
        if (Secrets.HashOf(text) is not { } hash)
        {
            text = Secrets.New();
            hash = Secrets.HashOf(text)!.Value;
            PrivateFiles.Write(file, text + "\n", isSecret: true);
        }

        var answer = await tokens.IssueAsync(new TokenOrder(TokenName.Administrator, Role.Administrator, hash, null, new RequestedBy("imgmt", "first start")));
        if (answer.Refusal is not null && await tokens.GetAsync(-1) is not { Revision: 0 })
        {
            File.Delete(file); // another silo of the cluster was first: the token is in its folder, and this text is none
            return;
        }

        answer.OrThrow();
        LocksLog.AdministratorMade(log, file);
    }

    /// <summary>The address under which this machine reaches the server.</summary>
    private string Url()
    {
        var bound = new Uri(services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        var local = bound.Host is "0.0.0.0" ? "127.0.0.1" : bound.Host is "[::]" ? "[::1]" : bound.Host;
        var named = listen.IsSecure ? Listening.HostOf(services.GetRequiredService<ServerCertificate>().Current) : local;
        var host = Uri.CheckHostName(named) == UriHostNameType.Unknown ? local : named; // a certificate for *.example.com, or for no host at all
        return $"{bound.Scheme}://{host}:{bound.Port}";
    }

    private sealed record EndpointNote(string Url, int ProcessId, string? CaFile);
}
