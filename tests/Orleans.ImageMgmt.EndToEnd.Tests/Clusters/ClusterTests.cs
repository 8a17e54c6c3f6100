using System.Globalization;
using System.Security.Cryptography;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: silos on one database are one service, and what a dead or a sleeping silo had in hand goes on elsewhere. Method: three real processes, a
/// real PostgreSQL server with fsync on, filesystem pods, SIGKILL and SIGSTOP.</summary>
[Collection("servers")]
public sealed class ClusterTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    private const int Mebibytes = 24;

    private static readonly string[] Targets = ["east", "west", "north", "south"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_killed_silo_loses_nothing_and_what_it_had_in_hand_goes_on_elsewhere()
    {
        await using var cluster = new SiloCluster(server);
        var digest = await BeginAsync(cluster, "through-a-kill");

        await cluster.Silos[1].Process.KillAsync();
        var ended = await EndAsync(cluster.Client(0), "through-a-kill");

        Assert.Equal(OperationState.Succeeded, ended.State);
        await CheckCopiesAsync(cluster, digest);
        Assert.Equal(Targets.Length, (await cluster.Client(2).ListReceiptsAsync("Win10POS", "1.0", cancellationToken: Token)).Items.Count(receipt => receipt.Pod != "head-office"));
        cluster.Silos[1].Start();
        await cluster.Silos[1].ReadyAsync();
        Assert.Equal("Win10POS", (await cluster.Client(1).ListImagesAsync(cancellationToken: Token)).Items.Single().Name);
    }

    [Fact]
    public async Task A_silo_that_slept_with_transfers_in_hand_while_others_took_over_damages_nothing_when_it_wakes()
    {
        await using var cluster = new SiloCluster(server);
        var digest = await BeginAsync(cluster, "through-a-sleep");
        var sleeper = cluster.Silos.MaxBy(silo => StagedOf(silo).Count)!;
        var inHand = StagedOf(sleeper).Select(line => line.Split(' ')[1]).Distinct().ToList();
        Assert.NotEmpty(inHand); // pods whose bytes it was writing when it fell asleep

        await SignalAsync(sleeper.Process, "STOP");
        while (await cluster.CountDeadAsync() == 0)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Token);
        }

        var others = cluster.Silos.Where(silo => silo != sleeper).ToList();
        await SignalAsync(sleeper.Process, "CONT");
        var ended = await EndAsync(others[0].Client(cluster.Token), "through-a-sleep");

        Assert.Equal(OperationState.Succeeded, ended.State);
        await CheckCopiesAsync(cluster, digest);
        Assert.Contains(others.SelectMany(Lines), line => line[0] == 'P' && inHand.Contains(line.Split(' ')[1])); // what it had in hand went on elsewhere
        await sleeper.Process.ExitAsync(); // a silo that others have declared dead ends itself
    }

    /// <summary>Chunks that a silo has staged.</summary>
    private static List<string> StagedOf(Silo silo) => [.. Lines(silo).Where(line => line[0] == 'S')];

    private static IEnumerable<string> Lines(Silo silo)
    {
        using var file = new StreamReader(new FileStream(silo.TracePath, FileMode.OpenOrCreate, FileAccess.Read, FileShare.ReadWrite));
        return file.ReadToEnd().Split('\n')[..^1];
    }

    /// <summary>A publish under way, asked for at one silo and seen at the others.</summary>
    private static async Task<string> BeginAsync(SiloCluster cluster, string operation)
    {
        await cluster.StartAsync(3);
        var (folder, digest) = cluster.MakeDisk("golden.raw", Mebibytes);
        await cluster.Client(0).ConnectPodAsync("head-office", Filesystem(("datastore.ds", cluster.Pod("head-office")), ("sources", folder)), cancellationToken: Token);
        for (var n = 0; n < Targets.Length; n++)
        {
            await cluster.Client(n % 3).ConnectPodAsync(
                Targets[n], Filesystem(("datastore.ds", cluster.Pod(Targets[n])), ("fault-plan", "receive:slow=3MB/s")), cancellationToken: Token);
        }

        await cluster.Client(1).ImportAsync("Win10POS", new ImportRequest { Pod = "head-office", Source = "golden.raw", Version = "1.0" }, "import", Token);
        Assert.Equal(OperationState.Succeeded, (await EndAsync(cluster.Client(2), "import")).State);
        await cluster.Client(2).PublishAsync("Win10POS", "1.0", operation: operation, cancellationToken: Token);
        var client = cluster.Client(0);
        while ((await client.ListTargetsAsync(operation, cancellationToken: Token)).Items.Count(target => target is { State: CopyState.Replicating, Progress.SentBytes: > 0 }) < 2)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Token);
        }

        return digest;
    }

    private static ConnectPodRequest Filesystem(params IEnumerable<(string Key, string Value)> settings) =>
        new() { Family = "filesystem", Settings = settings.ToDictionary(setting => setting.Key, setting => setting.Value) };

    /// <summary>The operation's end. While a dead silo's grains have not moved, answers may fail.</summary>
    private static async Task<OperationResource> EndAsync(ImageMgmtHttpClient client, string operation)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                if (await client.GetOperationAsync(operation, Token) is { State: OperationState.Succeeded or OperationState.Failed or OperationState.PartiallySucceeded or OperationState.Cancelled } ended)
                {
                    return ended;
                }
            }
            catch (Exception problem) when (problem is ProblemException or HttpRequestException or TaskCanceledException)
            {
                Token.ThrowIfCancellationRequested();
            }

            Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromMinutes(3), $"operation {operation} does not end");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Token);
        }
    }

    private static async Task CheckCopiesAsync(SiloCluster cluster, string digest)
    {
        foreach (var pod in Targets)
        {
            var library = Path.Combine(cluster.Pod(pod), "content-library", "Win10POS");
            await using var copy = File.OpenRead(Path.Combine(library, "1.0", "disk.raw"));
            Assert.Equal(digest, Convert.ToHexStringLower(await SHA256.HashDataAsync(copy, Token)));
            Assert.Single(Directory.EnumerateFileSystemEntries(library));
        }
    }

    private static async Task SignalAsync(ImgmtProcess process, string signal)
    {
        using var kill = System.Diagnostics.Process.Start("kill", ["-" + signal, process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(Token);
        Assert.Equal(0, kill.ExitCode);
    }
}
