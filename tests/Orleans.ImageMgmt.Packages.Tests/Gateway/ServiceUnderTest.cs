using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Packages.Tests;

/// <summary>A service with its gateway open on a free port, and callers with certificates of their own.</summary>
internal sealed class ServiceUnderTest : IAsyncDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("imgmt-gateway-");
    private readonly List<IHost> callers = [];
    private ServiceHost? host;
    private bool hasHttp;
    private IReadOnlyList<string> set = [];
    private int port = FreePort();

    public string DataFolder => Path.Combine(folder.FullName, "data");

    public int GatewayPort => port;

    public IServiceProvider Services => host!.Services;

    /// <summary>The client inside the service's own process: trusted.</summary>
    public ImageMgmtClient Inside => Services.GetRequiredService<ImageMgmtClient>();

    /// <summary>Where HTTP answers, as the service wrote it down.</summary>
    public string Url => System.Text.Json.JsonDocument.Parse(File.ReadAllText(Path.Combine(DataFolder, "endpoint.json"))).RootElement.GetProperty("url").GetString()!;

    public static async Task<ServiceUnderTest> StartAsync(bool hasHttp = false, params IReadOnlyList<string> set)
    {
        var service = new ServiceUnderTest { hasHttp = hasHttp, set = set };
        await service.RunAsync();
        return service;
    }

    public string Folder(string name) => Directory.CreateDirectory(Path.Combine(folder.FullName, name)).FullName;

    /// <summary>Starts it, the second time on the same port.</summary>
    public async Task RunAsync()
    {
        var settings = new HostSettings(DataFolder) { Log = new LogOptions { Level = LogLevel.Warning }, Http = hasHttp ? new HttpOptions() : null }
            .With([$"Gateway:Listen=127.0.0.1:{port}", .. hasHttp ? ["Http:Listen=http://127.0.0.1:0"] : Array.Empty<string>(), .. set]);
        host = await ServiceHost.StartAsync(settings, TestContext.Current.CancellationToken);
        port = Services.GetRequiredService<IOptions<EndpointOptions>>().Value.GatewayPort;
    }

    public async Task StopAsync()
    {
        await host!.DisposeAsync();
        host = null;
    }

    /// <summary>Makes a certificate with the service's own command.</summary>
    public string Issue(string name, string role)
    {
        var into = Path.Combine(folder.FullName, "callers", name);
        SiloTrust.Open(DataFolder, new TrustOptions(), TimeProvider.System).IssueClient(name, role, PrivateAuthority.LeafLife, into);
        return into;
    }

    public void Identify(ImageMgmtClientOptions options, string certificates)
    {
        options.Gateways.Add($"127.0.0.1:{port}");
        options.CertificateFile = Path.Combine(certificates, "client.crt");
        options.KeyFile = Path.Combine(certificates, "client.key");
        options.AuthorityFile = Path.Combine(certificates, "ca.crt");
        options.ConnectRetry = TimeSpan.FromMilliseconds(100);
        options.ConnectLimit = TimeSpan.FromMinutes(1); // a busy machine is no reason to give up
    }

    /// <summary>A frontend in all but its process: its own host, its own connection, its own certificate.</summary>
    public async Task<IServiceProvider> ConnectAsync(string name, string role, Action<Orleans.Hosting.IClientBuilder>? also = null, CancellationToken limit = default)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        var certificates = Issue(name, role);
        builder.AddImageMgmtClient(options => Identify(options, certificates));
        if (also is not null)
        {
            builder.Services.AddOrleansClient(also);
        }

        var caller = builder.Build();
        callers.Add(caller);
        await caller.StartAsync(limit.CanBeCanceled ? limit : TestContext.Current.CancellationToken);
        return caller.Services;
    }

    public async Task<ImageMgmtClient> CallerAsync(string name, string role) => (await ConnectAsync(name, role)).GetRequiredService<ImageMgmtClient>();

    /// <summary>Pods that are connected, and a disk of random bytes that the first of them can import.</summary>
    public async Task PrepareAsync(string disk, params string[] pods)
    {
        var bytes = new byte[3 << 20];
        new Random(11).NextBytes(bytes);
        await File.WriteAllBytesAsync(Path.Combine(Folder("sources"), disk), bytes, TestContext.Current.CancellationToken);
        foreach (var pod in pods)
        {
            await Inside.ConnectPodAsync(FilesystemPod(pod), ImageMgmtClient.Because("the test"), cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(PodState.Connected, (await Inside.WaitForPodAsync(new PodName(pod), TestContext.Current.CancellationToken)).State);
        }
    }

    /// <summary>What connects a pod in a folder of its own.</summary>
    public PodSpec FilesystemPod(string name) => new(
        new PodName(name), "filesystem",
        new Dictionary<string, string> { ["datastore.ds"] = Folder($"pods/{name}"), ["sources"] = Folder("sources") }, new Dictionary<string, string>(), 2);

    /// <summary>Below those that the system gives to whoever calls somebody: a port from there could be taken while the service is down for a restart.</summary>
    private static int FreePort()
    {
        var random = new Random(Guid.NewGuid().GetHashCode());
        for (var tries = 0; ; tries++)
        {
            var candidate = random.Next(12_000, 32_000);
            try
            {
                using var probe = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, candidate);
                probe.Start();
                return candidate;
            }
            catch (System.Net.Sockets.SocketException) when (tries < 100)
            {
                // taken
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var caller in callers)
        {
            await caller.StopAsync(new CancellationToken(canceled: true)); // one that was cut off has nobody to take leave of
            caller.Dispose();
        }

        if (host is not null)
        {
            await StopAsync();
        }

        folder.Delete(recursive: true);
    }
}
