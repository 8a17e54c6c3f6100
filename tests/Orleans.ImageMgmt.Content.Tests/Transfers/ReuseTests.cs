using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Transfers;

/// <summary>What the pod holds in another copy does not travel, and is not believed either.</summary>
public class ReuseTests
{
    /// <summary>Of the new version: chunk 2 is changed, chunk 5 stood at 9 before, chunk 8 is new behind the old end.</summary>
    private static readonly int[] Missing = [2, 8];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Only_chunks_that_no_own_copy_holds_are_asked_for(bool local)
    {
        using var bench = new Bench();
        await using var old = await OldAsync(bench);
        await using var reader = await NewAsync(bench);
        var staging = bench.Open("staging");
        var recorder = new Recorder();
        var received = await CopyReceiver.ReceiveAsync(local ? reader : new RemoteDouble(reader), staging, Having(old), recorder, Bench.Token);
        Assert.Equal(Missing, recorder.Requested);
        Assert.Equal((Missing.Length, reader.Manifest.DataChunks - Missing.Length, Bytes(reader.Manifest, Missing)), recorder.Plan);
        Assert.Equal(reader.Manifest.DataChunks - Missing.Length, received.ChunksReused);
        Assert.Equal(reader.Manifest.DataLength - Bytes(reader.Manifest, Missing), received.BytesReused);
        Assert.Equal(0, received.ChunksStagedBefore);
        Assert.Equal(reader.Manifest.DataChunks, received.Proof!.Chunks);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.InRange(SparseFile.AllocatedBytes(staging), 0, SparseFile.AllocatedBytes(reader.LocalFile!) + (64 << 10));
    }

