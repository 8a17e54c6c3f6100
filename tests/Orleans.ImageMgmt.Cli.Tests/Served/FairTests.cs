using System.Globalization;
using System.Text.Json;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: how fast, who first, and when to wait is in the operator's hands, and what is promised beforehand is what happens. Method: a real server
/// with pods in folders and the real imgctl; the numbers are read over HTTP.</summary>
public sealed class FairTests(Estate estate) : IClassFixture<Estate>
{
    private const long DiskBytes = 8 << 20;

    private Shell Shell => estate.Shell;

    [Fact]
    public async Task Pods_are_capped_planned_for_paused_and_repaired_by_hand()
    {
        await estate.ConnectHeadOfficeAsync();
        await estate.ConnectAsync("capped");
        await estate.ConnectAsync("planned");
        await estate.ConnectAsync("slow", "--set", "fault-plan=receive:slow=2MB/s");
        (await Shell.ImgctlAsync("import", "Win10POS", "1.0", "--pod", "head-office", "--source", "win10pos.raw", "--wait", "--quiet")).With(0);

        await CapAsync();
        await PlanAsync();
        await PauseAsync();
        await RepairAsync();
    }

    /// <summary>The same hours, read in Tokyo and in London, are another rate; what runs goes on by the new one.</summary>
    private async Task CapAsync()
    {
        using var client = Server.Client(Shell);
        var tokyo = TimeZoneInfo.ConvertTime(TimeProvider.System.GetUtcNow(), TimeZoneInfo.FindSystemTimeZoneById("Asia/Tokyo"));
        var hours = string.Create(CultureInfo.InvariantCulture, $"{tokyo.AddHours(-3):HH:mm}-{tokyo.AddHours(3):HH:mm} 256kbit/s; else 400Mbit/s");
        var set = (await Shell.ImgctlAsync("pod", "cap", "capped", "--in", hours, "--time-zone", "Asia/Tokyo", "--reason", "office hours")).With(0);
        Assert.StartsWith("Pod capped has the caps cap in ", set.Only, StringComparison.Ordinal);
        var shown = (await Shell.ImgctlAsync("pod", "show", "capped")).With(0).Out;
        Assert.Contains($"{hours} (now 31.3 KiB/s)", shown, StringComparison.Ordinal);
        Assert.Contains("Asia/Tokyo", shown, StringComparison.Ordinal);
        Assert.Equal(32_000, (await client.GetPodAsync("capped")).RatesNow?.InBytesPerSecond);

        (await Shell.ImgctlAsync("publish", "Win10POS", "1.0", "--pods", "capped", "--operation", "by-the-hour")).With(0);
        TransferProgress? progress = null;
        await Server.Until(async () => (progress = (await client.GetCopyAsync("Win10POS", "1.0", "capped")).Progress) is { TravelledBytes: > 0 }, () => $"nothing travels: {progress}");
        Assert.Equal(0, progress!.SentBytes); // a chunk of 1 MiB takes half a minute at this rate, and what has come of it is on the wire alone
        Assert.InRange(progress.TravelledBytes, 1, 1 << 20);
        Assert.Matches(@"Progress +0 of 8\.00 MiB staged, [0-9.]+ [KM]?i?B came over the wire", (await Shell.ImgctlAsync("copy", "show", "Win10POS", "1.0", "--pod", "capped")).With(0).Out);

        (await Shell.ImgctlAsync("pod", "cap", "capped", "--time-zone", "none")).With(0); // the same hours in UTC: it is another time there
        Assert.Equal(50_000_000, (await client.GetPodAsync("capped")).RatesNow?.InBytesPerSecond);
        Assert.Equal("Win10POS 1.0: Available on N of N pods after N", MainJobTests.Normal((await Shell.ImgctlAsync("watch", "by-the-hour")).With(0).Lines[^1]));
        Assert.Equal("Pod capped has no caps.", (await Shell.ImgctlAsync("pod", "cap", "capped", "--in", "none")).With(0).Only);
        Assert.Null((await client.GetPodAsync("capped")).RatesNow?.InBytesPerSecond);
        Assert.Contains("office hours", (await Shell.ImgctlAsync("activity", "--pod", "capped")).With(0).Out, StringComparison.Ordinal);
    }

