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
    private OwnPieces own;
    private readonly Dictionary<int, TakenPiece> taken = []; // by piece: what is on its way
    private readonly Dictionary<int, double> came = []; // pieces of which all came that was missing, in seconds
    private readonly Dictionary<int, double> arrived = []; // of those the ones that are whole, to be told
    private Task? asking;
    private bool isKnown;
    private bool isDue;
    private bool isTelling;
    private TimeSpan typical;

    /// <summary>Reads blocks too where the source pod's copy offers them; that copy stays the caller's.</summary>
    public static SwarmReader Over(IContentReader origin, PieceMap map, ISwarm swarm, ITransferObserver observer, SwarmReaderOptions options) => origin is IBlockReader
        ? new SwarmBlockReader(origin, map, swarm, observer, options)
        : new SwarmReader(origin, map, swarm, observer, options);

    protected SwarmReader(IContentReader origin, PieceMap map, ISwarm swarm, ITransferObserver observer, SwarmReaderOptions options)
    {
        (this.origin, this.map, this.swarm, this.observer, this.options, time) = (origin, map, swarm, observer, options, options.TimeProvider);
        held = new PieceSet(map.Pieces);
        own = new OwnPieces(map, []);
        typical = options.FirstTypical;
        watch = time.CreateTimer(_ => LookForLate(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
    }

    public ContentManifest Manifest => origin.Manifest;

    public SafeFileHandle? LocalFile => null;

    public void Begin(IReadOnlyCollection<int> missing, IReadOnlyCollection<int> filling)
    {
        lock (gate)
        {
            this.missing.Clear();
            this.missing.UnionWith(missing);
            own = new OwnPieces(map, filling);
            held = map.HeldWithout([.. missing, .. filling]);
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

    /// <summary>The reader that a chunk is asked of now; null where it is not open yet.</summary>
    protected IContentReader? GiverOf(int chunk)
    {
        lock (gate)
        {
            return map.Has(chunk) && sources.GetValueOrDefault(map.PieceOf(chunk)) is { IsOrigin: false } source ? source.Opened : origin;
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
        _ = TellAsync(Report(0) with { Lie = (liar.Pod, chunk) });
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

        var report = Report(0);
        report = report with { IsLeaving = !report.Held.IsFull };
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
        await TellAsync(Report(0) with { Failed = [failed.Piece] });
        lock (gate)
        {
            if (sources.GetValueOrDefault(failed.Piece) == failed)
            {
                sources.Remove(failed.Piece);
            }
        }

        failed.Dispose();
    }

    /// <summary>A piece that a strand brings.</summary>
    /// <param name="Rest">Chunks of it that have not come.</param>
    /// <param name="AskAt">With so many left the next piece is asked for.</param>
    private sealed record TakenPiece(HashSet<int> Rest, int AskAt);
}
