using System.Collections.Concurrent;
using Orleans.ImageMgmt.Content.Tests.Blocks;
using Orleans.ImageMgmt.Content.Tests.Transfers;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.FanOut;

/// <summary>One receiver between a source pod and others, with the planner of the service: whatever the others do, the copy ends right.</summary>
public sealed class SwarmReaderTests
{
    private const int Chunks = 12;
    private static readonly PodName Source = new("source");

    [Fact]
    public async Task Pieces_come_from_those_who_hold_them_and_the_copy_is_right()
    {
        using var bench = new Bench();
        await using var copy = await MakeAsync(bench);
        var swarm = new PlannedSwarm(copy, new RemoteDouble(copy));
        var received = await ReceiveAsync(bench, swarm, new RemoteDouble(copy));
        Assert.Equal(copy.Manifest.DataLength, received.BytesRequested);
        Assert.InRange(swarm.BytesFromPeers, copy.Manifest.DataLength / 2, copy.Manifest.DataLength); // the source pod gives a piece where the other has no place free
    }

    [Fact]
    public async Task What_an_earlier_try_was_promised_when_it_died_holds_nobody_up()
    {
        using var bench = new Bench();
        await using var copy = await MakeAsync(bench);
        var swarm = new PlannedSwarm(copy, new RemoteDouble(copy));
        swarm.PromiseAll();
        var received = await ReceiveAsync(bench, swarm, new RemoteDouble(copy));
        Assert.Equal(copy.Manifest.DataLength, received.BytesRequested);
    }

    [Fact]
    public async Task A_piece_that_comes_slowly_holds_up_no_other_one()
    {
        using var bench = new Bench();
        await using var copy = await MakeAsync(bench);
        var (slow, rest) = (-1, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        Task HoldAsync(long offset, CancellationToken stop)
        {
            var piece = (int)(offset / (2 * Bench.MiB));
            var first = Interlocked.CompareExchange(ref slow, piece, -1);
            return first == -1 || first == piece ? rest.Task.WaitAsync(stop) : Task.CompletedTask;
        }

        var recorder = new Recorder();
        recorder = new Recorder { OnStaged = _ => (recorder.Staged.Count == Chunks - 2 ? rest : null)?.TrySetResult() };
        await ReceiveAsync(bench, new PlannedSwarm(copy, new RemoteDouble(copy, beforeRead: HoldAsync)), new RemoteDouble(copy, beforeRead: HoldAsync), observer: recorder);
        Assert.All(recorder.Staged[..(Chunks - 2)], chunk => Assert.NotEqual(slow, chunk / 2));
    }

    [Fact]
    public async Task Without_a_tracker_everything_comes_from_the_source_pod()
    {
        using var bench = new Bench();
        await using var copy = await MakeAsync(bench);
        var swarm = new PlannedSwarm(copy, new RemoteDouble(copy)) { IsDead = true };
        var received = await ReceiveAsync(bench, swarm, new RemoteDouble(copy), new SwarmReaderOptions { TrackerPatience = TimeSpan.Zero });
        Assert.Equal(copy.Manifest.DataLength, received.BytesRequested);
        Assert.Equal(0, swarm.BytesFromPeers);
    }

    [Fact]
    public async Task A_pod_that_hangs_in_the_middle_of_a_piece_is_replaced()
    {
        using var bench = new Bench();
        await using var copy = await MakeAsync(bench);
        var reads = 0;
        var hangs = new RemoteDouble(
            copy, beforeRead: (_, stop) => Interlocked.Increment(ref reads) > 3 ? Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop) : Task.CompletedTask);
        var swarm = new PlannedSwarm(copy, hangs);
        var recorder = new Recorder();
        await ReceiveAsync(bench, swarm, new RemoteDouble(copy), new SwarmReaderOptions { ReadLimit = TimeSpan.FromMilliseconds(200) }, recorder);
        Assert.Equal(recorder.Staged.Count, recorder.Staged.Distinct().Count());
        Assert.Equal(Enumerable.Range(0, Chunks), recorder.Requested.Order());
        Assert.Equal(3 * Bench.MiB, swarm.BytesFromPeers);
    }

