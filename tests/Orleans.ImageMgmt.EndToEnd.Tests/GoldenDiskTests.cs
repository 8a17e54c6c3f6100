using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Orleans.ImageMgmt.Host.Demo;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: the demo's disk is a real disk. Method: build small ones and let the machine's own disk tools read them.</summary>
public sealed class GoldenDiskTests : IDisposable
{
    private const long DataStart = 65L << 20;

    private static readonly GoldenDiskSize Small = new(256L << 20, 64L << 20);

    private readonly string folder = Directory.CreateTempSubdirectory("golden-disk-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task The_disk_has_an_active_boot_partition_and_a_Linux_partition()
    {
        var disk = await BuildAsync(GoldenDisk.FirstVersion, "a.raw");

        var table = await RunAsync("sfdisk", "--dump", disk);

        Assert.Contains("label: dos", table, StringComparison.Ordinal);
        Assert.Matches(@"start=\s*2048, size=\s*131072, type=6, bootable", table);
        Assert.Matches(@"start=\s*133120, size=\s*391168, type=83", table);
    }

    [Theory]
    [InlineData(GoldenDisk.FirstVersion)]
    [InlineData(GoldenDisk.NextVersion)]
    public async Task The_file_system_has_no_error_and_holds_the_wanted_bytes(string version)
    {
        var data = await DataPartitionAsync(await BuildAsync(version, "a.raw"));

        var report = await RunAsync("e2fsck", "-f", "-n", data);
        var statistics = await RunAsync("dumpe2fs", "-h", data);

        Assert.DoesNotContain("Fix?", report, StringComparison.Ordinal);
        Assert.Contains("extent", statistics, StringComparison.Ordinal);
        var used = Number(statistics, "Block count") - Number(statistics, "Free blocks");
        Assert.InRange(used * 4096, Small.DataBytes, Small.DataBytes * 5 / 4);
    }

    [Fact]
    public async Task A_file_on_the_disk_is_the_machines_own_file()
    {
        var data = await DataPartitionAsync(await BuildAsync(GoldenDisk.FirstVersion, "a.raw"));
        var source = GoldenDiskFiles.Plan(GoldenDisk.FirstVersion, Small).Contents.Where(content => content.Source is not null).MaxBy(content => content.Length)!;

        var copy = Path.Combine(folder, "copy");
        _ = await RunAsync("debugfs", "-R", $"dump \"/data{source.Source}\" \"{copy}\"", data);

        Assert.Equal(await DigestAsync(source.Source!), await DigestAsync(copy));
    }

    [Fact]
    public async Task Two_builds_of_one_version_are_the_same_bytes()
    {
        var first = await BuildAsync(GoldenDisk.FirstVersion, "a.raw");
        var second = await BuildAsync(GoldenDisk.FirstVersion, "b.raw");

        Assert.Equal(await DigestAsync(first), await DigestAsync(second));
    }

    [Fact]
    public async Task Version_1_1_is_the_same_disk_with_some_files_replaced_and_some_added()
    {
        var before = await BuildAsync(GoldenDisk.FirstVersion, "a.raw");
        var after = await BuildAsync(GoldenDisk.NextVersion, "b.raw");

        var changed = await ChangedBlocksAsync(before, after) * 4096;
        var data = await DataPartitionAsync(after);
        var version = await RunAsync("debugfs", "-R", "cat /etc/image-version", data);
        var added = await RunAsync("debugfs", "-R", "ls -p /upgrade-1.1", data);

        Assert.InRange(changed, Small.DataBytes / 20, Small.DataBytes / 5);
        Assert.Equal("1.1\n", version);
        Assert.Contains("/00", added, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_build_that_is_stopped_leaves_nothing_behind()
    {
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();

        _ = await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => GoldenDisk.BuildAsync(folder, "a.raw", GoldenDisk.FirstVersion, Small, null, stop.Token));

        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    [Fact]
    public async Task A_disk_that_is_too_small_for_its_files_is_refused_with_a_sentence()
    {
        var refusal = await Assert.ThrowsAsync<GoldenDiskException>(
            () => GoldenDisk.BuildAsync(folder, "a.raw", GoldenDisk.FirstVersion, new(96L << 20, 64L << 20), null, TestContext.Current.CancellationToken));

        Assert.Contains("too small", refusal.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    [Fact]
    public async Task A_program_that_fails_is_reported_with_its_last_line()
    {
        var refusal = await Assert.ThrowsAsync<GoldenDiskException>(() => GoldenDiskProgram.RunAsync(
            "sh", ["-c", "echo first >&2; echo the reason >&2; exit 3"], GoldenDiskProgram.LocalLimit, TestContext.Current.CancellationToken));

        Assert.Equal("sh failed with exit code 3: the reason", refusal.Message);
    }

    [Fact]
    public async Task A_program_that_hangs_is_ended_at_its_limit()
    {
        var refusal = await Assert.ThrowsAsync<GoldenDiskException>(() => GoldenDiskProgram.RunAsync(
            "tail", ["-f", "/dev/null"], TimeSpan.FromMilliseconds(50), TestContext.Current.CancellationToken));

        Assert.StartsWith("tail did not end within", refusal.Message, StringComparison.Ordinal);
    }

    private Task<string> BuildAsync(string version, string name) =>
        GoldenDisk.BuildAsync(folder, name, version, Small, null, TestContext.Current.CancellationToken);

    private async Task<string> DataPartitionAsync(string disk)
    {
        var path = Path.Combine(folder, "data.ext4");
        await using var from = File.OpenRead(disk);
        await using var to = File.Create(path);
        from.Position = DataStart;
        await from.CopyToAsync(to, TestContext.Current.CancellationToken);
        return path;
    }

    private static async Task<string> DigestAsync(string path)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, TestContext.Current.CancellationToken));
    }

    private static async Task<long> ChangedBlocksAsync(string before, string after)
    {
        await using var first = File.OpenRead(before);
        await using var second = File.OpenRead(after);
        var left = new byte[4096];
        var right = new byte[4096];
        var changed = 0L;
        while (await first.ReadAtLeastAsync(left, left.Length, throwOnEndOfStream: false) is > 0)
        {
            await second.ReadExactlyAsync(right);
            changed += left.AsSpan().SequenceEqual(right) ? 0 : 1;
        }

        return changed;
    }

    private static long Number(string statistics, string name) => long.Parse(
        statistics.Split('\n').Single(line => line.StartsWith(name + ":", StringComparison.Ordinal)).Split(':')[1], CultureInfo.InvariantCulture);

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] += ":/usr/sbin:/sbin";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, $"{program} ended with {process.ExitCode}: {output}{await errors}");
        return output;
    }
}
