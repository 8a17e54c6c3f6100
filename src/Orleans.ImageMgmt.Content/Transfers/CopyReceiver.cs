using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>How one receive behaves. Every wait, retry and window has its limit here.</summary>
public sealed class ReceiveOptions
{
    /// <summary>Pieces of at most 1 MiB asked from a remote source and not yet written. Bounds the memory of one transfer. Default: 8.</summary>
    public int Window { get; init; } = 8;

    /// <summary>How often one chunk that arrived with the wrong digest is asked again before the source is called corrupt. Default: 2.</summary>
    public int ChunkRetries { get; init; } = 2;

    /// <summary>The longest wait for one piece of at most 1 MiB from the source, or for one answer with blocks of at most 2 MiB. Default: 60 s.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Called with the bytes that are wanted before they are asked from the source; returns how many of them may travel now, at least
    /// one: the rest is asked again. Only bytes that travel are asked, as they travel. Null: no limit of rate.</summary>
    public Func<int, CancellationToken, ValueTask<int>>? Throttle { get; init; }

    /// <summary>What to ask for bytes of this source at an offset; null: no limit of rate.</summary>
    internal Func<long, int, CancellationToken, ValueTask<int>>? ThrottleOf(IContentReader source) =>
        source is IRatedReader rated ? rated.AskAsync : Throttle is { } throttle ? (_, wanted, token) => throttle(wanted, token) : null;

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Finished copies on the same pod, the likest first; chunks and blocks that lie in them are taken from there and not asked from the source. Default: none.</summary>
    public IReadOnlyList<OwnCopy> OwnCopies { get; init; } = [];

    /// <summary>Where the digests of the copy's blocks are kept when all of it was read back right; null: nowhere. Default: null.</summary>
    public string? SidePath { get; init; }

    /// <summary>How much of what comes is read back behind the writing. All is read back where anything stood staged before (a cut, a repair), on a share, and of what own copies gave whole. Default: each chunk.</summary>
    public ReadBackPolicy ReadBack { get; init; } = ReadBackPolicy.Each;

    /// <summary>How blocks are asked for from a source on another machine that offers them.</summary>
    public BlockOptions Blocks { get; init; } = new();

    /// <summary>The same, without copies to take anything from.</summary>
    internal ReceiveOptions WithoutOwnCopies() => OwnCopies.Count == 0 ? this : With([], Blocks, Window);

    /// <summary>The same for one of several strands: together they hold no more pieces than one alone.</summary>
    internal ReceiveOptions For(int strands) => strands == 1 ? this : With(OwnCopies, Blocks.For(strands), Math.Max(1, Window / strands));

    private ReceiveOptions With(IReadOnlyList<OwnCopy> copies, BlockOptions blocks, int window) => new()
    {
        Window = window, ChunkRetries = ChunkRetries, StallTimeout = StallTimeout, Throttle = Throttle, TimeProvider = TimeProvider, OwnCopies = copies, SidePath = SidePath,
        Blocks = blocks, ReadBack = ReadBack, WriteBackBytes = WriteBackBytes,
    };

    internal const long DefaultWriteBackBytes = 8L << 20;

    /// <summary>Bytes written before their write-back to the disk is begun. Default: 8 MiB.</summary>
    internal long WriteBackBytes { get; init; } = DefaultWriteBackBytes;
}

/// <summary>How a receive ended: everything is staged, though not yet durable or proved (see <see cref="CopyVerifier"/>).</summary>
/// <param name="ChunksRequested">Different chunks that were asked from the source.</param>
/// <param name="BytesRequested">Bytes that came from the source as they travelled, packed where they were, with digests of blocks and whatever came twice.</param>
/// <param name="ChunksStagedBefore">Chunks found staged with the right digest and not asked for.</param>
/// <param name="BytesStagedBefore">Bytes of those.</param>
public sealed record ReceiveResult(int ChunksRequested, long BytesRequested, int ChunksStagedBefore, long BytesStagedBefore)
{
    /// <summary>Chunks that were taken from copies on the same pod, read back right, and not asked for.</summary>
    public int ChunksReused { get; init; }

