using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Tests.Transfers;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Blocks;

/// <summary>On a slow link, what resembles the base travels as the difference to it.</summary>
public class WindowTests
{
    private const int Length = 8 * Bench.MiB;

    [Theory]
    [InlineData(1_000_000, true)]
    [InlineData(1_000_000_000, false)]
    public async Task Shifted_content_travels_as_windows_only_where_the_link_is_slow(long link, bool windowed)
    {
        using var bench = new Bench();
        var (old, reader, bytes) = await MakeAsync(bench, hasBase: true);
        await using var first = old;
        await using var second = reader;
        var source = new LinkDouble(reader, link);
        var received = await CopyReceiver.ReceiveAsync(source, bench.Open("staging"), Having(old), SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Equal(windowed, source.NamedBases);
        Assert.Equal(windowed, received.BytesRequested < bytes / 10);
    }

    [Fact]
    public async Task For_a_few_blocks_no_sender_reads_a_base()
    {
        using var bench = new Bench();
        var bytes = new byte[Length];
        new Random(4).NextBytes(bytes);
        await using var old = await SealAsync(bench, "old", bytes);
        foreach (var (count, named) in new[] { (31, false), (32, true) })
        {
            new Random(count).NextBytes(bytes.AsSpan(5 * BlockLayout.BlockLength, count * BlockLayout.BlockLength));
            await using var reader = await SealAsync(bench, $"new-{count}", bytes);
            var source = new LinkDouble(reader, 1_000_000);
            await CopyReceiver.ReceiveAsync(source, bench.Open($"staging-{count}"), Having(old), SilentObserver.Instance, Bench.Token);
            Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256($"staging-{count}"));
            Assert.Equal(named, source.NamedBases);
        }
    }

