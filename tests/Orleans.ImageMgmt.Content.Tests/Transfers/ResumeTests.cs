using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Transfers;

public class ResumeTests
{
    public static TheoryData<int, bool> SeedsAndSides { get; } = new() { { 11, true }, { 12, false }, { 13, true }, { 14, false } };

    [Theory]
    [MemberData(nameof(SeedsAndSides))]
    public async Task A_transfer_cut_after_any_chunk_never_asks_for_a_staged_chunk_again(int seed, bool local)
    {
        using var bench = new Bench();
        var random = new Random(seed);
        var source = bench.MakeImage("source", random, random.NextInt64(4L * Bench.MiB, 8L * Bench.MiB), 5);
        await using var reader = await bench.SealAsync("sealed", source);
        IContentReader side = local ? reader : new RemoteDouble(reader);
        for (var cut = 1; cut <= reader.Manifest.DataChunks; cut++)
        {
            var staging = bench.Open($"staging{cut}");
            using var stop = new CancellationTokenSource();
            var left = cut;
            var first = new Recorder { OnStaged = _ => StopAtZero(ref left, stop) };
            await IgnoreCancellation(CopyReceiver.ReceiveAsync(side, staging, new ReceiveOptions(), first, stop.Token));
            Assert.True(first.Staged.Count >= cut);

            await FinishAndProve(side, staging, first.Staged, bench, $"staging{cut}");
        }
    }

    [Theory]
    [MemberData(nameof(SeedsAndSides))]
    public async Task A_transfer_cut_while_asking_for_any_chunk_resumes(int seed, bool local)
    {
        using var bench = new Bench();
        var random = new Random(seed);
        var source = bench.MakeImage("source", random, random.NextInt64(3L * Bench.MiB, 6L * Bench.MiB), 4);
        await using var reader = await bench.SealAsync("sealed", source);
        IContentReader side = local ? reader : new RemoteDouble(reader);
        for (var cut = 1; cut <= reader.Manifest.DataChunks; cut++)
        {
            var staging = bench.Open($"staging{cut}");
            using var stop = new CancellationTokenSource();
            var left = cut;
            var first = new Recorder { OnRequested = _ => StopAtZero(ref left, stop) };
            await IgnoreCancellation(CopyReceiver.ReceiveAsync(side, staging, new ReceiveOptions { Window = 2 }, first, stop.Token));
            await FinishAndProve(side, staging, first.Staged, bench, $"staging{cut}");
        }
    }

    [Theory]
    [MemberData(nameof(SeedsAndSides))]
    public async Task Any_prefix_with_garbage_behind_it_resumes_from_its_whole_chunks(int seed, bool local)
    {
        using var bench = new Bench();
        var random = new Random(seed);
        var source = bench.MakeImage("source", random, random.NextInt64(4L * Bench.MiB, 8L * Bench.MiB), 5);
        await using var reader = await bench.SealAsync("sealed", source);
        IContentReader side = local ? reader : new RemoteDouble(reader);
        var whole = await File.ReadAllBytesAsync(bench.PathOf("sealed"), Bench.Token);
        for (var round = 0; round < 5; round++)
        {
            var staging = bench.Open($"staging{round}");
            var cut = random.Next(whole.Length);
            var garbage = new byte[random.Next(1, 2 * Bench.MiB)];
            random.NextBytes(garbage);
            RandomAccess.Write(staging, whole.AsSpan(0, cut), 0);
            RandomAccess.Write(staging, garbage, cut + random.Next(3 * Bench.MiB));
            var staged = Enumerable.Range(0, reader.Manifest.ChunkCount)
                .Where(chunk => !reader.Manifest.IsZero(chunk) && reader.Manifest.OffsetOf(chunk) + reader.Manifest.LengthOf(chunk) <= cut).ToList();

            await FinishAndProve(side, staging, staged, bench, $"staging{round}");
        }
    }

    [Fact]
    public async Task A_damaged_byte_is_mended_by_its_block_also_from_a_file_on_this_machine()
    {
        using var bench = new Bench();
        var source = bench.Open("source");
        var bytes = new byte[6 * Bench.MiB];
        new Random(21).NextBytes(bytes);
        RandomAccess.Write(source, bytes, 0);
        await using var reader = await bench.SealAsync("sealed", source);
        var staging = bench.Open("staging");
        var all = new Recorder();
        await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), all, Bench.Token);
        Assert.Equal(bytes.Length, all.BytesTravelled);
        RandomAccess.Write(staging, [(byte)~bytes[1_500_000]], 1_500_000);
        RandomAccess.Write(staging, [(byte)~bytes[5_000_000]], 5_000_000);

        var recorder = new Recorder();
        var result = await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), recorder, Bench.Token);

        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Equal([1, 4], recorder.Staged);
        var digests = BlockLayout.DigestsLength(reader.Manifest.Length, 0, 1);
        Assert.InRange(result.BytesRequested, 2 * (BlockLayout.BlockLength + digests), 2 * (BlockLayout.BlockLength + digests + 64));
        Assert.Equal(result.BytesRequested, recorder.BytesTravelled);
        Assert.Equal((6 * Bench.MiB) - (2 * BlockLayout.BlockLength), result.BytesStagedBefore);
    }

    [Fact]
    public async Task A_finished_staging_file_asks_for_nothing()
    {
        using var bench = new Bench();
        var source = bench.MakeImage("source", new Random(3), 12L * Bench.MiB, 5);
        await using var reader = await bench.SealAsync("sealed", source);
        var staging = bench.Open("staging");
        await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        var again = new Recorder();
        var result = await CopyReceiver.ReceiveAsync(new RemoteDouble(reader), staging, new ReceiveOptions(), again, Bench.Token);
        Assert.Empty(again.Requested);
        Assert.Equal(new ReceiveResult(0, 0, reader.Manifest.DataChunks, reader.Manifest.DataLength), result with { Proof = null });
        Assert.Equal((0, reader.Manifest.DataChunks, 0L), again.Plan);
    }

    private static async Task FinishAndProve(IContentReader side, Microsoft.Win32.SafeHandles.SafeFileHandle staging, List<int> staged, Bench bench, string name)
    {
        var second = new Recorder();
        var result = await CopyReceiver.ReceiveAsync(side, staging, new ReceiveOptions(), second, Bench.Token);
        var verified = await CopyVerifier.VerifyAsync(staging, side.Manifest, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Empty(second.Requested.Intersect(staged));
        Assert.Equal(side.Manifest.DataChunks, result.ChunksRequested + result.ChunksStagedBefore);
        Assert.True(result.ChunksStagedBefore >= staged.Count);
        Assert.True(verified.IsRight);
        Assert.Equal(side.Manifest.ContentDigest.Value, bench.Sha256(name));
    }

    private static void StopAtZero(ref int left, CancellationTokenSource stop)
    {
        if (--left == 0)
        {
            stop.Cancel();
        }
    }

    private static async Task IgnoreCancellation(Task task)
    {
        try
        {
            await task;
        }
        catch (OperationCanceledException)
        {
            // The cut; when it fell on the very last chunk the transfer may have finished instead.
        }
    }
}