    /// <summary>First a whole disk, then one of which the pod holds all but two chunks.</summary>
    private async Task PlanAsync()
    {
        var disk = await File.ReadAllBytesAsync(Path.Combine(Shell.Home, "sources", "win10pos.raw"), TestContext.Current.CancellationToken);
        disk[1_500_000] ^= 1;
        disk[6_500_000] ^= 1;
        await File.WriteAllBytesAsync(Path.Combine(Shell.Home, "sources", "patched.raw"), disk, TestContext.Current.CancellationToken);
        (await Shell.ImgctlAsync("import", "Win10POS", "1.1", "--pod", "head-office", "--source", "patched.raw", "--wait", "--quiet")).With(0);
        await PlannedAndDoneAsync("1.0", DiskBytes, 0);
        await PlannedAndDoneAsync("1.1", 2 << 20, DiskBytes - (2 << 20));
        Assert.Matches("^planned +0 +0 +0 .*is there", (await Shell.ImgctlAsync("publish", "Win10POS", "1.1", "--pods", "planned", "--plan")).With(0).Lines[1]);
    }

    private async Task PlannedAndDoneAsync(string version, long send, long there)
    {
        using var client = Server.Client(Shell);
        var lines = (await client.ListActivityAsync()).Items[0].Number;
        var told = (await Shell.ImgctlAsync("publish", "Win10POS", version, "--pods", "planned", "--plan", "-o", "json")).With(0).Out;
        var plan = JsonSerializer.Deserialize<List<PodPlanResource>>(told, ImageMgmtJson.Options)!.Single();
        Assert.Equal((send, there, false, false), (plan.SendBytes, plan.ReusedBytes, plan.IsThere, plan.ByBlocks));
        Assert.True(plan.RoomFreeBytes > plan.RoomNeededBytes);
        Assert.Equal(lines, (await client.ListActivityAsync()).Items[0].Number);
        Assert.Equal("copy.unknown", (await Assert.ThrowsAsync<ProblemException>(() => client.GetCopyAsync("Win10POS", version, "planned"))).Problem.Code);
        Assert.False(Directory.Exists(Path.Combine(estate.Folder("planned"), "content-library", ".staging", $"Win10POS@{version}")));

        (await Shell.ImgctlAsync("publish", "Win10POS", version, "--pods", "planned", "--wait", "--quiet")).With(0);
        Assert.Equal(plan.SendBytes, (await client.GetCopyAsync("Win10POS", version, "planned")).Receipt!.SentBytes);
    }

    private async Task PauseAsync()
    {
        using var client = Server.Client(Shell);
        (await Shell.ImgctlAsync("publish", "Win10POS", "1.0", "--pods", "slow", "--operation", "paused")).With(0);
        TargetResource? target = null;
        await Server.Until(async () => (target = (await client.ListTargetsAsync("paused")).Items.SingleOrDefault()) is { Progress.StagedChunks: > 0 }, () => $"nothing is staged: {target}");
        (await Shell.ImgctlAsync("operation", "pause", "paused")).With(0);
        await Server.Until(async () => (target = (await client.ListTargetsAsync("paused")).Items.Single()) is { State: CopyState.Pending, Progress: null }, () => $"it goes on: {target}");

        // While other work is done from beginning to end, not a byte of it is written.
        var staging = new FileInfo(Path.Combine(estate.Folder("slow"), "content-library", ".staging", "Win10POS@1.0", "disk.raw"));
        var written = staging.LastWriteTimeUtc;
        (await Shell.ImgctlAsync("publish", "Win10POS", "1.1", "--pods", "capped", "--wait", "--quiet")).With(0);
        staging.Refresh();
        Assert.Equal(written, staging.LastWriteTimeUtc);
        Assert.Equal(OperationState.Paused, (await client.GetOperationAsync("paused")).State);

        (await Shell.ImgctlAsync("operation", "resume", "paused")).With(0);
        (await Shell.ImgctlAsync("watch", "paused")).With(0);
        var receipt = (await client.GetCopyAsync("Win10POS", "1.0", "slow")).Receipt!;
        Assert.InRange(receipt.SentBytes, 1, DiskBytes - 1); // the last try took over what was staged
        Assert.Equal(1, (await client.ListTargetsAsync("paused")).Items.Single().Tries);
    }