    /// <summary>Bytes of those, and of single blocks that were taken from there.</summary>
    public long BytesReused { get; init; }

    /// <summary>What was flushed and read back on the way (all of it, or as much as <see cref="ReceiveOptions.ReadBack"/> says), for <see cref="CopyVerifier"/> in this process; null where nothing was, or where
    /// the file's state cannot vouch for it (see <see cref="CopyProof"/>).</summary>
    public CopyProof? Proof { get; init; }
}

/// <summary>Brings the chunks that a staging file lacks from a source into it; holes stay holes.</summary>
/// <remarks>
/// Resume needs no journal. The manifest names the digest of every chunk, so the staged bytes prove themselves: what hashes to its
/// digest is there, whoever wrote it and however the process ended; everything else is missing. A journal could only claim less (it lags
/// behind the bytes) or more (it outlives bytes that a power cut took), and would have to be checked against the bytes anyway.
/// </remarks>
public static class CopyReceiver
{
    /// <summary>Sizes <paramref name="staging"/>, keeps what is staged and right, and fetches the rest.</summary>
    /// <param name="source">Where the bytes come from. A local one is copied without hashing where all of the copy is read back: that proves it.</param>
    /// <param name="staging">Open for reading and writing; used by nobody else until the call returns.</param>
    /// <exception cref="SourceCorruptException">Wrong bytes again and again, or the source ends too early.</exception>
    /// <exception cref="SourceUnreadableException">The source failed to read.</exception>
    /// <exception cref="TimeoutException">One piece took longer than <see cref="ReceiveOptions.StallTimeout"/>.</exception>
    /// <exception cref="IOException">The staging file cannot be written; <see cref="IoTroubles.Classify"/> says why.</exception>
    public static async Task<ReceiveResult> ReceiveAsync(
        IContentReader source,
        SafeFileHandle staging,
        ReceiveOptions options,
        ITransferObserver observer,
        CancellationToken cancellationToken)
    {
        var book = new ProofBook(source.Manifest);
        var (result, bytesRead) = await GuardedAsync(options, (guard, token) => Receive(source, staging, options, observer, book, guard, token), cancellationToken);
        return bytesRead == 0 ? result : result with { Proof = await NoteAsync(staging, source.Manifest, book, bytesRead, options.TimeProvider, cancellationToken) };
    }

    private static (ReceiveResult Result, long BytesRead) Receive(
        IContentReader source, SafeFileHandle staging, ReceiveOptions options, ITransferObserver observer, ProofBook book, StallGuard guard, CancellationToken token)
    {
        var manifest = source.Manifest;
        using var notes = options.SidePath is { } path ? new BlockTable(staging, manifest, path) : null;
        var isShare = SparseFile.IsShare(staging);
        var plan = StagedChunks.Examine(staging, manifest, book, notes, options.OwnCopies, isBeside: !isShare && source.LocalFile is null, observer, token);
        var (needed, kept) = (plan.Fresh.Count + plan.Tainted.Count, plan.Kept + plan.Reused);
        observer.Planned(needed, kept, plan.BytesNeeded);

        var directed = source as IDirectedReader;

        // What was staged before was cut, or is a damaged copy's: then nobody's word is taken, as with what own copies gave and was wrong.
        var policy = plan.Kept + plan.Tainted.Count > 0 ? ReadBackPolicy.Each : options.ReadBack;

        // A share is read back when all is there: its clock is not ours, so its times of change cannot vouch for a proof.
        var (strands, bytesRead) = Fetch(isShare ? null : Behind(policy));
        if (plan.Beside.Where(chunk => !book.IsProved(chunk)).ToList() is { Count: > 0 } wrong)
        {
            plan.Refuse(manifest, wrong);
            observer.Planned(needed + wrong.Count, kept - wrong.Count, plan.BytesNeeded);
            needed += wrong.Count;
            var (mended, bytesAgain) = Fetch(Behind(ReadBackPolicy.Each));
            strands = [.. strands, .. mended];
            bytesRead += bytesAgain;
        }

        var result = new ReceiveResult(needed, strands.Sum(strand => strand.BytesTravelled), plan.Kept, plan.BytesKept + strands.Sum(strand => strand.BytesKept))
        {
            ChunksReused = plan.Reused, BytesReused = plan.BytesReused + strands.Sum(strand => strand.BytesOwn),
        };
        return (result, isShare ? 0 : plan.BytesRead + bytesRead);

        ReadBehind Behind(ReadBackPolicy how) => new(staging, manifest, book, how, notes, directed is null ? null : directed.Proved, token);

        (IReadOnlyList<FetchStrand> Strands, long BytesRead) Fetch(ReadBehind? behind)
        {
            using (behind)
            {
                var site = new FetchSite(source, staging, book, options, new StagedWatch(manifest, observer, behind, directed), guard);
                directed?.Begin([.. plan.Tainted, .. plan.Fresh], plan.Beside);
                using var fill = new FillBeside(site, plan, token);
                var fetched = fill.While(stop => FetchStrand.Run(site, plan, stop));
                behind?.Finish();
                return (fetched, behind?.BytesRead ?? 0);
            }
        }
    }