    [Fact]
    public async Task What_own_copies_hold_is_filled_in_while_the_rest_comes()
    {
        using var bench = new Bench();
        await using var old = await OldAsync(bench);
        await using var reader = await NewAsync(bench);
        var asked = new TaskCompletionSource();
        Task Ask()
        {
            asked.TrySetResult();
            return Task.CompletedTask;
        }

        var recorder = new Recorder { OnAdvanced = () => Assert.True(asked.Task.Wait(TimeSpan.FromSeconds(30), Bench.Token), "Nothing was asked while chunks were filled in.") };
        await CopyReceiver.ReceiveAsync(new RemoteDouble(reader, beforeRead: (_, _) => Ask()), bench.Open("staging"), Having(old), recorder, Bench.Token);
        Assert.Equal(Missing, recorder.Requested);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_own_copy_is_read_where_it_lies_and_memory_is_left_as_it_was(bool isInMemory)
    {
        using var bench = new Bench();
        await using var old = await OldAsync(bench);
        await using var reader = await NewAsync(bench);
        var (file, length) = (old.LocalFile!, 4L * Bench.MiB); // chunks 0 to 3: data
        SparseFile.Flush(file);
        SparseFile.DropCache(file);
        if (isInMemory)
        {
            var bytes = new byte[length];
            Assert.True(ChunkCheck.TryReadAll(file, bytes, 0));
            RandomAccess.Write(file, bytes, 0); // in memory and not on the disk yet: a read past the cache would have it written first
        }

        var before = PagesOf(file, Bench.MiB); // on a disk, where Linux says it (6.5): all of them and unwritten, or none
        await CopyReceiver.ReceiveAsync(new RemoteDouble(reader), bench.Open("staging"), Having(old), new Recorder(), Bench.Token);
        Assert.Equal(before, PagesOf(file, Bench.MiB));
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_damaged_own_copy_costs_a_transfer_and_nothing_else(bool local)
    {
        using var bench = new Bench();
        await using var old = await OldAsync(bench);
        await using var reader = await NewAsync(bench);
        Flip(old.LocalFile!, old.Manifest.OffsetOf(3) + 77);
        var staging = bench.Open("staging");
        var recorder = new Recorder();
        var received = await CopyReceiver.ReceiveAsync(local ? reader : new RemoteDouble(reader), staging, Having(old), recorder, Bench.Token);
        Assert.Equal(Missing.Append(3).Order(), recorder.Requested.Order());
        Assert.Equal((3, reader.Manifest.DataChunks - 3), (recorder.Plan.Needed, recorder.Plan.Staged));
        Assert.Equal(3, received.ChunksRequested);
        Assert.Equal(reader.Manifest.DataChunks, received.Proof!.Chunks);
        Assert.Equal(reader.Manifest.DataChunks - 3, received.ChunksReused);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_own_copy_that_is_cut_short_gives_what_it_has(bool local)
    {
        using var bench = new Bench();
        await using var old = await OldAsync(bench);
        await using var reader = await NewAsync(bench);
        RandomAccess.SetLength(old.LocalFile!, old.Manifest.OffsetOf(4) + 5_000);
        var recorder = new Recorder();
        await CopyReceiver.ReceiveAsync(local ? reader : new RemoteDouble(reader), bench.Open("staging"), Having(old), recorder, Bench.Token);
        Assert.DoesNotContain(0, recorder.Requested);
        Assert.Contains(4, recorder.Requested);
        Assert.Contains(7, recorder.Requested);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
    }

    [Fact]
    public async Task What_is_staged_already_is_kept_and_the_rest_is_taken_from_own_copies()
    {
        using var bench = new Bench();
        await using var old = await OldAsync(bench);
        await using var reader = await NewAsync(bench);
        var staging = bench.Open("staging");
        var chunk = new byte[Bench.MiB];
        RandomAccess.Read(reader.LocalFile!, chunk, reader.Manifest.OffsetOf(2));
        RandomAccess.Write(staging, chunk, reader.Manifest.OffsetOf(2));
        var recorder = new Recorder();
        var received = await CopyReceiver.ReceiveAsync(reader, staging, Having(old), recorder, Bench.Token);
        Assert.Equal([8], recorder.Requested);
        Assert.Equal(1, received.ChunksStagedBefore);
        Assert.Equal(reader.Manifest.DataChunks - 2, received.ChunksReused);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
    }

    private static ReceiveOptions Having(LocalContentReader old) => new() { OwnCopies = [new OwnCopy(old.LocalFile!, old.Manifest)] };

    private static long Bytes(ContentManifest manifest, int[] chunks) => chunks.Sum(chunk => (long)manifest.LengthOf(chunk));

    /// <summary>Chunks 0 to 4, 7 and 9 with data, of which 4 begins with a hole.</summary>
    private static async Task<LocalContentReader> OldAsync(Bench bench)
    {
        var file = bench.Open("old");
        RandomAccess.SetLength(file, 10L * Bench.MiB);
        foreach (var chunk in (int[])[0, 1, 2, 3, 4, 7, 9])
        {
            Put(file, chunk, seed: chunk);
        }

        return await bench.SealAsync("old-sealed", file);
    }

    private static async Task<LocalContentReader> NewAsync(Bench bench)
    {
        var file = bench.Open("new");
        RandomAccess.SetLength(file, (8L * Bench.MiB) + 300_001);
        foreach (var (chunk, seed) in ((int, int)[])[(0, 0), (1, 1), (2, 20), (3, 3), (4, 4), (5, 9), (7, 7)])
        {
            Put(file, chunk, seed);
        }

        var tail = new byte[300_001];
        new Random(80).NextBytes(tail);
        RandomAccess.Write(file, tail, 8L * Bench.MiB);
        return await bench.SealAsync("new-sealed", file);
    }

    private static (ulong Cached, ulong Dirty) PagesOf(SafeFileHandle file, long length) =>
        NativeFile.CacheStat(NativeFile.SYS_CACHESTAT, file, new NativeFile.CacheRange { Offset = 0, Length = (ulong)length }, out var counts, 0) == 0 ? (counts.Cached, counts.Dirty) : default;

    private static void Put(SafeFileHandle file, int chunk, int seed)
    {
        var bytes = new byte[Bench.MiB];
        new Random(1_000 + seed).NextBytes(bytes);
        var skip = seed == 4 ? 64 << 10 : 0;
        RandomAccess.Write(file, bytes.AsSpan(skip), ((long)chunk * Bench.MiB) + skip);
    }

    private static void Flip(SafeFileHandle file, long offset)
    {
        Span<byte> one = stackalloc byte[1];
        RandomAccess.Read(file, one, offset);
        one[0] ^= 0x40;
        RandomAccess.Write(file, one, offset);
    }
}
