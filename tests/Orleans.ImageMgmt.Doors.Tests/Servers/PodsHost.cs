using System.Net.Http.Headers;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests;

/// <summary>A real server in this process on a free port of loopback, with real pods in folders. Removed with everything in it.</summary>
internal sealed class PodsHost : IAsyncDisposable
{
    /// <summary>Longer than anything here takes on a machine that is busy with other things.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    private const int Mebibyte = 1 << 20;

    private readonly CancellationTokenSource limit = new(Limit);
    private readonly CancellationTokenSource stop;
    private readonly IReadOnlyList<string> settings;
    private ServiceHost host = null!;

    private PodsHost(IReadOnlyList<string> settings)
    {
        this.settings = settings;
        Root = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        Directory.CreateDirectory(Sources);
        stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, TestContext.Current.CancellationToken);
    }

    public string Root { get; }

    public string Sources => Path.Combine(Root, "sources");

    public Uri Address { get; private set; } = null!;

    /// <summary>With the administrator's token, where the server wants one.</summary>
    public HttpClient Http { get; private set; } = null!;

    public ImageMgmtHttpClient Client { get; private set; } = null!;

    public IServiceProvider Services => host.Services;

    /// <summary>Ends with the test, or when it has hung for <see cref="Limit"/>.</summary>
    public CancellationToken Stop => stop.Token;

    public static async Task<PodsHost> StartAsync(params IReadOnlyList<string> settings)
    {
        var made = new PodsHost(settings);
        await made.OpenAsync();
        return made;
    }

    /// <summary>Ends the server and starts it again on the same data.</summary>
    public async Task RestartAsync()
    {
        Http.Dispose();
        await host.DisposeAsync();
        await OpenAsync();
    }

    public string FolderOf(string pod) => Path.Combine(Root, "pods", pod);

    public string FileOf(string pod, string image, string version) => Path.Combine(FolderOf(pod), "content-library", image, version, "disk.raw");

    public ConnectPodRequest PodRequest(string pod, string? faultPlan = null, IReadOnlyDictionary<string, string>? labels = null)
    {
        Directory.CreateDirectory(FolderOf(pod));
        var settings = new Dictionary<string, string> { ["datastore.ds"] = FolderOf(pod), ["sources"] = Sources };
        if (faultPlan is not null)
        {
            settings["fault-plan"] = faultPlan;
        }

        return new ConnectPodRequest { Family = "filesystem", Settings = settings, Labels = labels ?? new Dictionary<string, string>() };
    }

    /// <summary>Connects a pod in a folder and waits until it answers.</summary>
    public async Task<PodResource> ConnectAsync(string pod, string? faultPlan = null, IReadOnlyDictionary<string, string>? labels = null)
    {
        await Client.ConnectPodAsync(pod, PodRequest(pod, faultPlan, labels), cancellationToken: Stop);
        return await UntilAsync(() => Client.GetPodAsync(pod, Stop), p => p.State == PodState.Connected);
    }

    /// <summary>Makes a disk of random bytes in the sources folder.</summary>
    /// <returns>Its SHA-256.</returns>
    public string MakeSource(string name, int mebibytes = 4, int seed = 1)
    {
        var bytes = new byte[mebibytes * Mebibyte];
        new Random(seed).NextBytes(bytes);
        File.WriteAllBytes(Path.Combine(Sources, name), bytes);
        return Convert.ToHexStringLower(SHA256.HashData(bytes));
    }

    /// <summary>Connects pod <c>source</c> and the targets, imports <c>win/1.0</c>, waits for it.</summary>
    public async Task<VersionResource> ImportAsync(params IReadOnlyList<string> targets)
    {
        MakeSource("win.raw");
        await ConnectAsync("source");
        foreach (var target in targets)
        {
            await ConnectAsync(target);
        }

        var import = await Client.ImportAsync("win", new ImportRequest { Pod = "source", Source = "win.raw" }, "import-1", Stop);
        Assert.Equal(OperationState.Succeeded, (await EndOfAsync(import.Id)).State);
        return await Client.GetVersionAsync("win", "1.0", Stop);
    }

    public Task<OperationResource> EndOfAsync(string operation) => UntilAsync(() => Client.GetOperationAsync(operation, Stop), o => o.IsEnded);

    /// <summary>Asks until what comes is as wanted.</summary>
    public async Task<T> UntilAsync<T>(Func<Task<T>> look, Func<T, bool> isThere)
    {
        while (true)
        {
            var seen = await look();
            if (isThere(seen))
            {
                return seen;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Stop);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http?.Dispose();
        await host.DisposeAsync();
        stop.Dispose();
        limit.Dispose();
        Directory.Delete(Root, recursive: true);
    }

    private async Task OpenAsync()
    {
        var data = Path.Combine(Root, "data");
        host = await ServiceHost.StartAsync(new HostSettings(data) { Http = new HttpOptions() }.With(
            ["Http:Listen=http://127.0.0.1:0", "ImageMgmt:EnsureInterval=200ms", "ImageMgmt:Retry:FirstDelay=50ms", "ImageMgmt:Retry:MaxTries=2", .. settings]), Stop);
        Address = new Uri(Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        Http = new HttpClient { BaseAddress = Address, Timeout = Timeout.InfiniteTimeSpan };
        var token = Path.Combine(data, "administrator.token");
        if (File.Exists(token))
        {
            Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync(token, Stop)).Trim());
        }

        Client = new ImageMgmtHttpClient(Http);
    }
}