    [Fact]
    public async Task A_pod_that_sends_wrong_bytes_is_named_with_the_chunk_and_asked_no_more()
    {
        using var bench = new Bench();
        await using var copy = await MakeAsync(bench);
        var swarm = new PlannedSwarm(copy, new RemoteDouble(copy, afterRead: (_, bytes) => bytes.Span[100] ^= 1));
        await ReceiveAsync(bench, swarm, new RemoteDouble(copy));
        var (liar, chunk) = Assert.Single(swarm.Lies.DistinctBy(lie => lie.Source));
        Assert.Equal("peer-1", liar.Value);
        Assert.InRange(chunk, 0, Chunks - 1);
        Assert.Equal(0, swarm.BytesFromPeers);
    }

    [Fact]
    public async Task Blocks_that_changed_travel_alone_from_other_pods_too()
    {
        using var bench = new Bench();
        await using var old = await SealAsync(bench, "old", Bytes());
        var bytes = Bytes();
        bytes.AsSpan(3 * Bench.MiB, 4_096).Fill(9);
        await using var copy = await SealAsync(bench, "new", bytes);
        var swarm = new PlannedSwarm(copy, new BlocksDouble(copy));
        var received = await ReceiveAsync(bench, swarm, new BlocksDouble(copy), own: new OwnCopy(old.LocalFile!, old.Manifest));
        Assert.InRange(received.BytesRequested, 1, 64 << 10);
        Assert.Equal(Bench.MiB, swarm.BytesFromPeers);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_own_copies_give_is_filled_in_meanwhile_and_told_as_held_when_it_reads_back_right_and_not_before(bool isDamaged)
    {
        using var bench = new Bench();
        await using var old = await SealAsync(bench, "old", Bytes());
        var bytes = Bytes();
        bytes.AsSpan(3 * Bench.MiB, 4_096).Fill(9);
        bytes.AsSpan(8 * Bench.MiB, 4_096).Fill(9);
        await using var copy = await SealAsync(bench, "new", bytes);
        if (isDamaged)
        {
            RandomAccess.Write(old.LocalFile!, [.. bytes.AsSpan(6 * Bench.MiB, 1).ToArray().Select(b => (byte)~b)], 6 * Bench.MiB);
        }

        var asked = new TaskCompletionSource();
        var (held, lies) = (new PieceSet(Chunks / 2), new List<int>());
        using var staging = bench.Open("staging");
        void Look(SwarmReport report)
        {
            held = report.Held;
            var there = new byte[2 * Bench.MiB];
            for (var piece = 0; piece < held.Pieces; piece++)
            {
                RandomAccess.Read(staging, there, (long)piece * there.Length);
                if (held.Has(piece) && !there.AsSpan().SequenceEqual(bytes.AsSpan(piece * there.Length, there.Length)))
                {
                    lies.Add(piece);
                }
            }
        }

        Task Read(long offset, CancellationToken stop)
        {
            asked.TrySetResult();
            return Task.CompletedTask;
        }

        var swarm = new PlannedSwarm(copy, new RemoteDouble(copy, beforeRead: Read)) { Hears = Look };
        var recorder = new Recorder();
        recorder = new Recorder
        {
            // With chunk 2 the first piece has all that comes from here, and chunk 3 may be asked.
            OnAdvanced = () => Assert.True(recorder.Passed < 3 || asked.Task.Wait(TimeSpan.FromSeconds(30), Bench.Token), "Nothing was asked while chunks were filled in."),
        };
        var received = await ReceiveAsync(bench, swarm, new RemoteDouble(copy, beforeRead: Read), observer: recorder, own: new OwnCopy(old.LocalFile!, old.Manifest));
        Assert.Equal(isDamaged ? [3, 6, 8] : [3, 8], recorder.Requested.Order());
        Assert.Equal(recorder.Requested.Count, received.ChunksRequested);
        Assert.Empty(lies);
        Assert.True(held.IsFull);
        Assert.Equal(isDamaged ? [1, 3, 4] : [1, 4], swarm.Named.Distinct().Order()); // nobody keeps a place for a piece that comes from here
    }

    [Fact]
    public async Task A_receiver_that_hides_its_order_gets_everything_from_the_source_pod()
    {
        using var bench = new Bench();
        await using var copy = await MakeAsync(bench);
        var swarm = new PlannedSwarm(copy, new RemoteDouble(copy));
        await using var reader = SwarmReader.Over(new RemoteDouble(copy), Map(copy), swarm, SilentObserver.Instance, new SwarmReaderOptions());
        var bytes = new byte[Bench.MiB];
        await reader.ReadAsync(2 * Bench.MiB, bytes, Bench.Token);
        Assert.True(Bytes().AsSpan(2 * Bench.MiB, Bench.MiB).SequenceEqual(bytes));
        Assert.Equal(0, swarm.BytesFromPeers);
    }

    [Fact]
    public async Task What_a_peer_gives_is_asked_of_its_own_caps_and_not_of_the_source_pods()
    {
        using var bench = new Bench();
        await using var copy = await MakeAsync(bench);
        var swarm = new PlannedSwarm(copy, copy);
        await ReceiveAsync(bench, swarm, new RemoteDouble(copy));
        Assert.True(swarm.BytesFromPeers > 0);
        Assert.Equal(swarm.BytesFromPeers, swarm.Asked[new PodName("peer-1")]);
        Assert.Equal(copy.Manifest.DataLength, swarm.Asked.Values.Sum());
    }

    [Fact]
    public async Task A_peer_whose_caps_cannot_be_found_out_is_replaced_and_gives_nothing()
    {
        using var bench = new Bench();
        await using var copy = await MakeAsync(bench);
        var swarm = new PlannedSwarm(copy, copy) { Nameless = new PodName("peer-1") };
        await ReceiveAsync(bench, swarm, new RemoteDouble(copy));
        Assert.Equal(0, swarm.BytesFromPeers);
        Assert.Equal([Source], swarm.Asked.Keys);
    }

    private static async Task<ReceiveResult> ReceiveAsync(
        Bench bench, PlannedSwarm swarm, IContentReader origin, SwarmReaderOptions? options = null, ITransferObserver? observer = null, OwnCopy? own = null)
    {
        await using var reader = SwarmReader.Over(origin, swarm.Map, swarm, observer ?? SilentObserver.Instance, options ?? new SwarmReaderOptions());
        var received = await CopyReceiver.ReceiveAsync(
            reader, bench.Open("staging"), new ReceiveOptions { OwnCopies = own is null ? [] : [own] }, (ITransferObserver)reader, Bench.Token);
        Assert.Equal(origin.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        return received;
    }

    private static PieceMap Map(LocalContentReader copy) => new(copy.Manifest, 2 * Bench.MiB);

    private static Task<LocalContentReader> MakeAsync(Bench bench) => SealAsync(bench, "copy", Bytes());

    private static byte[] Bytes()
    {
        var bytes = new byte[Chunks * Bench.MiB];
        new Random(5).NextBytes(bytes);
        return bytes;
    }

    private static async Task<LocalContentReader> SealAsync(Bench bench, string name, byte[] bytes)
    {
        var file = bench.Open(name + ".source");
        RandomAccess.Write(file, bytes, 0);
        return await bench.SealAsync(name, file);
    }

    /// <summary>A tracker in the test's own process: the planner, a source pod, one pod that holds everything, and the receiver.</summary>
    private sealed class PlannedSwarm : ISwarm
    {
        private readonly Lock gate = new();
        private readonly Swarm planner;
        private readonly IContentReader peer;
        private readonly int receiver;
        private long bytesFromPeers;

        public PlannedSwarm(LocalContentReader copy, IContentReader peer)
        {
            this.peer = peer;
            Map = SwarmReaderTests.Map(copy);
            planner = new Swarm(Map.Pieces, 1, SwarmLimits.Default);
            planner.Join(SwarmPlace.Nowhere, isOrigin: true);
            var holder = planner.Join(SwarmPlace.Nowhere, isOrigin: false);
            var all = new PieceSet(Map.Pieces);
            all.Fill();
            planner.Holds(holder, all);
            receiver = planner.Join(SwarmPlace.Nowhere, isOrigin: false);
        }

        public PieceMap Map { get; }

        /// <summary>Every place of every source is taken for this receiver, by a try that is gone.</summary>
        public void PromiseAll()
        {
            for (var n = 0; n < Map.Pieces; n++)
            {
                planner.Wants(receiver, SwarmLimits.Default.DownlinkSlots);
            }

            Assert.NotEmpty(planner.TakeGrants());
        }

        public bool IsDead { get; init; }

        public Action<SwarmReport>? Hears { get; init; }

        /// <summary>Pieces that the receiver was told to ask for.</summary>
        public List<int> Named { get; } = [];

        public List<(PodName Source, int Chunk)> Lies { get; } = [];

        public long BytesFromPeers => Interlocked.Read(ref bytesFromPeers);

        public Task<IReadOnlyList<PieceOrder>> TellAsync(SwarmReport report, CancellationToken cancellationToken)
        {
            if (IsDead)
            {
                throw new IOException("Nobody is there.");
            }

            lock (gate)
            {
                Hears?.Invoke(report);
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

                if (report.Lie is { } lie)
                {
                    Lies.Add(lie);
                    planner.Lied(receiver, 1);
                }

                foreach (var piece in report.Failed)
                {
                    planner.Failed(receiver, piece);
                }

                if (report.Wanted > 0)
                {
                    planner.Wants(receiver, report.Wanted);
                }

                var grants = planner.TakeGrants();
                Named.AddRange(grants.Select(grant => grant.Piece));
                return Task.FromResult<IReadOnlyList<PieceOrder>>(
                    [.. grants.Select(grant => new PieceOrder(grant.Piece, grant.Source == 0 ? Source : new PodName($"peer-{grant.Source}"), grant.Source == 0))]);
            }
        }

        public Task<IContentReader> OpenAsync(PodName source, CancellationToken cancellationToken) => Task.FromResult<IContentReader>(new Lent(peer));

        /// <summary>Bytes that the caps were asked for, by the pod that gives them.</summary>
        public ConcurrentDictionary<PodName, long> Asked { get; } = new();

        /// <summary>Its caps cannot be found out.</summary>
        public PodName? Nameless { get; init; }

        public ValueTask<int> AskAsync(PodName? from, int wanted, CancellationToken cancellationToken)
        {
            if (from is not null && from == Nameless)
            {
                throw new IOException("Nobody knows its caps.");
            }

            Asked.AddOrUpdate(from ?? Source, wanted, (_, before) => before + wanted);
            return ValueTask.FromResult(wanted);
        }

        public void Waits()
        {
        }

        public void CameFromPeer(int bytes) => Interlocked.Add(ref bytesFromPeers, bytes);
    }

    /// <summary>A reader that is closed by its user and lives on.</summary>
    private sealed class Lent(IContentReader inner) : IContentReader, IBlockReader
    {
        public ContentManifest Manifest => inner.Manifest;

        public Microsoft.Win32.SafeHandles.SafeFileHandle? LocalFile => null;

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) => inner.ReadAsync(offset, buffer, cancellationToken);

        public ValueTask<int> ReadDigestsAsync(DigestRequest request, Memory<byte> answer, CancellationToken cancellationToken) =>
            ((IBlockReader)inner).ReadDigestsAsync(request, answer, cancellationToken);

        public ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken) =>
            ((IBlockReader)inner).ReadBlocksAsync(request, frame, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
