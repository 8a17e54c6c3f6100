using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Tests.Transfers;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.FanOut;

/// <summary>Goal: a new version costs a link in a fan-out what it costs without one. Method: the product's receiver and swarm reader, pieces of two MiB that the source pod gives, and a link whose time is counted
/// by a clock of the test's.</summary>
public sealed class SwarmDeltaTests
{
    private const int Mebibytes = 24;
    private const int Samples = 8;

    [Theory]
    [InlineData(1_000_000, true)]
    [InlineData(1_000_000_000, false)]
    public async Task The_link_is_measured_once_for_all_pieces_and_strands(long bytesPerSecond, bool windowed)
    {
        using var bench = new Bench();
        var bytes = new byte[Mebibytes * Bench.MiB];
        new Random(4).NextBytes(bytes);
        await using var old = await SealAsync(bench, "old", bytes);
        await using var described = await SealAsync(bench, "new", [.. bytes[..1_001], .. bytes[..^1_001]]); // nothing stays at its place
        var clock = new LinkClock();
        await using var far = new FarDouble(
            new LocalContentReader(
                File.OpenHandle(bench.PathOf("new-sealed")), described.Manifest, null,
                digest => digest == old.Manifest.ContentDigest ? new OpenBase(File.OpenHandle(bench.PathOf("old-sealed")), old.Manifest) : null),
            bytesPerSecond, clock);
        var map = new PieceMap(described.Manifest, 2 * Bench.MiB);
        await using var reader = SwarmReader.Over(far, map, new SourceSwarm(map.Pieces), SilentObserver.Instance, new SwarmReaderOptions());

        var received = await CopyReceiver.ReceiveAsync(
            reader, bench.Open("staging"), new ReceiveOptions { TimeProvider = clock, OwnCopies = [new OwnCopy(old.LocalFile!, old.Manifest)] }, (ITransferObserver)reader, Bench.Token);

        Assert.Equal(described.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.InRange(far.Plain, windowed ? Samples : Mebibytes, windowed ? Samples + 3 : Mebibytes); // strands may ask while the last sample is on its way
        Assert.Equal(windowed ? BlockRequest.UsualBlocks : NumberRuns.MaxCount, far.Longest);
        Assert.InRange(received.BytesRequested, (windowed ? Samples : Mebibytes) * Bench.MiB, (windowed ? Samples + 4 : Mebibytes + 1) * Bench.MiB);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pieces_that_wait_for_own_chunks_to_be_read_back_hold_up_no_other_one(bool isDamaged)
    {
        using var bench = new Bench();
        var bytes = new byte[Mebibytes * Bench.MiB];
        new Random(4).NextBytes(bytes);
        await using var old = await SealAsync(bench, "old", bytes);
        for (var chunk = 0; chunk < Mebibytes; chunk += 2)
        {
            bytes[chunk * Bench.MiB] ^= 1; // each piece has a chunk that the pod holds and one that it does not
            if (isDamaged)
            {
                RandomAccess.Write(old.LocalFile!, new byte[100], ((chunk + 1) * Bench.MiB) + 77); // and it does not hold what it thinks
            }
        }

        await using var described = await SealAsync(bench, "new", bytes);
        await using var far = new FarDouble(new LocalContentReader(File.OpenHandle(bench.PathOf("new-sealed")), described.Manifest), 1_000_000_000, new LinkClock());
        var map = new PieceMap(described.Manifest, 2 * Bench.MiB);
        Assert.True(map.Pieces > 2 * SwarmLimits.Default.UplinkSlots);
        await using var reader = SwarmReader.Over(far, map, new SourceSwarm(map.Pieces), SilentObserver.Instance, new SwarmReaderOptions());

        // All is less than what is read back at once: the first of it is proved when the last has come.
        var received = await CopyReceiver.ReceiveAsync(
            reader, bench.Open("staging"), new ReceiveOptions { OwnCopies = [new OwnCopy(old.LocalFile!, old.Manifest)] }, (ITransferObserver)reader, Bench.Token).WaitAsync(TimeSpan.FromMinutes(1), TimeProvider.System, Bench.Token);

        Assert.Equal(described.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Equal(isDamaged ? 0 : Mebibytes / 2, received.ChunksReused);
    }

    private static Task<LocalContentReader> SealAsync(Bench bench, string name, byte[] bytes)
    {
        var file = bench.Open(name);
        RandomAccess.Write(file, bytes, 0);
        return bench.SealAsync(name + "-sealed", file);
    }

    /// <summary>The service's planner, for a source pod and this receiver alone.</summary>
    private sealed class SourceSwarm : ISwarm
    {
        private readonly Lock gate = new();
        private readonly Swarm planner;
        private readonly int receiver;

        public SourceSwarm(int pieces)
        {
            planner = new Swarm(pieces, 1, SwarmLimits.Default);
            planner.Join(SwarmPlace.Nowhere, isOrigin: true);
            receiver = planner.Join(SwarmPlace.Nowhere, isOrigin: false);
        }

        public Task<IReadOnlyList<PieceOrder>> TellAsync(SwarmReport report, CancellationToken cancellationToken)
        {
            lock (gate)
            {
                foreach (var (piece, seconds) in report.Arrived)
                {
                    planner.Arrived(receiver, piece, seconds);
                }

                planner.Holds(receiver, report.Held);
                planner.Fills(receiver, report.Filling);
                if (report.IsLeaving)
                {
                    planner.Leaves(receiver);
                }

                if (report.Wanted > 0)
                {
                    planner.Wants(receiver, report.Wanted);
                }

                return Task.FromResult<IReadOnlyList<PieceOrder>>([.. planner.TakeGrants().Select(grant => new PieceOrder(grant.Piece, new PodName("source"), IsOrigin: true))]);
            }
        }

        public Task<IContentReader> OpenAsync(PodName source, CancellationToken cancellationToken) => throw new IOException("There is no other pod.");

        public ValueTask<int> AskAsync(PodName? from, int wanted, CancellationToken cancellationToken) => ValueTask.FromResult(wanted);

        public void Waits()
        {
        }

        public void CameFromPeer(int bytes)
        {
        }
    }

    /// <summary>A source on another machine: each answer moves the clock on by what the link takes for it.</summary>
    private sealed class FarDouble(LocalContentReader inner, long bytesPerSecond, LinkClock clock) : IContentReader, IBlockReader
    {
        private readonly Lock gate = new();

        public ContentManifest Manifest => inner.Manifest;

        public SafeFileHandle? LocalFile => null;

        /// <summary>Answers that might not use windows.</summary>
        public int Plain { get; private set; }

        /// <summary>Most blocks that one request named.</summary>
        public int Longest { get; private set; }

        public int MaxBlocksAt(long block) => inner.MaxBlocksAt(block);

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) => inner.ReadAsync(offset, buffer, cancellationToken);

        public ValueTask<int> ReadDigestsAsync(DigestRequest request, Memory<byte> answer, CancellationToken cancellationToken) => inner.ReadDigestsAsync(request, answer, cancellationToken);

        public async ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken)
        {
            lock (gate)
            {
                Plain += request.Bases.Count == 0 ? 1 : 0;
                Longest = Math.Max(Longest, request.Blocks.Count);
            }

            var length = await inner.ReadBlocksAsync(request, frame, cancellationToken);
            clock.Advance(length * 1_000_000L / bytesPerSecond);
            return length;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    /// <summary>Microseconds that a link was busy.</summary>
    private sealed class LinkClock : TimeProvider
    {
        private long now;

        public override long TimestampFrequency => 1_000_000;

        public override long GetTimestamp() => Interlocked.Read(ref now);

        public void Advance(long microseconds) => Interlocked.Add(ref now, microseconds);
    }
}
