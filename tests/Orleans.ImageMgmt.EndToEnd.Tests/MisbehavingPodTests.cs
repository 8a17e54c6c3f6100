using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: each pod that misbehaves ends in the right state with the right typed reason, and delays nobody. Method: a real server, real
/// full and read-only file systems, a source cut under a running transfer, and fault plans for what no file system does by itself.</summary>
[Collection("servers")]
public sealed class MisbehavingPodTests
{
    private const int Mebibytes = 64;
    private const string Version = "1.0";
    private const string Copy = $"copy {Estate.Image}/{Version}";

    private static readonly string[] Good = ["good-1", "good-2", "good-3"];

    /// <summary>Two tries, soon after each other.</summary>
    private static readonly string[] FewTries = ["ImageMgmt:Retry:MaxTries=2", "ImageMgmt:Retry:FirstDelay=00:00:00.5", "ImageMgmt:TransferStall=00:00:10"];

    [Fact]
    public async Task Pods_that_stay_bad_fail_with_their_reasons_and_the_good_ones_become_available()
    {
        using var estate = new Estate(Good);
        await using var small = await Mount.TmpfsAsync(Path.Combine(estate.Root, "small"), Mebibytes / 2);
        await using var locked = await Mount.TmpfsAsync(Path.Combine(estate.Root, "locked"), Mebibytes * 2);
        estate.AddVersion(Version, Mebibytes, seed: 1);
        estate.AddPod("full", folder: small.Folder);
        estate.AddPod("locked", folder: locked.Folder);
        estate.SetReserve("full", "0");
        estate.SetReserve("locked", "0");
        estate.AddPod("liar", "finalise:lie:times=99");
        estate.AddPod("half-liar", "receive:lie:times=99");
        estate.AddPod("damaged", "receive:corrupt:chunk=3:times=99");
        estate.AddPod("stalled", "receive:stall=1h:after=40%:times=99");

        await using var server = estate.Serve(FewTries);
        await server.LineAsync("pod locked Connected");
        await locked.MakeReadOnlyAsync();

        Assert.True(await server.ExitAsync() == 1, server.ToString());
        AssertFailed(server, "full", "receive.no-room");
        AssertFailed(server, "locked", "receive.read-only");
        AssertFailed(server, "liar", "finalise.target-corrupt");
        AssertFailed(server, "half-liar", "finalise.target-corrupt");
        AssertFailed(server, "damaged", "receive.source-corrupt");
        AssertFailed(server, "stalled", "receive.timed-out");
        Assert.All(Good, pod => Assert.Contains($"{Copy} {pod} Available", server.Lines));
        Assert.Contains($"version {Estate.Image}/{Version} Partially Available", server.Lines);
        Assert.Contains(server.Lines, line => line.StartsWith("operation publish-", StringComparison.Ordinal) && line.EndsWith(" Partially Succeeded", StringComparison.Ordinal));
        estate.AssertHolds(Version, [Estate.SourcePod, .. Good]);
        estate.AssertNoHalfCopyIsInSight();
    }

    [Fact]
    public async Task A_full_and_a_read_only_pod_delay_nobody_and_go_on_by_themselves_when_they_are_mended()
    {
        using var estate = new Estate(Good);
        await using var small = await Mount.TmpfsAsync(Path.Combine(estate.Root, "small"), Mebibytes * 2);
        await using var locked = await Mount.TmpfsAsync(Path.Combine(estate.Root, "locked"), Mebibytes * 2);
        estate.AddPod("full", folder: small.Folder);
        estate.AddPod("locked", folder: locked.Folder);
        estate.SetReserve("full", "0");
        estate.SetReserve("locked", "0");
        estate.AddVersion(Version, Mebibytes, seed: 2);

        await using var server = estate.Serve("ImageMgmt:Retry:MaxTries=1000", "ImageMgmt:Retry:FirstDelay=00:00:00.5", "ImageMgmt:Retry:MaxDelay=00:00:01", "ImageMgmt:Probe:RetryInterval=00:00:01");
        await server.LineAsync("pod locked Connected");
        await locked.MakeReadOnlyAsync();
        small.Fill();

        // The two wait, and would for a thousand tries: whoever ends now was not held up by them.
        await server.LineAsync($"{Copy} full Retry Pending: receive.no-room");
        await server.LineAsync($"{Copy} locked Retry Pending: receive.read-only");
        foreach (var pod in Good)
        {
            await server.LineAsync($"{Copy} {pod} Available");
        }

        Assert.DoesNotContain($"{Copy} full Available", server.Lines);
        small.FreeRoom();
        await locked.MakeWritableAsync();

        Assert.True(await server.ExitAsync() == 0, server.ToString());
        Assert.Contains($"version {Estate.Image}/{Version} Available", server.Lines);
        estate.AssertHolds(Version, estate.Pods);
        estate.AssertNothingIsLeftBehind(estate.Pods);
    }

