using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: the process is a good citizen of its machine: one per data directory, ends when asked, survives a full disk of its own.</summary>
[Collection("servers")]
public sealed class ServiceTests
{
    private const int Mebibytes = 64;
    private const string Version = "1.0";

    /// <summary>Room for an empty database and the beginning of a publish.</summary>
    private const int DatabaseMebibytes = 16;

    [Fact]
    public async Task A_second_process_on_the_same_data_is_refused_with_a_sentence_and_the_first_goes_on()
    {
        using var estate = new Estate("a", "b", "c");
        estate.AddVersion(Version, Mebibytes, seed: 6);
        await using var first = estate.Serve();
        await first.LineAsync("imgmt is ready");

        await using var second = estate.Serve();

        Assert.Equal(2, await second.ExitAsync());
        Assert.Empty(second.Lines);
        AssertOneSentence(second, "imgmt: ");
        Assert.Contains(estate.DataFolder, second.Errors[0], StringComparison.Ordinal);
        Assert.True(await first.ExitAsync() == 0, first.ToString());
        estate.AssertHolds(Version, estate.Pods);
    }

    [Fact]
    public async Task A_termination_signal_ends_the_server_well_and_the_next_start_goes_on()
    {
        using var estate = new Estate("a", "b");
        estate.AddPod("slow", "receive:slow=8MB/s");
        var chunks = estate.AddVersion(Version, Mebibytes, seed: 7);
        await using (var first = estate.Serve())
        {
            await Until.TrueAsync(() => estate.Ledger.RequestedBy("slow") > 2, () => $"nothing was sent.\n{first}");
            await first.TerminateAsync();
            Assert.True(await first.ExitAsync() == 0, first.ToString());
            Assert.DoesNotContain("plan applied", first.Lines);
            estate.AssertNoHalfCopyIsInSight();
        }

        await using var second = estate.Serve();

        Assert.True(await second.ExitAsync() == 0, second.ToString());
        Assert.Contains($"version {Estate.Image}/{Version} Available", second.Lines);
        estate.AssertHolds(Version, estate.Pods);
        estate.AssertNothingIsLeftBehind(estate.Pods);
        estate.Ledger.AssertNothingWasSentTwice(chunks * estate.Targets, kills: 1, estate.Targets);
    }

    [Fact]
    public async Task A_full_disk_under_the_database_refuses_new_work_loses_nothing_and_goes_on_when_there_is_room()
    {
        using var estate = new Estate("a", "b");
        estate.AddPod("slow", "receive:slow=16MB/s");
        await using var disk = await Mount.TmpfsAsync(estate.DataFolder, DatabaseMebibytes);
        var chunks = estate.AddVersion(Version, Mebibytes, seed: 8);
        await using (var first = estate.ServeOn())
        {
            await Until.TrueAsync(() => estate.Ledger.RequestedBy("slow") > 2, () => $"nothing was sent.\n{first}");
            disk.Fill();

            // Every byte arrives and no result of it can be stored: the server stays and says why.
            await Until.TrueAsync(() => estate.Ledger.RequestedBy("slow") == chunks && SaysFull(first), () => $"no word of the full disk.\n{first}");
            Assert.DoesNotContain($"version {Estate.Image}/{Version} Available", first.Lines);
            Assert.False(first.HasEnded, first.ToString());
            await first.KillAsync();
        }

        estate.AddVersion("1.1", Mebibytes, seed: 9);
        await using (var refused = estate.Serve())
        {
            Assert.True(await refused.ExitAsync() == 2, refused.ToString());
            Assert.Contains("There is no room left on the file system", refused.Errors[^1], StringComparison.Ordinal);
            Assert.Single(refused.Errors, line => !IsLog(line));
        }

        disk.FreeRoom();
        await using var last = estate.Serve();

        Assert.True(await last.ExitAsync() == 0, last.ToString());
        foreach (var version in (string[])[Version, "1.1"])
        {
            Assert.Contains($"version {Estate.Image}/{version} Available", last.Lines);
            estate.AssertHolds(version, estate.Pods);
        }

        estate.Ledger.AssertNothingWasSentTwice(chunks * estate.Targets * 2, kills: 1, estate.Targets);
    }

    [Fact]
    public async Task A_server_whose_disk_was_full_goes_on_by_itself_when_there_is_room()
    {
        using var estate = new Estate("a", "b");
        estate.AddPod("slow", "receive:slow=16MB/s");
        await using var disk = await Mount.TmpfsAsync(estate.DataFolder, DatabaseMebibytes);
        estate.AddVersion(Version, Mebibytes, seed: 10);
        await using var server = estate.Serve();
        await Until.TrueAsync(() => estate.Ledger.RequestedBy("slow") > 2, () => $"nothing was sent.\n{server}");
        disk.Fill();
        await Until.TrueAsync(() => SaysFull(server), () => $"no word of the full disk.\n{server}");

        disk.FreeRoom();

        Assert.True(await server.ExitAsync() == 0, server.ToString());
        Assert.Contains($"version {Estate.Image}/{Version} Available", server.Lines);
        estate.AssertHolds(Version, estate.Pods);
    }

    private static bool SaysFull(ImgmtProcess server) => server.Errors.Any(line => line.Contains("no room", StringComparison.Ordinal));

    /// <summary>A log line begins with its time.</summary>
    private static bool IsLog(string line) => char.IsAsciiDigit(line[0]);

    internal static void AssertOneSentence(ImgmtProcess process, string beginning)
    {
        var line = Assert.Single(process.Errors);
        Assert.StartsWith(beginning, line, StringComparison.Ordinal);
        Assert.EndsWith(".", line, StringComparison.Ordinal);
    }
}
