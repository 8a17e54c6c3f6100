using System.Diagnostics;
using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Benchmarks.NetworkPath;

/// <summary>The network path over loopback: a block server in a process of its own, our reader and curl as receivers of the same bytes in the same run.
/// Nothing is written, so that the path alone is measured; every body is one MiB.</summary>
internal static class NetworkBenchmark
{
    private static readonly VersionId Version = new(new ImageName("golden"), new VersionName("1.0"));
    private static readonly PodName Pod = new("site-1");

    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        var mebibytes = arguments.Number("--mebibytes", 512);
        var rounds = arguments.Number("--rounds", 3);
        var program = arguments.Text("--imgmt") ?? Path.Combine(AppContext.BaseDirectory, "..", "..", "Orleans.ImageMgmt.Host", "release", "imgmt.dll");
        var root = Directory.CreateTempSubdirectory("imgmt-network-").FullName;
        try
        {
            var content = await PrepareAsync(root, mebibytes);
            using var server = await SiteServer.StartAsync(program, root, Pod);
            var gigabytes = mebibytes * 1048576 / 1e9;
            Console.WriteLine($"| receiver | connections | GB/s, median of {rounds} (lowest–highest) | CPU s/GB of the receiver | CPU s/GB of the server |");
            Console.WriteLine("|---|---|---|---|---|");
            await MeasureAsync(server, content, 4); // warm: a silo and a block server run for weeks
            foreach (var connections in new[] { 1, 4 })
            {
                // The two take turns, so that both see the same machine.
                var (ours, curls) = (new List<Run>(), new List<Run>());
                for (var round = 0; round < rounds; round++)
                {
                    ours.Add(await MeasureAsync(server, content, connections));
                    curls.Add(Curl(server, content, connections));
                }

                Print("ImageMgmt, HttpContentReader", connections, gigabytes, ours);
                Print("curl, one range of 1/N each", connections, gigabytes, curls);
            }

            return 0;
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static void Print(string what, int connections, double gigabytes, List<Run> runs)
    {
        var rates = runs.Select(run => gigabytes / run.Wall).Order().ToList();
        var receiver = runs.Select(run => run.Receiver / gigabytes).Order().ToList();
        var server = runs.Select(run => run.Server / gigabytes).Order().ToList();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {what} | {connections} | {rates[rates.Count / 2]:0.00} ({rates[0]:0.00}–{rates[^1]:0.00}) | {receiver[receiver.Count / 2]:0.00} | {server[server.Count / 2]:0.00} |"));
    }

    private static async Task<Run> MeasureAsync(SiteServer server, ContentDescription content, int connections)
    {
        using var http = new HttpMessageInvoker(server.Handler());
        var source = new BlockSource(server.Address, content.ManifestDigest, _ => ValueTask.FromResult(server.Ticket(content, Version, TicketUse.Blocks)));
        await using var reader = await HttpContentReader.OpenAsync(source, http, new BlockCallOptions { Connections = connections }, TimeProvider.System, CancellationToken.None);
        var (cpu, serverCpu, clock) = (Environment.CpuUsage.TotalTime, server.Cpu, Stopwatch.StartNew());
        var pieces = (int)(content.Length >> 20);
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(async () =>
        {
            var buffer = new byte[1 << 20];
            for (var piece = Interlocked.Increment(ref next); piece < pieces; piece = Interlocked.Increment(ref next))
            {
                await reader.ReadAsync((long)piece << 20, buffer, CancellationToken.None);
            }
        })));
        return new Run(clock.Elapsed.TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds, (server.Cpu - serverCpu).TotalSeconds);
    }

    /// <summary>The artefact of the same copy from the same server, by as many curls at once.</summary>
    private static Run Curl(SiteServer server, ContentDescription content, int connections)
    {
        var address = new Uri(server.Address, $"{BlockRoutes.Of(content.ManifestDigest, BlockRoutes.Artefact)}?{BlockRoutes.TicketQuery}={server.Ticket(content, Version, TicketUse.Artefact).Text}");
        var share = content.Length / connections;
        var calls = Enumerable.Range(0, connections).Select(i =>
            $"curl -sf --http1.1 -k -r {i * share}-{(i == connections - 1 ? content.Length : (i + 1) * share) - 1} -o /dev/null '{address}' & p{i}=$!");
        var waits = string.Join(" && ", Enumerable.Range(0, connections).Select(i => $"wait $p{i}"));
        var serverCpu = server.Cpu;
        var cost = Contender.Shell($"{string.Join('\n', calls)}\n{waits}");
        return new Run(cost.Wall, cost.Cpu, (server.Cpu - serverCpu).TotalSeconds);
    }

    private static async Task<ContentDescription> PrepareAsync(string root, int mebibytes)
    {
        var (sources, datastore) = (Directory.CreateDirectory(Path.Combine(root, "sources")).FullName, Directory.CreateDirectory(Path.Combine(root, "ds")).FullName);
        await using (var file = File.Create(Path.Combine(sources, "golden.raw")))
        {
            var random = new Random(1);
            var buffer = new byte[1 << 20];
            for (var i = 0; i < mebibytes; i++)
            {
                random.NextBytes(buffer);
                await file.WriteAsync(buffer);
            }
        }

        var plan = new { pods = new[] { new { name = Pod.Value, settings = new Dictionary<string, string> { ["datastore.main"] = datastore, ["sources"] = sources } } } };
        await File.WriteAllTextAsync(Path.Combine(root, "pods.json"), JsonSerializer.Serialize(plan));
        var spec = new PodSpec(Pod, "filesystem", plan.pods[0].settings, new Dictionary<string, string>(), 1);
        await using var connector = ((ConnectorResult<IPodConnector>.Done)new FilesystemPods(TimeProvider.System).Create(spec)).Value;
        var prepared = await connector.PrepareAsync(new CopyOrder(Version, new Generation(1), 1), new SourceRef("golden.raw", null, SourceFormat.Raw), SilentObserver.Instance, CancellationToken.None);
        return ((ConnectorResult<PreparedCopy>.Done)prepared).Value.Content;
    }

    private sealed record Run(double Wall, double Receiver, double Server);
}