    /// <summary>A byte that a disk changed by itself: found, kept from use, mended by its block, and the receipt says so.</summary>
    private async Task RepairAsync()
    {
        using var client = Server.Client(Shell);
        var path = Path.Combine(estate.Folder("planned"), "content-library", "Win10POS", "1.0", "disk.raw");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite))
        {
            var one = new byte[1];
            RandomAccess.Read(file, one, 3_333_333);
            one[0] ^= 0x40;
            RandomAccess.Write(file, one, 3_333_333);
            RandomAccess.FlushToDisk(file);
        }

        (await Shell.ImgctlAsync("copy", "verify", "Win10POS", "1.0", "--pod", "planned", "--operation", "look", "--wait")).With(0);

        var copy = await client.GetCopyAsync("Win10POS", "1.0", "planned");
        Assert.Equal((CopyState.Available, 1), (copy.State, copy.Receipt!.Repair!.Chunks));
        Assert.InRange(copy.Receipt.Repair.FetchedBytes, 4_096, 4_096 + 2_048 + 64); // one block, the digests of its chunk, and the frame around it
        Assert.Equal(estate.DiskSha256, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken))));
        Assert.Matches(@"Repaired +.* 6\.0\d KiB in 1 chunk from ", (await Shell.ImgctlAsync("copy", "show", "Win10POS", "1.0", "--pod", "planned")).With(0).Out);
        var lines = (await client.ListActivityAsync(new ActivityFilter { Pod = "planned" })).Items;
        Assert.Contains(lines, line => line.Action == "copy.state" && line.What.Contains("Quarantined", StringComparison.Ordinal));
        Assert.Contains(lines, line => line is { Action: "copy.repaired", Operation: "look" });
        (await Shell.ImgctlAsync("copy", "verify", "Win10POS", "1.0", "--pod", "planned", "--wait")).With(0);
    }
}

/// <summary>A server that runs one transfer at a time.</summary>
public sealed class NarrowEstate : Estate
{
    protected override IReadOnlyList<string> Settings => ["ImageMgmt:TransfersPerSilo=1"];
}

/// <summary>Goal: somebody in a hurry does not wait for somebody big.</summary>
public sealed class UrgentTests(NarrowEstate estate) : IClassFixture<NarrowEstate>
{
    [Fact, Trait("run", "long")]
    public async Task A_small_urgent_publish_passes_a_big_one_that_holds_the_only_slot()
    {
        var shell = estate.Shell;
        await estate.ConnectHeadOfficeAsync();
        await estate.ConnectAsync("big", "--set", "fault-plan=receive:slow=50KB/s");
        await estate.ConnectAsync("small");
        (await shell.ImgctlAsync("import", "Win10POS", "1.0", "--pod", "head-office", "--source", "win10pos.raw", "--wait", "--quiet")).With(0);
        (await shell.ImgctlAsync("publish", "Win10POS", "1.0", "--pods", "big", "--operation", "for-days")).With(0);
        using var client = Server.Client(shell);
        TargetResource? target = null;
        await Server.Until(async () => (target = (await client.ListTargetsAsync("for-days")).Items.SingleOrDefault()) is { Progress.NeededBytes: > 0 }, () => $"nothing moves: {target}");

        (await shell.ImgctlAsync("publish", "Win10POS", "1.0", "--pods", "small", "--urgent", "--wait", "--quiet")).With(0);

        Assert.Equal(OperationState.Running, (await client.GetOperationAsync("for-days")).State);
        (await shell.ImgctlAsync("operation", "cancel", "for-days", "--yes")).With(0);
    }
}
