using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>
/// Reads one content from many pods: the tracker says which piece to ask whom. A pod that fails, hangs or is slow is replaced in the middle of a
/// piece, and nothing that was verified is asked again. A pod whose chunk came with a wrong digest is named to the tracker, and the rest of the
/// piece comes from the source pod. Without a tracker everything comes from there.
/// </summary>
internal partial class SwarmReader : IDirectedReader, IRatedReader, ITransferObserver
{
    /// <summary>Chunks of a piece that are still on their way when the next piece is asked for: earlier, and a source would keep a place for somebody who is busy.</summary>
    private const int AskAhead = 2;

    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(20);

    /// <summary>Pieces that are under way at once, as in the simulation: with one, links stand idle while the next is arranged.</summary>
    private static readonly int PiecesAtOnce = SwarmLimits.Default.DownlinkSlots;

    private readonly IContentReader origin;
    private readonly PieceMap map;
    private readonly ISwarm swarm;
    private readonly ITransferObserver observer;
    private readonly SwarmReaderOptions options;
    private readonly TimeProvider time;
    private readonly Lock gate = new();
    private readonly HashSet<int> missing = [];
    private readonly Dictionary<int, PieceSource> sources = []; // by piece
    private readonly Dictionary<int, PieceSource> servedBy = []; // by chunk, until it is verified
    private readonly ConcurrentQueue<int> ready = []; // pieces whose source is known, to be asked next
    private readonly CancellationTokenSource over = new();
    private readonly ITimer watch;
    private PieceSet held;
    private readonly Dictionary<int, TakenPiece> taken = []; // by piece: what is on its way
    private Task? asking;
    private bool isKnown;
    private TimeSpan typical;

    /// <summary>Reads blocks too where the source pod's copy offers them; that copy stays the caller's.</summary>
    public static SwarmReader Over(IContentReader origin, PieceMap map, ISwarm swarm, ITransferObserver observer, SwarmReaderOptions options) => origin is IBlockReader
        ? new SwarmBlockReader(origin, map, swarm, observer, options)
        : new SwarmReader(origin, map, swarm, observer, options);

    protected SwarmReader(IContentReader origin, PieceMap map, ISwarm swarm, ITransferObserver observer, SwarmReaderOptions options)
    {
        (this.origin, this.map, this.swarm, this.observer, this.options, time) = (origin, map, swarm, observer, options, options.TimeProvider);
        held = new PieceSet(map.Pieces);
        typical = options.FirstTypical;
        watch = time.CreateTimer(_ => LookForLate(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
    }

    public ContentManifest Manifest => origin.Manifest;

    public SafeFileHandle? LocalFile => null;

    public void Begin(IReadOnlyCollection<int> missing)
    {
        lock (gate)
        {
            this.missing.Clear();
            this.missing.UnionWith(missing);
            held = map.HeldWithout(missing);
        }
    }

    public int Strands => PiecesAtOnce;

    public IReadOnlyList<int>? Next(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task ask;
            lock (gate)
            {
                if (Unasked == 0)
                {
                    return null; // the rest is on its way
                }

                while (ready.TryDequeue(out var piece))
                {
                    if (!taken.ContainsKey(piece) && map.ChunksOf(piece).Where(missing.Contains).Order().ToList() is { Count: > 0 } chunks)
                    {
                        taken[piece] = new TakenPiece([.. chunks], Math.Clamp(chunks.Count / 2, 1, AskAhead));
                        return chunks;
                    }
                }

                ask = Asking();
            }

            ask.WaitAsync(cancellationToken).GetAwaiter().GetResult();
        }
    }

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) => await ReadFromAsync(
        [(int)(offset / Manifest.ChunkSize)],
        async (from, target, stop) =>
        {
            await from.ReadAsync(offset, target, stop);
            return target.Length;
        },
        buffer, cancellationToken);

