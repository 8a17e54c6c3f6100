using System.Security.Cryptography;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>One image, imported and being published: what the tests of a cluster do to it differs, what has to be true in the end does not.</summary>
/// <param name="Folder">Where the source disk lies.</param>
/// <param name="Digest">Of the disk, in hex.</param>
internal sealed record ClusterWork(string Folder, string Digest)
{
    public const int Mebibytes = 24;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Connects pods, imports, publishes, and waits until bytes travel to two of them.</summary>
    public static async Task<ClusterWork> BeginAsync(SiloCluster cluster, IReadOnlyList<ImageMgmtHttpClient> clients, string operation, string[] targets, string faults)
    {
        var (folder, digest) = cluster.MakeDisk("golden.raw", Mebibytes);
        var work = new ClusterWork(folder, digest);
        await clients[0].ConnectPodAsync("head-office", Filesystem(("datastore.ds", cluster.Pod("head-office")), ("sources", folder)), cancellationToken: Token);
        for (var n = 0; n < targets.Length; n++)
        {
            await clients[n % clients.Count].ConnectPodAsync(
                targets[n], Filesystem(("datastore.ds", cluster.Pod(targets[n])), ("fault-plan", faults)), cancellationToken: Token);
        }

        await clients[0].ImportAsync("Win10POS", new ImportRequest { Pod = "head-office", Source = "golden.raw", Version = "1.0" }, "import", Token);
        Assert.Equal(OperationState.Succeeded, (await work.EndAsync(clients[^1], "import")).State);
        await clients[^1].PublishAsync("Win10POS", "1.0", operation: operation, cancellationToken: Token);
        await UntilAsync(
            async () => (await clients[0].ListTargetsAsync(operation, cancellationToken: Token)).Items.Count(target => target is { State: CopyState.Replicating, Progress.SentBytes: > 0 }) >= 2,
            "bytes travel to two pods");
        return work;
    }

    /// <summary>The operation's end. While a dead silo's grains have not moved, answers may fail.</summary>
    public async Task<OperationResource> EndAsync(ImageMgmtHttpClient client, string operation)
    {
        OperationResource? ended = null;
        await UntilAsync(
            async () => (ended = await client.GetOperationAsync(operation, Token)) is { State: OperationState.Succeeded or OperationState.Failed or OperationState.PartiallySucceeded or OperationState.Cancelled },
            $"operation {operation} ends");
        return ended!;
    }

    public async Task CheckCopiesAsync(SiloCluster cluster, IEnumerable<string> pods)
    {
        foreach (var pod in pods)
        {
            var library = Path.Combine(cluster.Pod(pod), "content-library", "Win10POS");
            await using var copy = File.OpenRead(Path.Combine(library, "1.0", "disk.raw"));
            Assert.Equal(Digest, Convert.ToHexStringLower(await SHA256.HashDataAsync(copy, Token)));
            Assert.Single(Directory.EnumerateFileSystemEntries(library));
        }
    }

    public static async Task UntilAsync(Func<Task<bool>> holds, string what)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                if (await holds())
                {
                    return;
                }
            }
            catch (Exception problem) when (problem is ProblemException or HttpRequestException or TaskCanceledException or TimeoutException)
            {
                Token.ThrowIfCancellationRequested();
            }

            Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromMinutes(3), $"It does not come to it that {what}.");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Token);
        }
    }

    private static ConnectPodRequest Filesystem(params IEnumerable<(string Key, string Value)> settings) =>
        new() { Family = "filesystem", Settings = settings.ToDictionary(setting => setting.Key, setting => setting.Value) };
}
