using System.Net.Http.Headers;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>A real server in this process on a free port of loopback, with a folder of its own for data, pods and sources. Removed with everything in it.</summary>
internal sealed class UpkeepServer : IAsyncDisposable
{
    /// <summary>Longer than anything here takes on a machine that is busy with other things.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    private const string FirstData = "data";

    private readonly bool ownsRoot;
    private readonly ServiceHost host;
    private bool isStopped;

    private UpkeepServer(string root, string data, bool ownsRoot, ServiceHost host)
    {
        (Root, this.ownsRoot, this.host) = (root, ownsRoot, host);
        Address = new Uri(Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        Http = new HttpClient { BaseAddress = Address, Timeout = Limit };
        // A restored service knows the tokens of the old one, and writes no file for them.
        var token = new[] { data, FirstData }.Select(folder => Path.Combine(root, folder, "administrator.token")).First(File.Exists);
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", File.ReadAllText(token).Trim());
    }

    public string Root { get; }

    public Uri Address { get; }

    public HttpClient Http { get; }

    public IServiceProvider Services => host.Services;

    public ImageMgmtClient Client => Services.GetRequiredService<ImageMgmtClient>();

    public static RequestedBy By { get; } = new("tester", "test");

    public static CancellationToken Stop => TestContext.Current.CancellationToken;

    public static Task<UpkeepServer> StartAsync(params IReadOnlyList<string> settings) =>
        StartAsync(Directory.CreateTempSubdirectory("imgmt-upkeep-").FullName, FirstData, ownsRoot: true, settings);

    /// <summary>Another server over the pods and sources of a root, with a data folder of its own; whoever made the root removes it.</summary>
    public static Task<UpkeepServer> StartInAsync(string root, string data, params IReadOnlyList<string> settings) => StartAsync(root, data, ownsRoot: false, settings);

    /// <summary>Waits until something is so, with a limit and a name.</summary>
    public static async Task UntilAsync(Func<Task<bool>> holds, string otherwise)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!await holds())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Limit, $"Not within {Limit.TotalSeconds:0} s: {otherwise}");
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, Stop);
        }
    }

    private static async Task<UpkeepServer> StartAsync(string root, string data, bool ownsRoot, IReadOnlyList<string> settings)
    {
        var host = await ServiceHost.StartAsync(
            new HostSettings(Path.Combine(root, data)) { Http = new HttpOptions() }.With(["Http:Listen=http://127.0.0.1:0", "ImageMgmt:EnsureInterval=200ms", .. settings]), Stop);
        return new UpkeepServer(root, data, ownsRoot, host);
    }

    /// <summary>Connects a pod in a folder, the same for every server that lives in this root.</summary>
    public async Task ConnectAsync(string pod, params (string Key, string Value)[] settings)
    {
        Directory.CreateDirectory(Path.Combine(Root, "pods", pod));
        Directory.CreateDirectory(Path.Combine(Root, "sources"));
        var all = new Dictionary<string, string> { ["datastore.ds"] = Path.Combine(Root, "pods", pod), ["sources"] = Path.Combine(Root, "sources") };
        foreach (var (key, value) in settings)
        {
            all[key] = value;
        }

        await Client.ConnectPodAsync(new PodSpec(new PodName(pod), "filesystem", all, new Dictionary<string, string>(), 2), By);
        Assert.Equal(PodState.Connected, (await Client.WaitForPodAsync(new PodName(pod), Stop)).State);
    }

    public string FileOf(string pod, VersionId version) => Path.Combine(Root, "pods", pod, "content-library", version.Image.Value, version.Version.Value, "disk.raw");

    /// <summary>Imports a disk of random bytes.</summary>
    public async Task ImportAsync(VersionId version, string pod, int mebibytes = 4)
    {
        var source = $"{version.Image}-{version.Version}.raw";
        var bytes = new byte[mebibytes << 20];
        new Random(mebibytes).NextBytes(bytes);
        await File.WriteAllBytesAsync(Path.Combine(Root, "sources", source), bytes, Stop);
        var from = version.Version == VersionName.First ? (VersionName?)null : VersionName.First;
        await Client.ImportAsync(new ImportRequest(new OperationId($"import-{version.Image}-{version.Version.Value.Replace('.', '-')}"), version.Image, version.Version, from,
            new PodName(pod), new SourceRef(source), "", By));
        await foreach (var (now, _) in Client.WatchImportAsync(version, Stop))
        {
            Assert.True(now.Fault is null, now.Fault?.ToString());
        }
    }

    public async Task<PublishView> PublishAsync(VersionId version, string operation)
    {
        await Client.PublishAsync(version, new PublishRequest(new OperationId(operation), null, new Dictionary<string, string>(), By));
        PublishView? last = null;
        await foreach (var view in Client.WatchPublishAsync(new OperationId(operation), Stop))
        {
            last = view;
        }

        return last!;
    }

    public async Task StopAsync()
    {
        if (!isStopped)
        {
            isStopped = true;
            Http.Dispose();
            await host.DisposeAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (ownsRoot)
        {
            Directory.Delete(Root, recursive: true);
        }
    }
}