    /// <summary>Asks the caps on the way from whoever gives the piece now. One whose caps cannot be found out is replaced like one that fails.</summary>
    public async ValueTask<int> AskAsync(long offset, int wanted, CancellationToken cancellationToken)
    {
        while (true)
        {
            var source = SourceOf([(int)(offset / Manifest.ChunkSize)]);
            try
            {
                return await swarm.AskAsync(source?.Pod, wanted, cancellationToken);
            }
            catch (IOException) when (source is not null)
            {
                await ReplaceAsync(source, cancellationToken);
            }
        }
    }

    /// <summary>Reads something of chunks of one piece from whoever gives it, until it is there.</summary>
    protected async ValueTask<int> ReadFromAsync(IReadOnlyList<int> chunks, PieceRead read, Memory<byte> target, CancellationToken cancellationToken)
    {
        while (true)
        {
            var source = SourceOf(chunks);
            if (source is null)
            {
                return await read(origin, target, cancellationToken);
            }

            try
            {
                return await source.ReadAsync(read, target, options.ReadLimit, time, cancellationToken);
            }
            catch (Exception trouble) when (trouble is IOException or TimeoutException || (trouble is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                await ReplaceAsync(source, cancellationToken);
            }
        }
    }

    public void Rejected(int chunk)
    {
        PieceSource? liar;
        lock (gate)
        {
            if (!servedBy.TryGetValue(chunk, out liar))
            {
                return; // it was the source pod's
            }

            servedBy.Remove(chunk);
            if (sources.GetValueOrDefault(map.PieceOf(chunk)) == liar)
            {
                sources.Remove(map.PieceOf(chunk)); // the rest of it comes from the source pod
            }
        }

        liar.Dispose();
        _ = TellAsync(new SwarmReport(Held(), 0) { Lie = (liar.Pod, chunk) });
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await watch.DisposeAsync();
        await over.CancelAsync();
        PieceSource[] left;
        lock (gate)
        {
            left = [.. sources.Values];
            sources.Clear();
        }

        foreach (var source in left)
        {
            source.Dispose();
        }

        var report = new SwarmReport(Held(), 0) { IsLeaving = !Held().IsFull };
        try
        {
            using var enough = new CancellationTokenSource(options.TrackerPatience, time);
            await swarm.TellAsync(report, enough.Token);
        }
        catch (Exception trouble) when (trouble is IOException or OperationCanceledException)
        {
            // It finds out by the silence.
        }
    }

    private PieceSource? SourceOf(IReadOnlyList<int> chunks)
    {
        lock (gate)
        {
            var source = map.Has(chunks[0]) ? sources.GetValueOrDefault(map.PieceOf(chunks[0])) : null;
            source = source is { IsOrigin: true } ? null : source;
            foreach (var chunk in chunks)
            {
                if (source is null)
                {
                    servedBy.Remove(chunk);
                }
                else
                {
                    servedBy[chunk] = source;
                }
            }

            return source;
        }
    }

    /// <summary>Missing chunks that no strand brings. Called inside the gate.</summary>
    private int Unasked => missing.Count - taken.Values.Sum(piece => piece.Rest.Count);

    /// <summary>The question for more pieces that is under way, for all strands. Called inside the gate.</summary>
    private Task Asking()
    {
        if (asking is not { IsCompleted: false })
        {
            asking = AskAsync(over.Token);
        }

        return asking;
    }

    /// <summary>Asks until a piece is ready.</summary>
    private async Task AskAsync(CancellationToken cancellationToken)
    {
        await Task.Yield(); // whoever asks holds the gate
        if (!isKnown)
        {
            isKnown = true;
            await TellAsync(new SwarmReport(Held(), 0) { IsLeaving = true }); // an earlier try may have died with pieces promised to it, and hold places at their sources
        }

        var heard = time.GetTimestamp();
        while (ready.IsEmpty && IsAnyLeft())
        {
            try
            {
                var orders = await swarm.TellAsync(new SwarmReport(Held(), Wanted()), cancellationToken);
                heard = time.GetTimestamp();
                swarm.Waits();
                foreach (var order in orders.Where(Take))
                {
                    ready.Enqueue(order.Piece);
                }

                if (ready.IsEmpty)
                {
                    await Task.Delay(AskAgain, time, cancellationToken); // a tracker that has nothing holds its answer back by itself
                }
            }
            catch (IOException)
            {
                if (time.GetElapsedTime(heard) >= options.TrackerPatience)
                {
                    Any();
                    return;
                }

                await Task.Delay(options.TrackerRetry, time, cancellationToken);
            }
        }
    }

    /// <summary>As many pieces as there are strands that bring none, or the last of one.</summary>
    private int Wanted()
    {
        lock (gate)
        {
            return Math.Max(1, PiecesAtOnce - taken.Values.Count(piece => piece.Rest.Count > piece.AskAt));
        }
    }

    /// <summary>There is a piece that nobody brings yet.</summary>
    private bool IsAnyLeft()
    {
        lock (gate)
        {
            return Unasked > 0;
        }
    }

    /// <summary>True for a piece that was not on its way; for one that was, its source is another one from now on.</summary>
    private bool Take(PieceOrder order)
    {
        PieceSource? before;
        lock (gate)
        {
            if (order.Piece < 0 || order.Piece >= map.Pieces || held.Has(order.Piece))
            {
                return false;
            }

            sources.Remove(order.Piece, out before);
            sources[order.Piece] = new PieceSource(order, time.GetTimestamp(), order.IsOrigin ? null : stop => swarm.OpenAsync(order.Source, stop));
        }

        before?.Dispose();
        return before is null;
    }

    /// <summary>Without a tracker the source pod gives what nobody gives.</summary>
    private void Any()
    {
        lock (gate)
        {
            if (missing.Select(map.PieceOf).Where(piece => !taken.ContainsKey(piece)).OrderBy(sources.ContainsKey).Cast<int?>().FirstOrDefault() is { } left)
            {
                ready.Enqueue(left);
            }
        }
    }

    /// <summary>Asks the tracker who else gives the rest of the piece; when nobody does, the source pod gives it.</summary>
    private async Task ReplaceAsync(PieceSource failed, CancellationToken cancellationToken)
    {
        Task replacing;
        lock (gate)
        {
            if (sources.GetValueOrDefault(failed.Piece) != failed)
            {
                return; // it has been
            }

            replacing = failed.Replacing ??= GoElsewhereAsync(failed);
        }

        await replacing.WaitAsync(cancellationToken);
    }

    private async Task GoElsewhereAsync(PieceSource failed)
    {
        await TellAsync(new SwarmReport(Held(), 0) { Failed = [failed.Piece] });
        lock (gate)
        {
            if (sources.GetValueOrDefault(failed.Piece) == failed)
            {
                sources.Remove(failed.Piece);
            }
        }

        failed.Dispose();
    }

    private void LookForLate()
    {
        Dictionary<int, double> late = [];
        lock (gate)
        {
            foreach (var source in sources.Values.Where(s => !s.IsOrigin && s.IsLate(time, typical * options.LateAfter)))
            {
                late[source.Piece] = time.GetElapsedTime(source.Since).TotalSeconds;
            }
        }

        if (late.Count > 0)
        {
            _ = TellAsync(new SwarmReport(Held(), 0) { Late = late });
        }
    }

    /// <summary>Tells, and takes over what is answered. That the tracker does not hear is no reason to stop: it is told again with the next report.</summary>
    private async Task TellAsync(SwarmReport report)
    {
        try
        {
            foreach (var order in (await swarm.TellAsync(report, over.Token)).Where(Take))
            {
                ready.Enqueue(order.Piece);
            }
        }
        catch (Exception trouble) when (trouble is IOException or OperationCanceledException)
        {
            // What is held is in every report; what was lost besides costs a slot until the tracker misses it.
        }
    }

    private PieceSet Held()
    {
        lock (gate)
        {
            return Copy(held);
        }
    }

    private static PieceSet Copy(PieceSet set) => PieceSet.TryFrom(set.ToBytes(), set.Pieces)!;

    /// <summary>A piece that a strand brings.</summary>
    /// <param name="Rest">Chunks of it that have not come.</param>
    /// <param name="AskAt">With so many left the next piece is asked for.</param>
    private sealed record TakenPiece(HashSet<int> Rest, int AskAt);
}