    /// <summary>Binds the proofs to the state of the file, once it has stood still long enough for every later write to show.</summary>
    private static async Task<CopyProof?> NoteAsync(
        SafeFileHandle staging, ContentManifest manifest, ProofBook book, long bytesRead, TimeProvider clock, CancellationToken cancellationToken)
    {
        var state = SparseFile.Identify(staging);
        var age = clock.GetUtcNow() - DateTimeOffset.UnixEpoch.AddTicks(state.ChangedNanoseconds / 100);
        if (age >= TimeSpan.Zero && age < CopyProof.StandStill)
        {
            await Task.Delay(CopyProof.StandStill - age, clock, cancellationToken);
        }

        return age >= TimeSpan.Zero && SparseFile.Identify(staging) == state ? new CopyProof(book, manifest, state, bytesRead) : null;
    }

    /// <summary>Fetches chunks whose read-back was wrong once more, hashed on arrival whatever the source, so that it is known whose bytes were bad.</summary>
    /// <returns>Bytes asked from the source. The chunks have to be verified again.</returns>
    /// <exception cref="SourceCorruptException">It was the source's.</exception>
    public static Task<long> RepairAsync(
        IContentReader source,
        SafeFileHandle file,
        IReadOnlyList<int> chunks,
        ReceiveOptions options,
        ITransferObserver observer,
        CancellationToken cancellationToken) =>
        GuardedAsync(
            options,
            (_, token) =>
            {
                using var writer = new StagingWriter(file, options.WriteBackBytes);
                var data = new List<int>(chunks.Count);
                foreach (var chunk in chunks)
                {
                    if (source.Manifest.IsZero(chunk))
                    {
                        writer.Clear(source.Manifest.OffsetOf(chunk), source.Manifest.LengthOf(chunk));
                    }
                    else
                    {
                        data.Add(chunk);
                    }
                }

                return new HashedFetch(source, writer, options, new StagedWatch(source.Manifest, observer, null), token).Run(data, tainted: true);
            },
            cancellationToken);

    /// <summary>Runs the work on its own thread; leaves it behind when it hangs inside a read of the source.</summary>
    private static async Task<T> GuardedAsync<T>(ReceiveOptions options, Func<StallGuard, CancellationToken, T> work, CancellationToken cancellationToken)
    {
        using var guard = new StallGuard(options.StallTimeout, options.TimeProvider, cancellationToken);
        var worker = PieceBuffers.RunAsync(() => work(guard, guard.Token), guard.Token);
        if (await Task.WhenAny(worker, guard.Stalled) == worker)
        {
            try
            {
                return await worker;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException(cancellationToken);
            }
        }

        // The thread hangs in a call that nothing can interrupt. It touches nothing any more when the call returns: see StallGuard.
        _ = worker.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        await guard.StopBesideAsync();
        cancellationToken.ThrowIfCancellationRequested();
        throw new TimeoutException($"The source gave nothing for {options.StallTimeout.TotalSeconds:0} s.");
    }
}