/// <summary><c>imgmt blocks</c> in a process of its own, and the keys of a silo that receives from it.</summary>
internal sealed class SiteServer : IDisposable
{
    private readonly Process process;
    private readonly X509Certificate2 silo;
    private readonly X509Certificate2 authority;

    private SiteServer(Process process, Uri address, string data)
    {
        (this.process, Address) = (process, address);
        var pem = File.ReadAllText(Path.Combine(data, "trust", "silo.pem"));
        silo = X509Certificate2.CreateFromPem(pem, pem);
        authority = X509Certificate2.CreateFromPem(File.ReadAllText(Path.Combine(data, "trust", "ca.crt")));
    }

    public Uri Address { get; }

    public TimeSpan Cpu
    {
        get
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
    }

    public static async Task<SiteServer> StartAsync(string program, string root, PodName pod)
    {
        var (data, keys) = (Path.Combine(root, "data"), Path.Combine(root, "keys"));
        Directory.CreateDirectory(data);
        using (var authority = Start(program, "trust", "issue-silo", "--data", data, "--out", Path.Combine(root, "silo")))
        {
            await authority.WaitForExitAsync(); // the service's own keys are made with its first certificate
        }

        using (var issue = Start(program, "trust", "issue-blocks", "--data", data, "--name", pod.Value, "--out", keys))
        {
            await issue.WaitForExitAsync();
        }

        var process = Start(
            program, "blocks", "--data", Path.Combine(root, "site"), "--pods", Path.Combine(root, "pods.json"), "--set", "Blocks:Listen=127.0.0.1:0",
            "--set", $"Trust:Authority={keys}/ca.crt", "--set", $"Trust:Certificate={keys}/blocks.crt", "--set", $"Trust:Key={keys}/blocks.key");
        var line = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("imgmt blocks did not start.");
        return new SiteServer(process, new Uri(line[(line.LastIndexOf(' ') + 1)..]), data);
    }

    public IssuedTicket Ticket(ContentDescription content, VersionId version, TicketUse use)
    {
        var now = TimeProvider.System.GetUtcNow();
        Digest? receiver = use == TicketUse.Blocks ? Digest.FromBytes(SHA256.HashData(silo.RawData)) : null;
        return TicketText.Sign(new BlockTicket(Guid.NewGuid(), new PodName("site-1"), version, content.ManifestDigest, receiver, use, now, now + TimeSpan.FromMinutes(10)), silo);
    }

    public SocketsHttpHandler Handler() => new()
    {
        UseProxy = false,
        SslOptions = new SslClientAuthenticationOptions
        {
            LocalCertificateSelectionCallback = (_, _, _, _, _) => silo,
            CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, CustomTrustStore = { authority }, RevocationMode = X509RevocationMode.NoCheck },
            RemoteCertificateValidationCallback = (_, _, _, errors) => (errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None,
        },
    };

    public void Dispose()
    {
        process.Kill();
        process.WaitForExit();
        process.Dispose();
        silo.Dispose();
        authority.Dispose();
    }

    private static Process Start(string program, params string[] arguments) =>
        Process.Start(new ProcessStartInfo("dotnet", [program, .. arguments]) { RedirectStandardOutput = true })!;
}
