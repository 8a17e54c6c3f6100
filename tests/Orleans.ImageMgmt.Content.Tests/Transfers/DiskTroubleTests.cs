using System.Diagnostics;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Transfers;

/// <summary>The real errors of real file systems.</summary>
public class DiskTroubleTests
{
    [Fact]
    public async Task A_full_disk_is_no_room_and_what_was_staged_before_is_kept()
    {
        using var bench = new Bench();
        var source = bench.Open("source");
        var bytes = new byte[8 * Bench.MiB];
        new Random(40).NextBytes(bytes);
        RandomAccess.Write(source, bytes, 0);
        await using var reader = await bench.SealAsync("sealed", source);
        using var small = new SmallDisk(bench.PathOf("small"), "size=4m");
        var staging = bench.Open("small/staging");
        var first = new Recorder();
        var trouble = await Assert.ThrowsAsync<IOException>(() => CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), first, Bench.Token));
        Assert.Equal(IoTrouble.NoRoom, IoTroubles.Classify(trouble));
        Assert.NotEmpty(first.Staged);

        small.Remount("size=16m");
        var second = new Recorder();
        await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), second, Bench.Token);
        Assert.Empty(second.Requested.Intersect(first.Staged));
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("small/staging"));
        staging.Dispose();
    }

    [Fact]
    public async Task Sealing_onto_a_full_disk_is_no_room()
    {
        using var bench = new Bench();
        var source = bench.Open("source");
        RandomAccess.Write(source, Enumerable.Repeat((byte)7, 4 * Bench.MiB).ToArray(), 0);
        using var small = new SmallDisk(bench.PathOf("small"), "size=1m");
        using var target = File.OpenHandle(bench.PathOf("small/target"), FileMode.Create, FileAccess.ReadWrite);
        using var image = new RawDouble(source);
        var trouble = await Assert.ThrowsAsync<IOException>(() =>
            Sealer.SealAsync(image, source, target, new SealOptions(), SilentObserver.Instance, Bench.Token));
        Assert.Equal(IoTrouble.NoRoom, IoTroubles.Classify(trouble));
    }

    [Fact]
    public void A_read_only_mount_is_read_only()
    {
        using var bench = new Bench();
        using var small = new SmallDisk(bench.PathOf("small"), "size=1m");
        small.Remount("ro");
        var trouble = Assert.ThrowsAny<Exception>(() => File.OpenHandle(bench.PathOf("small/new"), FileMode.CreateNew, FileAccess.ReadWrite));
        Assert.Equal(IoTrouble.ReadOnly, IoTroubles.Classify(trouble));
    }

    [Fact]
    public void A_missing_file_or_folder_is_missing()
    {
        using var bench = new Bench();
        Assert.Equal(IoTrouble.Missing, IoTroubles.Classify(Assert.ThrowsAny<IOException>(() => File.OpenHandle(bench.PathOf("none")))));
        Assert.Equal(IoTrouble.Missing, IoTroubles.Classify(Assert.ThrowsAny<IOException>(() => File.OpenHandle(bench.PathOf("none/none")))));
        Assert.Equal(IoTrouble.Missing, IoTroubles.Classify(Assert.ThrowsAny<IOException>(() => SparseFile.FlushFolder(bench.PathOf("none")))));
    }

    [Fact]
    public void A_failing_device_is_a_device()
    {
        // Page 0 of a process is never mapped; reading it through this file is how the kernel gives a real EIO without a broken disk.
        using var memory = File.OpenHandle("/proc/self/mem");
        var trouble = Assert.ThrowsAny<IOException>(() => RandomAccess.Read(memory, new byte[1], 0));
        Assert.Equal(IoTrouble.Device, IoTroubles.Classify(trouble));
    }

    [Fact]
    public void What_is_refused_is_denied()
    {
        using var bench = new Bench();
        using var small = new SmallDisk(bench.PathOf("small"), "size=1m");
        var path = bench.PathOf("small/immutable");
        File.WriteAllText(path, "x");
        SmallDisk.Run("chattr", "+i", path);
        var trouble = Assert.ThrowsAny<Exception>(() => File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite));
        SmallDisk.Run("chattr", "-i", path);
        Assert.Equal(IoTrouble.Denied, IoTroubles.Classify(trouble));
    }

    [Theory]
    [InlineData(122, IoTrouble.NoRoom)]
    [InlineData(116, IoTrouble.Missing)]
    [InlineData(13, IoTrouble.Denied)]
    [InlineData(107, IoTrouble.Device)]
    [InlineData(4_711, IoTrouble.Other)]
    public void Errors_that_need_a_quota_or_a_share_are_told_by_number(int errno, IoTrouble expected) =>
        Assert.Equal(expected, IoTroubles.Classify(new IOException("", errno)));

    [Fact]
    public async Task A_file_system_that_does_not_know_direct_reads_and_writes_gets_a_right_copy_too()
    {
        // ramfs is the plainest file system that Linux has: no direct I/O, no holes to ask for, none to punch.
        using var bench = new Bench();
        var source = bench.MakeImage("source", new Random(41), (9L << 20) + 123, 5);
        await using var reader = await bench.SealAsync("sealed", source);
        using var small = new SmallDisk(bench.PathOf("small"), "mode=700", "ramfs");
        using var staging = File.OpenHandle(bench.PathOf("small/staging"), FileMode.CreateNew, FileAccess.ReadWrite);
        using (var direct = DirectFile.ForWriting(staging))
        {
            Assert.False(direct.IsDirect);
        }

        var recorder = new Recorder();
        await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), recorder, Bench.Token);
        Assert.Equal(reader.Manifest.DataChunks, recorder.Requested.Count);
        Assert.True((await CopyVerifier.VerifyAsync(staging, reader.Manifest, new VerifyOptions(), SilentObserver.Instance, Bench.Token)).IsRight);

        RandomAccess.Write(staging, new byte[Bench.MiB], reader.Manifest.OffsetOf(recorder.Staged[0]));
        var again = new Recorder();
        await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), again, Bench.Token);
        Assert.Equal([recorder.Staged[0]], again.Requested);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("small/staging"));
    }

    /// <summary>A RAM disk with a size of its own.</summary>
    private sealed class SmallDisk : IDisposable
    {
        private readonly string path;

        public SmallDisk(string path, string options, string kind = "tmpfs")
        {
            Assert.True(Environment.IsPrivilegedProcess, "These tests mount RAM disks: run them as root.");
            this.path = Directory.CreateDirectory(path).FullName;
            Run("mount", "-t", kind, "-o", options, kind, this.path);
        }

        public static void Run(params string[] words)
        {
            using var process = Process.Start(words[0], words[1..]);
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, $"{string.Join(' ', words)} ended with {process.ExitCode}.");
        }

        public void Remount(string options) => Run("mount", "-o", $"remount,{options}", path);

        // Lazily: a test that failed may still hold a file there, and its folder has to go all the same.
        public void Dispose() => Run("umount", "-l", path);
    }
}