    [Fact]
    public async Task A_lie_a_damaged_chunk_and_a_stall_that_happen_once_are_noticed_and_mended()
    {
        using var estate = new Estate(Good);
        estate.AddPod("liar", "finalise:lie:times=1");
        estate.AddPod("half-liar", "receive:lie:times=1");
        estate.AddPod("damaged", "receive:corrupt:chunk=3:times=1");
        estate.AddPod("stalled", "receive:stall=1h:after=40%:times=1");
        var chunks = estate.AddVersion(Version, Mebibytes, seed: 3);

        await using var server = estate.Serve("ImageMgmt:Retry:FirstDelay=00:00:00.5", "ImageMgmt:TransferStall=00:00:10");

        Assert.True(await server.ExitAsync() == 0, server.ToString());
        Assert.Contains(server.Lines, line => line.StartsWith($"{Copy} liar Retry Pending: finalise.target-corrupt", StringComparison.Ordinal));
        Assert.Contains(server.Lines, line => line.StartsWith($"{Copy} half-liar Retry Pending: finalise.target-corrupt", StringComparison.Ordinal));
        Assert.Contains(server.Lines, line => line.StartsWith($"{Copy} stalled Retry Pending: receive.timed-out", StringComparison.Ordinal));
        Assert.DoesNotContain(server.Lines, line => line.StartsWith($"{Copy} damaged Retry Pending", StringComparison.Ordinal)); // asked again within the try
        estate.AssertHolds(Version, estate.Pods);
        estate.AssertNothingIsLeftBehind(estate.Pods);
        Assert.Equal(chunks, estate.Ledger.RequestedBy(Good[0]));
        Assert.Equal(chunks, estate.Ledger.RequestedBy("liar")); // its bytes were right; only its word was not
    }

    [Fact]
    public async Task A_stalled_pod_delays_nobody()
    {
        using var estate = new Estate(Good);
        estate.AddPod("stalled", "receive:stall=1h:after=40%:times=99");
        estate.AddVersion(Version, Mebibytes, seed: 4);

        await using var server = estate.Serve("ImageMgmt:TransferStall=00:30:00");
        foreach (var pod in Good)
        {
            await server.LineAsync($"{Copy} {pod} Available");
        }

        // It stands still in its first try and will for an hour.
        Assert.Equal($"{Copy} stalled Replicating", server.Lines.Last(line => line.StartsWith($"{Copy} stalled", StringComparison.Ordinal)));
        estate.AssertHolds(Version, [Estate.SourcePod, .. Good]);
    }

    [Fact]
    public async Task A_source_cut_under_running_transfers_is_found_out_and_made_whole_from_a_finished_copy()
    {
        using var estate = new Estate("quick");
        string[] slow = ["slow-1", "slow-2", "slow-3"];
        foreach (var pod in slow)
        {
            estate.AddPod(pod, "receive:slow=4MB/s");
        }

        estate.AddVersion(Version, Mebibytes, seed: 5);

        await using var server = estate.Serve("ImageMgmt:Retry:MaxTries=2", "ImageMgmt:Retry:FirstDelay=00:00:00.5");
        await server.LineAsync($"{Copy} quick Available");
        await Until.TrueAsync(() => slow.All(estate.Ledger.HasPlanned), () => $"the slow pods do not receive.\n{server}");
        using (var file = File.OpenHandle(estate.FileOf(Estate.SourcePod, Version), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            RandomAccess.SetLength(file, RandomAccess.GetLength(file) / 2);
        }

        Assert.True(await server.ExitAsync() == 0, server.ToString());
        foreach (var pod in slow)
        {
            Assert.Contains(server.Lines, line => line.StartsWith($"{Copy} {pod} Retry Pending: receive.source-corrupt", StringComparison.Ordinal));
        }

        Assert.Contains($"version {Estate.Image}/{Version} Available", server.Lines);
        estate.AssertHolds(Version, [Estate.SourcePod, "quick", .. slow]);
    }

    private static void AssertFailed(ImgmtProcess server, string pod, string code) =>
        Assert.True(server.Lines.Any(line => line.StartsWith($"{Copy} {pod} Failed: {code}:", StringComparison.Ordinal)), $"{pod} did not fail with {code}.\n{server}");
}
