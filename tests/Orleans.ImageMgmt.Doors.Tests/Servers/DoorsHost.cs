using System.Net.Http.Headers;
using System.Net.Security;
using System.Text.Json;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests;

/// <summary>A real server in this process, on a free port of loopback and a folder of its own, as <c>imgmt serve</c> starts it.</summary>
internal sealed class DoorsHost : IAsyncDisposable
{
    /// <summary>Longer than anything here takes on a machine that is busy with other things.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    private readonly ServiceHost host;
    private readonly bool ownsRoot;
    private readonly List<HttpClient> clients = [];

    private DoorsHost(string root, bool ownsRoot, ServiceHost host)
    {
        (Root, this.ownsRoot, this.host) = (root, ownsRoot, host);
        Address = new Uri(Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        Admin = Client(AdministratorToken);
    }

    /// <summary>Everything of this server lies in here.</summary>
    public string Root { get; }

    public string Data => Path.Combine(Root, "data");

    public Uri Address { get; }

    /// <summary>Thumbprints of the certificates that the clients accept.</summary>
    public HashSet<string> Trusted { get; } = [];

    public IServiceProvider Services => host.Services;

    public string AdministratorToken => File.Exists(Path.Combine(Data, "administrator.token")) ? File.ReadAllText(Path.Combine(Data, "administrator.token")).Trim() : "";

    /// <summary>Asks with the administrator's token.</summary>
    public HttpClient Admin { get; }

    public static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    public static CancellationToken Stop => TestContext.Current.CancellationToken;

    public static async Task<DoorsHost> StartAsync(params IReadOnlyList<string> settings) =>
        await StartInAsync(Directory.CreateTempSubdirectory("imgmt-doors-").FullName, ownsRoot: true, settings);

    /// <summary>In a folder that outlives the server.</summary>
    public static async Task<DoorsHost> StartInAsync(string root, bool ownsRoot, params IReadOnlyList<string> settings)
    {
        var all = new HostSettings(Path.Combine(root, "data")) { Http = new HttpOptions() }.With(["Http:Listen=http://127.0.0.1:0", .. settings]);
        return new DoorsHost(root, ownsRoot, await ServiceHost.StartAsync(all, Stop));
    }

    /// <summary>A client with this token, or with none; it follows no redirect and keeps no cookie.</summary>
    public HttpClient Client(string? token = null)
    {
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false };
        handler.SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, shown, _, _) => shown?.GetCertHashString() is { } hash && Trusted.Contains(hash) };
        var client = new HttpClient(handler) { BaseAddress = Address, Timeout = Limit };
        if (token is { Length: > 0 })
        {
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        clients.Add(client);
        return client;
    }

    /// <summary>Makes a token and returns its text.</summary>
    public async Task<string> TokenAsync(string name, string role, DateTimeOffset? expires = null)
    {
        using var answer = await Admin.PostAsync(Routes.Tokens, Json(new { name, role, expiresAt = expires }), Stop);
        var text = await answer.Content.ReadAsStringAsync(Stop);
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonDocument.Parse(text).RootElement.GetProperty("token").GetString()!;
    }

    /// <summary>Makes a token that has expired. One that is made with too short a life on a busy machine is refused: the next gets a longer one.</summary>
    public async Task<string> ExpiredTokenAsync(string name, string role)
    {
        for (var life = TimeSpan.FromSeconds(2); life < Limit; life *= 2)
        {
            using var answer = await Admin.PostAsync(Routes.Tokens, Json(new { name, role, expiresAt = Now + life }), Stop);
            if (answer.IsSuccessStatusCode)
            {
                var token = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Stop)).RootElement.GetProperty("token").GetString()!;
                using var client = Client(token);
                await Until.TrueAsync(async () => (await client.GetAsync(Routes.Me, Stop)).StatusCode == System.Net.HttpStatusCode.Unauthorized, "the token expired");
                return token;
            }
        }

        throw new InvalidOperationException($"No token lives shorter than {Limit}.");
    }

    /// <summary>What every hostile test ends with: the server lives and does real work.</summary>
    public async Task StillWorksAsync()
    {
        using var nobody = Client();
        Assert.Equal("live\n", await nobody.GetStringAsync(Routes.Liveness, Stop));
        using var me = await Admin.GetAsync(Routes.Me, Stop);
        Assert.Equal(200, (int)me.StatusCode);
        Assert.StartsWith("imgmt_", await TokenAsync($"t-{Guid.NewGuid():N}", "viewer"), StringComparison.Ordinal);
    }

    public static StringContent Json(object value) => new(JsonSerializer.Serialize(value, ImageMgmtJson.Options), System.Text.Encoding.UTF8, "application/json");

    /// <summary>The code of a problem document, after the checks that hold for each of them.</summary>
    public static async Task<string> CodeOfAsync(HttpResponseMessage answer)
    {
        var text = await answer.Content.ReadAsStringAsync(Stop);
        Assert.True(answer.Content.Headers.ContentType?.MediaType == Problem.MediaType, $"{(int)answer.StatusCode} {answer.Content.Headers.ContentType}: {text}");
        var problem = JsonSerializer.Deserialize<Problem>(text, ImageMgmtJson.Options)!;
        Assert.Equal((int)answer.StatusCode, problem.Status);
        Assert.Equal(Problem.TypePrefix + problem.Code, problem.Type);
        Assert.False(string.IsNullOrWhiteSpace(problem.Detail), "a problem says what was wrong");
        Assert.False(string.IsNullOrWhiteSpace(problem.Hint), "a problem says what to do");
        Assert.False(string.IsNullOrWhiteSpace(problem.TraceId), "a problem can be found in the log");
        return problem.Code;
    }

    public async ValueTask DisposeAsync()
    {
        clients.ForEach(client => client.Dispose());
        await host.DisposeAsync();
        if (ownsRoot)
        {
            Directory.Delete(Root, recursive: true);
        }
    }
}
