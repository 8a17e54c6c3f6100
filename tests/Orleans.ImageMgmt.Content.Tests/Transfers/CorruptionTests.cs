using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Transfers;

public class CorruptionTests
{
    [Fact]
    public async Task A_chunk_that_always_arrives_wrong_is_the_sources_fault_and_named()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 21);
        var bad = DataChunk(reader.Manifest, 2);
        var recorder = new Recorder();
        var liar = new RemoteDouble(reader, (at, bytes) => bytes.Span[77] ^= (byte)(at == reader.Manifest.OffsetOf(bad) ? 4 : 0));
        var trouble = await Assert.ThrowsAsync<SourceCorruptException>(() =>
            CopyReceiver.ReceiveAsync(liar, bench.Open("staging"), new ReceiveOptions { ChunkRetries = 2 }, recorder, Bench.Token));
        Assert.Equal((bad, reader.Manifest.OffsetOf(bad)), (trouble.Chunk, trouble.Offset));
        Assert.Equal(3, recorder.Requested.Count(chunk => chunk == bad));
        Assert.DoesNotContain(bad, recorder.Staged);
    }

    [Fact]
    public async Task A_chunk_that_arrives_wrong_once_is_asked_again_and_heals()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 22);
        var bad = DataChunk(reader.Manifest, 1);
        var lies = 1;
        var recorder = new Recorder();
        var staging = bench.Open("staging");
        var liar = new RemoteDouble(reader, (at, bytes) => bytes.Span[0] ^= (byte)(at == reader.Manifest.OffsetOf(bad) && Interlocked.Decrement(ref lies) == 0 ? 1 : 0));
        var result = await CopyReceiver.ReceiveAsync(liar, staging, new ReceiveOptions(), recorder, Bench.Token);
        Assert.Equal(2, recorder.Requested.Count(chunk => chunk == bad));
        Assert.Equal(reader.Manifest.DataLength + reader.Manifest.LengthOf(bad), result.BytesRequested);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
    }

    [Fact]
    public async Task Bad_bytes_of_a_local_source_are_found_by_the_read_back_and_attributed_to_it()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 23);
        var bad = DataChunk(reader.Manifest, 1);
        Flip(reader.LocalFile!, reader.Manifest.OffsetOf(bad) + 5);
        var staging = bench.Open("staging");
        await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        var found = await CopyVerifier.VerifyAsync(staging, reader.Manifest, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Equal([bad], found.BadChunks);

        var proving = await Assert.ThrowsAsync<SourceCorruptException>(() =>
            CopyRepairer.ProveAsync(reader, staging, new VerifyOptions(), new ReceiveOptions(), SilentObserver.Instance, Bench.Token));
        Assert.Equal(bad, proving.Chunk);

        // A connector that verifies without its source comes here: the next receive finds the staged chunk wrong and hashes it on arrival.
        Flip(staging, reader.Manifest.OffsetOf(bad));
        var receiving = await Assert.ThrowsAsync<SourceCorruptException>(() =>
            CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token));
        Assert.Equal(bad, receiving.Chunk);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_source_cut_short_is_the_sources_fault(bool local)
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 24);
        var last = Enumerable.Range(0, reader.Manifest.ChunkCount).Last(chunk => !reader.Manifest.IsZero(chunk));
        RandomAccess.SetLength(reader.LocalFile!, reader.Manifest.OffsetOf(last) + 4_321);
        var trouble = await Assert.ThrowsAsync<SourceCorruptException>(() => CopyReceiver.ReceiveAsync(
            local ? reader : new RemoteDouble(reader), bench.Open("staging"), new ReceiveOptions(), SilentObserver.Instance, Bench.Token));
        Assert.Equal(last, trouble.Chunk);
    }

    [Fact]
    public async Task A_local_source_cut_short_under_the_transfer_is_the_sources_fault()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 25);
        var file = reader.LocalFile!;
        var cut = new Recorder { OnStaged = chunk => RandomAccess.SetLength(file, Math.Min(RandomAccess.GetLength(file), reader.Manifest.OffsetOf(chunk + 1))) };
        await Assert.ThrowsAsync<SourceCorruptException>(() =>
            CopyReceiver.ReceiveAsync(reader, bench.Open("staging"), new ReceiveOptions(), cut, Bench.Token));
        Assert.Equal([0, 1], cut.Staged); // two chunks are read at once; the cut came after the first was staged
    }

    [Fact]
    public async Task A_source_that_fails_to_read_is_told_apart_from_a_target_that_fails_to_write()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 26);
        var failing = new RemoteDouble(reader, (_, _) => throw new IOException("the share is gone", 5));
        var trouble = await Assert.ThrowsAsync<SourceUnreadableException>(() =>
            CopyReceiver.ReceiveAsync(failing, bench.Open("staging"), new ReceiveOptions(), SilentObserver.Instance, Bench.Token));
        Assert.Equal(IoTrouble.Device, IoTroubles.Classify(trouble));
    }

    [Fact]
    public async Task Damage_between_writing_and_proving_is_found_and_repaired_chunk_by_chunk()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 27);
        var staging = bench.Open("staging");
        await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        int[] damaged = [DataChunk(reader.Manifest, 0), ZeroChunk(reader.Manifest), DataChunk(reader.Manifest, 2)];
        Array.Sort(damaged);
        foreach (var chunk in damaged)
        {
            Flip(staging, reader.Manifest.OffsetOf(chunk) + 9);
        }

        var found = await CopyVerifier.VerifyAsync(staging, reader.Manifest, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Equal(damaged, found.BadChunks);
        Assert.False(found.IsRight);
        var recorder = new Recorder();
        var proved = await CopyRepairer.ProveAsync(reader, staging, new VerifyOptions(), new ReceiveOptions(), recorder, Bench.Token);
        Assert.True(proved.IsRight);
        Assert.Equal(damaged.Where(chunk => !reader.Manifest.IsZero(chunk)), recorder.Requested);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
    }

    [Theory]
    [InlineData(-1_000)]
    [InlineData(+1_000)]
    public async Task A_copy_of_another_length_is_not_right_and_is_repaired(int difference)
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 28);
        var staging = bench.Open("staging");
        await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        RandomAccess.SetLength(staging, reader.Manifest.Length + difference);
        var found = await CopyVerifier.VerifyAsync(staging, reader.Manifest, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
        Assert.False(found.LengthRight);
        Assert.False(found.IsRight);
        await CopyRepairer.ProveAsync(reader, staging, new VerifyOptions(), new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
    }

    [Fact]
    public async Task A_target_that_loses_good_bytes_twice_is_called_corrupt()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 29);
        var staging = bench.Open("staging");
        await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        var bad = DataChunk(reader.Manifest, 1);
        Flip(staging, reader.Manifest.OffsetOf(bad));
        var rotting = new Recorder { OnStaged = chunk => Flip(staging, reader.Manifest.OffsetOf(chunk)) };
        var trouble = await Assert.ThrowsAsync<TargetCorruptException>(() =>
            CopyRepairer.ProveAsync(reader, staging, new VerifyOptions(), new ReceiveOptions(), rotting, Bench.Token));
        Assert.Equal((bad, reader.Manifest.OffsetOf(bad)), (trouble.Chunk, trouble.Offset));
    }

    [Fact]
    public async Task A_hopeless_target_names_a_bounded_number_of_chunks_and_is_not_repaired()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 30);
        var staging = bench.Open("staging");
        RandomAccess.SetLength(staging, reader.Manifest.Length);
        var options = new VerifyOptions { BadChunksNamed = 2 };
        var found = await CopyVerifier.VerifyAsync(staging, reader.Manifest, options, SilentObserver.Instance, Bench.Token);
        Assert.Equal([DataChunk(reader.Manifest, 0), DataChunk(reader.Manifest, 1)], found.BadChunks);
        Assert.Equal(reader.Manifest.DataChunks, found.BadCount);
        await Assert.ThrowsAsync<TargetCorruptException>(() =>
            CopyRepairer.ProveAsync(reader, staging, options, new ReceiveOptions(), SilentObserver.Instance, Bench.Token));
    }

    /// <summary>Data in chunks 0, 1, 3 and part of 4; chunk 2 is zeros.</summary>
    private static async Task<LocalContentReader> SealedAsync(Bench bench, int seed)
    {
        var random = new Random(seed);
        var source = bench.Open("source");
        RandomAccess.SetLength(source, (4L << 20) + 70_000);
        foreach (var chunk in (int[])[0, 1, 3, 4])
        {
            var bytes = new byte[chunk == 4 ? 70_000 : Bench.MiB];
            random.NextBytes(bytes);
            RandomAccess.Write(source, bytes, (long)chunk << 20);
        }

        return await bench.SealAsync("sealed", source);
    }

    private static int DataChunk(ContentManifest manifest, int which) =>
        Enumerable.Range(0, manifest.ChunkCount).Where(chunk => !manifest.IsZero(chunk)).ElementAt(which);

    private static int ZeroChunk(ContentManifest manifest) => Enumerable.Range(0, manifest.ChunkCount).First(manifest.IsZero);

    private static void Flip(Microsoft.Win32.SafeHandles.SafeFileHandle file, long offset)
    {
        Span<byte> one = stackalloc byte[1];
        RandomAccess.Read(file, one, offset);
        one[0] ^= 0x40;
        RandomAccess.Write(file, one, offset);
    }
}
