using System.Security.Cryptography;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Transfers;

public class SealTests
{
    [Fact]
    public async Task Every_digest_of_a_sealed_source_is_the_one_that_others_compute()
    {
        using var bench = new Bench();
        var source = bench.MakeImage("source", new Random(50), (11L << 20) + 999, 5);
        var target = bench.Open("sealed");
        RandomAccess.Write(target, new byte[30_000_000].Select(_ => (byte)9).ToArray(), 0);
        using var image = new RawDouble(source);
        var recorder = new Recorder();
        var (manifest, content) = await Sealer.SealAsync(image, source, target, new SealOptions(), recorder, Bench.Token);

        var bytes = await File.ReadAllBytesAsync(bench.PathOf("source"), Bench.Token);
        Assert.Equal(Digest.FromBytes(SHA256.HashData(bytes)), content.ContentDigest);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(bench.PathOf("sealed"), Bench.Token));
        for (var chunk = 0; chunk < manifest.ChunkCount; chunk++)
        {
            var part = bytes.AsSpan((int)manifest.OffsetOf(chunk), manifest.LengthOf(chunk));
            Assert.Equal(part.ContainsAnyExcept((byte)0), !manifest.IsZero(chunk));
            Assert.True(manifest.IsZero(chunk) || manifest.Matches(chunk, SHA256.HashData(part)));
        }

        Assert.Equal(
            new ContentDescription(ContentKind.Disk, manifest.ContentDigest, bytes.Length, manifest.DataLength, manifest.ComputeDigest(), 1 << 20, manifest.DataChunks, SourceFormat.Raw, bytes.Length, content.ContentDigest),
            content);
        Assert.Equal(bytes.Length, recorder.Passed);
        Assert.InRange(SparseFile.AllocatedBytes(target), 0, SparseFile.AllocatedBytes(source) + (64 << 10));
    }

    [Fact]
    public async Task A_container_has_a_digest_of_its_own_beside_its_content()
    {
        using var bench = new Bench();
        var source = bench.MakeImage("source", new Random(51), 5L << 20, 4);
        using var image = new RawDouble(source, format: SourceFormat.Qcow2, length: 3L << 20);
        var result = await Sealer.SealAsync(image, source, bench.Open("sealed"), new SealOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Equal(bench.Sha256("source"), result.Content.SourceDigest.Value);
        Assert.Equal(bench.Sha256("sealed"), result.Content.ContentDigest.Value);
        Assert.Equal((3L << 20, 5L << 20), (result.Content.Length, result.Content.SourceLength));
    }

    [Fact]
    public async Task A_container_that_is_hashed_after_its_disk_was_sealed_shows_that_it_is_read()
    {
        using var bench = new Bench();
        var source = bench.MakeImage("source", new Random(51), 64L << 20, 4);
        using var image = new RawDouble(source, format: SourceFormat.Qcow2, length: 1L << 20);
        var recorder = new Recorder();
        await Sealer.SealAsync(image, source, bench.Open("sealed"), new SealOptions(), recorder, Bench.Token);
        Assert.InRange(recorder.Advances, 1 + 64, int.MaxValue);
        Assert.Equal(1L << 20, recorder.Passed);
    }

    [Fact]
    public async Task An_ISO_is_its_own_content()
    {
        using var bench = new Bench();
        var source = bench.MakeImage("source", new Random(52), 3_000_001, 3);
        using var image = new RawDouble(source, format: SourceFormat.Iso);
        var result = await Sealer.SealAsync(image, source, bench.Open("sealed"), new SealOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Equal(ContentKind.File, result.Content.Kind);
        Assert.Equal(result.Content.ContentDigest, result.Content.SourceDigest);
    }

    [Fact]
    public async Task A_source_written_while_it_is_read_is_refused()
    {
        using var bench = new Bench();
        var source = bench.MakeImage("source", new Random(53), 6L << 20, 0);
        RandomAccess.Write(source, Enumerable.Repeat((byte)1, 6 << 20).ToArray(), 0);
        using var image = new RawDouble(source, at => WriteOnce(at, bench.PathOf("source"), keepTimes: false));
        await Assert.ThrowsAsync<SourceChangedException>(() =>
            Sealer.SealAsync(image, source, bench.Open("sealed"), new SealOptions(), SilentObserver.Instance, Bench.Token));
    }

    [Fact]
    public async Task A_rewrite_that_keeps_length_and_times_is_refused_too()
    {
        using var bench = new Bench();
        var source = bench.Open("source");
        RandomAccess.Write(source, Enumerable.Repeat((byte)1, 3 << 20).ToArray(), 0);
        using var image = new RawDouble(source, at => WriteOnce(at, bench.PathOf("source"), keepTimes: true));
        var before = SparseFile.Identify(source);
        await Assert.ThrowsAsync<SourceChangedException>(() =>
            Sealer.SealAsync(image, source, bench.Open("sealed"), new SealOptions(), SilentObserver.Instance, Bench.Token));
        var after = SparseFile.Identify(source);
        Assert.Equal((before.Length, before.ModifiedNanoseconds / 100), (after.Length, after.ModifiedNanoseconds / 100));
        Assert.NotEqual(before.ChangedNanoseconds, after.ChangedNanoseconds);
    }

    [Fact]
    public async Task A_source_that_shrinks_while_it_is_read_is_refused()
    {
        using var bench = new Bench();
        var source = bench.Open("source");
        RandomAccess.Write(source, Enumerable.Repeat((byte)1, 3 << 20).ToArray(), 0);
        using var image = new RawDouble(source, at => RandomAccess.SetLength(source, 2 << 20));
        await Assert.ThrowsAsync<SourceChangedException>(() =>
            Sealer.SealAsync(image, source, bench.Open("sealed"), new SealOptions(), SilentObserver.Instance, Bench.Token));
    }

    [Fact]
    public async Task A_source_that_never_rests_is_refused_before_it_is_read()
    {
        using var bench = new Bench();
        var source = bench.MakeImage("source", new Random(55), 1 << 20, 1);
        var reads = 0;
        using var image = new RawDouble(source, _ => reads++);
        var clock = new RestlessClock(() => RandomAccess.Write(source, [1], 0));
        var options = new SealOptions { TimeProvider = clock, SettleTries = 3 };
        await Assert.ThrowsAsync<SourceChangedException>(() =>
            Sealer.SealAsync(image, source, bench.Open("sealed"), options, SilentObserver.Instance, Bench.Token));
        Assert.Equal(0, reads);
        Assert.Equal(3, clock.Waits);
    }

    [Fact]
    public async Task A_cancelled_seal_ends_as_cancelled()
    {
        using var bench = new Bench();
        var source = bench.Open("source");
        RandomAccess.Write(source, Enumerable.Repeat((byte)1, 3 << 20).ToArray(), 0);
        using var stop = new CancellationTokenSource();
        using var image = new RawDouble(source, _ => stop.Cancel());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            Sealer.SealAsync(image, source, bench.Open("sealed"), new SealOptions(), SilentObserver.Instance, stop.Token));
    }

    private static void WriteOnce(long at, string path, bool keepTimes)
    {
        if (at != 2 << 20)
        {
            return;
        }

        var modified = File.GetLastWriteTimeUtc(path);
        using (var writer = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            RandomAccess.Write(writer, [2], 0);
        }

        if (keepTimes)
        {
            File.SetLastWriteTimeUtc(path, modified);
        }
    }

    /// <summary>A clock on which every wait ends at once, after something happened to the source.</summary>
    private sealed class RestlessClock(Action onWait) : TimeProvider
    {
        public int Waits { get; private set; }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Waits++;
            onWait();
            return base.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }
}