    [Fact]
    public async Task A_sender_without_the_base_answers_without_windows()
    {
        using var bench = new Bench();
        var (old, reader, bytes) = await MakeAsync(bench, hasBase: false);
        await using var first = old;
        await using var second = reader;
        var source = new LinkDouble(reader, 1_000_000);
        var received = await CopyReceiver.ReceiveAsync(source, bench.Open("staging"), Having(old), SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.True(source.NamedBases);
        Assert.True(received.BytesRequested > bytes / 2);
    }

    [Fact]
    public async Task A_base_that_is_damaged_at_the_receiver_costs_a_plain_read()
    {
        using var bench = new Bench();
        var (old, reader, _) = await MakeAsync(bench, hasBase: true);
        await using var first = old;
        await using var second = reader;
        var damaged = bench.Open("damaged");
        var copy = await File.ReadAllBytesAsync(bench.PathOf("old-sealed"), Bench.Token);
        copy.AsSpan(0, 3 * Bench.MiB).Fill(7);
        RandomAccess.Write(damaged, copy, 0);
        var received = await CopyReceiver.ReceiveAsync(
            new LinkDouble(reader, 1_000_000), bench.Open("staging"), new ReceiveOptions { OwnCopies = [new OwnCopy(damaged, old.Manifest)] }, SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.True(received.BytesRequested > Bench.MiB);
    }

    [Theory]
    [InlineData(100_000_000, NumberRuns.MaxCount, NumberRuns.MaxCount)]
    [InlineData(1_000_000_000, NumberRuns.MaxCount, NumberRuns.MaxCount)]
    [InlineData(100_000_000, 300, 300)]
    [InlineData(100_000_000, BlockRequest.UsualBlocks, BlockRequest.UsualBlocks)] // an older build
    [InlineData(39_000_000, NumberRuns.MaxCount, BlockRequest.UsualBlocks)]
    [InlineData(null, NumberRuns.MaxCount, BlockRequest.UsualBlocks)] // the link is measured all the time
    public async Task Answers_are_long_where_the_link_is_fast_and_the_sender_gives_such(int? link, int given, int longest)
    {
        using var bench = new Bench();
        var (old, reader, bytes) = await MakeAsync(bench, hasBase: true);
        await using var first = old;
        await using var second = reader;
        var source = new LinkDouble(reader, link) { MaxBlocks = given };
        var received = await CopyReceiver.ReceiveAsync(source, bench.Open("staging"), Having(old), SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Equal(longest, source.LongestRequest);
        Assert.InRange(received.BytesRequested, 0, bytes + (bytes / 50)); // each block once
        Assert.InRange(source.MostBlocksAtOnce, longest, 4 * longest);
    }

    [Fact]
    public void The_link_is_measured_by_the_first_answers_of_a_batch()
    {
        var clock = new Ticks();
        var gauge = new LinkGauge(new BlockOptions { WindowsBelow = 10_000, TightestBelow = 12_000, TightBelow = 20_000 }, known: null, clock);
        foreach (var (rate, hasBase, level, windows) in (ReadOnlySpan<(int, bool, int, bool)>)[(5_000, true, 3, true), (11_000, true, 5, false), (15_000, true, 3, false), (50_000, true, 1, false), (5_000, false, 5, false), (5_000, true, 3, true)])
        {
            gauge.Measure(512);
            for (var i = 0; i < 8; i++)
            {
                var sample = gauge.Begin(hasBase);
                Assert.Equal((1, false), (sample.Level, sample.Windows));
                Assert.False(gauge.MayBeLong);
                clock.Now += rate / 8;
                gauge.End(sample, (int)((long)rate * rate / 8_000));
            }

            var choice = gauge.Begin(hasBase);
            Assert.Equal((level, windows), (choice.Level, choice.Windows));
            Assert.Equal(rate >= 10_000, gauge.MayBeLong);
            gauge.End(choice, 1);
        }
    }

    [Fact]
    public void Time_counts_while_a_sample_is_on_its_way_and_pieces_of_all_strands_count_together()
    {
        var clock = new Ticks();
        var gauge = new LinkGauge(new BlockOptions { WindowsBelow = 10_000, TightestBelow = 12_000, TightBelow = 20_000 }, known: null, clock);
        for (var batch = 0; batch < 2; batch++)
        {
            for (var pair = 0; pair < 4; pair++)
            {
                gauge.Measure(128); // a strand begins the next piece
                var (one, other) = (gauge.Begin(true), gauge.Begin(true));
                Assert.True(one.IsSample && other.IsSample, $"batch {batch}, pair {pair}");
                clock.Now += 1_000;
                gauge.End(one, 15_000);
                clock.Now += 1_000;
                gauge.End(other, 15_000);
                clock.Now += 60_000; // it waits for the tracker
            }

            Assert.Equal(new LinkChoice(3, false, false), gauge.Begin(true)); // 15,000 a second
            gauge.End(new LinkChoice(3, false, false), 1);
        }
    }

    [Fact]
    public void What_will_have_come_is_guessed_from_what_was_looked_through()
    {
        var road = new BlockRoad(new LinkGauge(new BlockOptions(), known: 1, TimeProvider.System), pieces: 100);
        Assert.Equal(0, road.Expected);
        road.Looked(10, 5_000);
        Assert.Equal(50_000, road.Expected);
        road.Looked(40, 0);
        Assert.Equal(10_000, road.Expected);
        road.Looked(60, 1_000); // some were looked through again
        Assert.Equal(6_000, road.Expected);
    }

    private static ReceiveOptions Having(LocalContentReader old) => new() { OwnCopies = [new OwnCopy(old.LocalFile!, old.Manifest)] };

    /// <summary>An old content that does not pack, and a new one in which all of it lies 1,001 bytes further on.</summary>
    private static async Task<(LocalContentReader Old, LocalContentReader New, long Bytes)> MakeAsync(Bench bench, bool hasBase)
    {
        var bytes = new byte[Length];
        new Random(4).NextBytes(bytes);
        var old = await SealAsync(bench, "old", bytes);
        byte[] moved = [.. bytes[..1_001], .. bytes[..(Length - 1_001)]];
        var sealedNew = await SealAsync(bench, "new", moved);
        var reader = new LocalContentReader(
            File.OpenHandle(bench.PathOf("new-sealed")), sealedNew.Manifest, null, digest => hasBase && digest == old.Manifest.ContentDigest ? Open(bench, old.Manifest) : null);
        return (old, reader, Length);
    }

    private static OpenBase Open(Bench bench, ContentManifest manifest) => new(File.OpenHandle(bench.PathOf("old-sealed")), manifest);

    private static Task<LocalContentReader> SealAsync(Bench bench, string name, byte[] bytes)
    {
        var file = bench.Open(name);
        RandomAccess.Write(file, bytes, 0);
        return bench.SealAsync(name + "-sealed", file);
    }

    /// <summary>A reader as of another machine behind a link of a known rate.</summary>
    private sealed class LinkDouble(LocalContentReader inner, long? link) : IContentReader, IBlockReader
    {
        private readonly Lock gate = new();
        private int underWay;

        public ContentManifest Manifest => inner.Manifest;

        public SafeFileHandle? LocalFile => null;

        public long? LinkBytesPerSecond => link;

        public int MaxBlocks { get; init; } = BlockRequest.UsualBlocks;

        public int MaxBlocksAt(long block) => MaxBlocks;

        public bool NamedBases { get; private set; }

        public int LongestRequest { get; private set; }

        public int MostBlocksAtOnce { get; private set; }

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) => inner.ReadAsync(offset, buffer, cancellationToken);

        public ValueTask<int> ReadDigestsAsync(DigestRequest request, Memory<byte> answer, CancellationToken cancellationToken) =>
            inner.ReadDigestsAsync(request, answer, cancellationToken);

        public async ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken)
        {
            lock (gate)
            {
                NamedBases |= request.Bases.Count > 0;
                LongestRequest = Math.Max(LongestRequest, request.Blocks.Count);
                MostBlocksAtOnce = Math.Max(MostBlocksAtOnce, underWay += request.Blocks.Count);
            }

            try
            {
                return await inner.ReadBlocksAsync(request, frame, cancellationToken);
            }
            finally
            {
                lock (gate)
                {
                    underWay -= request.Blocks.Count;
                }
            }
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    /// <summary>A clock whose ticks of a millisecond are set by hand.</summary>
    private sealed class Ticks : TimeProvider
    {
        public long Now { get; set; }

        public override long TimestampFrequency => 1_000;

        public override long GetTimestamp() => Now;
    }
}
