using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>What all pieces of one receive share.</summary>
internal sealed class BuildSite(IContentReader source, IBlockReader blocks, BlockRoad road, SafeFileHandle staging, ReceiveOptions options, ITransferObserver observer)
{
    private long travelled;
    private int badAnswers;

    public IBlockReader Blocks { get; } = blocks;

    public ContentManifest Manifest { get; } = source.Manifest;

    public SafeFileHandle Staging { get; } = staging;

    public ReceiveOptions Options { get; } = options;

    public BlockRoad Road { get; } = road;

    public LinkGauge Gauge => Road.Gauge;

    public WireRate Rate { get; } = new(options.ThrottleOf(source));

    /// <summary>Digests pack otherwise than blocks.</summary>
    public WireRate DigestRate { get; } = new(options.ThrottleOf(source));

    public IReadOnlyList<OwnCopy> Own { get; } = options.OwnCopies;

    public Digest[] Bases { get; } = [.. options.OwnCopies.Take(BlockRequest.MaxBases).Select(copy => copy.Manifest.ContentDigest)];

    public long[] BaseLengths { get; } = [.. options.OwnCopies.Take(BlockRequest.MaxBases).Select(copy => copy.Manifest.Length)];

    /// <summary>Bytes of all answers.</summary>
    public long Travelled => Interlocked.Read(ref travelled);

    public void Arrived(int bytes)
    {
        Interlocked.Add(ref travelled, bytes);
        observer.Travelled(bytes);
    }

    /// <summary>The sender reads the whole base once before it can pack against windows of it: not for a few blocks.</summary>
    public bool IsWorthWindows => Own.Count > 0 && Road.Expected >= Own[0].Manifest.DataLength / OwnBlocks.ReadForOne;

    /// <summary>So many answers were no good that the source is asked for plain bytes only.</summary>
    public bool IsGivenUp => Volatile.Read(ref badAnswers) >= BlockOptions.BadAnswers;

    public void AnsweredBadly() => Interlocked.Increment(ref badAnswers);

    public void GiveUp() => Volatile.Write(ref badAnswers, BlockOptions.BadAnswers);

    public bool ReadWindow(int which, int window, Span<byte> room)
    {
        try
        {
            return ChunkCheck.TryReadAll(Own[which].File, room, (long)window * BlockFrame.WindowLength);
        }
        catch (IOException)
        {
            return false;
        }
    }
}

/// <summary>What the staging file holds where a piece goes.</summary>
internal enum PieceGround
{
    /// <summary>Zeros.</summary>
    Empty,

    /// <summary>What an earlier receive left: cut in the middle, or damaged.</summary>
    Tainted,

    /// <summary>Blocks that are shared with an own copy, of which some are the right ones.</summary>
    Shared,
}

/// <summary>One piece that is put together from own blocks and from what the source sends. Begun at once; awaited in order.</summary>
internal sealed class PieceBuild : IDisposable
{
    private readonly BuildSite site;
    private readonly BlockBatch batch;
    private readonly int index;
    private readonly PieceGround ground;
    private readonly PieceBuffer buffer = PieceBuffers.Rent();
    private readonly CancellationTokenSource stop;
    private readonly BlockAsk[] asks;
    private readonly Task building;
    private BlockSet missing;

    private PieceBuild(BuildSite site, BlockBatch batch, int index, PieceGround ground, BlockAsk[] asks, CancellationToken cancellationToken)
    {
        (this.site, this.batch, this.index, this.ground, this.asks) = (site, batch, index, ground, asks);
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        building = BuildAsync();
    }

    public int Piece => batch.Pieces[index];

    public int Chunk => (int)(BlockLayout.OffsetOf(Piece) / site.Manifest.ChunkSize);

    public bool IsFirst => BlockLayout.OffsetOf(Piece) == site.Manifest.OffsetOf(Chunk);

    public bool IsLast => BlockLayout.OffsetOf(Piece) + Length == site.Manifest.OffsetOf(Chunk) + site.Manifest.LengthOf(Chunk);

    /// <summary>The staging file reads as zeros here.</summary>
    public bool IsEmpty => ground == PieceGround.Empty;

    /// <summary>Blocks that stand in the staging file already.</summary>
    public BlockSet InPlace { get; private set; }

    /// <summary>Bytes that came from own copies and had their digest.</summary>
    public int BytesOwn { get; private set; }

    /// <summary>Bytes that stood in the staging file and had their digest.</summary>
    public int BytesKept { get; private set; }

    /// <summary>SHA-256 of the piece where it is a chunk of its own, else null: then the chunk is hashed as its pieces come.</summary>
    public byte[]? Sha256 { get; private set; }

    /// <summary>Why the answer could not be used; null when every block has its digest.</summary>
    public string? Trouble { get; private set; }

    public Span<byte> Bytes => buffer.Span[..Length];

    private int Length => BlockLayout.LengthOf(site.Manifest.Length, Piece);

    /// <param name="asks">All that were asked for this piece's blocks; the caller's, and kept until the piece is built.</param>
    public static PieceBuild Begin(BuildSite site, BlockBatch batch, int index, PieceGround ground, BlockAsk[] asks, CancellationToken cancellationToken) =>
        new(site, batch, index, ground, asks, cancellationToken);

    /// <summary>Waits on the transfer's own thread; translates how the source fails.</summary>
    public void Await()
    {
        try
        {
            building.WaitAsync(stop.Token).GetAwaiter().GetResult();
        }
        catch (EndOfStreamException trouble)
        {
            throw new SourceCorruptException(Chunk, BlockLayout.OffsetOf(Piece), $"The source ends inside chunk {Chunk}: {trouble.Message}", trouble);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            throw new SourceUnreadableException(Chunk, BlockLayout.OffsetOf(Piece), trouble);
        }
    }

    public void Dispose()
    {
        // Whoever does not listen to the token may still write into the buffer: it goes back only when that is over.
        stop.Cancel();
        _ = FreeAsync();
    }

    private async Task FreeAsync()
    {
        await building.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        PieceBuffers.Return(buffer);
        stop.Dispose();
    }

    private async Task BuildAsync()
    {
        foreach (var ask in asks)
        {
            await ask.ArriveAsync(stop.Token);
        }

        // Disks are waited for, and much is hashed, on a thread that nobody else needs.
        await PieceBuffers.RunAsync(Fill, stop.Token);
        if (missing.IsEmpty)
        {
            return;
        }

        // What an own copy could not give after all, or came in an answer that could not be used.
        using var again = new BlockAsk(site, [.. Blocks(missing)], stop.Token);
        await again.ArriveAsync(stop.Token);
        await PieceBuffers.RunAsync(
            () =>
            {
                for (var block = missing.NextFrom(0); block >= 0; block = missing.NextFrom(block + 1))
                {
                    Trouble ??= again.Trouble;
                    TakeArrived(block, again);
                }

                return Finish();
            },
            stop.Token);
    }

    private IEnumerable<long> Blocks(BlockSet set)
    {
        for (var block = set.NextFrom(0); block >= 0; block = set.NextFrom(block + 1))
        {
            yield return NumberOf(block);
        }
    }

    private long NumberOf(int block) => ((long)Piece * BlockLayout.BlocksPerPiece) + block;

    /// <summary>Blocks from the staging file, from own copies and from what has arrived; what none of them has is missing.</summary>
    private bool Fill()
    {
        var count = BlockLayout.BlockCount(site.Manifest.Length, Piece);
        if (!IsEmpty)
        {
            KeepStaged(count);
        }

        for (var block = 0; block < count; block++)
        {
            var place = batch.Places[(index * BlockLayout.BlocksPerPiece) + block];
            if (InPlace.Contains(block))
            {
                continue;
            }

            if (place == BlockBatch.Zeros)
            {
                BlockAt(block).Clear();
            }
            else if (place == BlockBatch.Absent)
            {
                TakeAsked(block);
            }
            else if (place == BlockBatch.Staged)
            {
                missing.Add(block);
            }
            else
            {
                block = FillRun(block, count, place);
            }
        }

        if (!missing.IsEmpty && site.IsGivenUp)
        {
            Trouble ??= "the source has given too many answers that could not be used";
            missing = default;
        }

        return missing.IsEmpty && Finish();
    }

    private void TakeAsked(int block)
    {
        foreach (var ask in asks)
        {
            if (ask.BytesOf(NumberOf(block)).IsEmpty)
            {
                continue;
            }

            if (ask.Trouble is null)
            {
                TakeArrived(block, ask);
            }
            else if (ask.IsOfOnePiece)
            {
                Trouble ??= ask.Trouble;
            }
            else
            {
                missing.Add(block); // asked for once more, without the other pieces
            }

            return;
        }

        missing.Add(block);
    }

    private void TakeArrived(int block, BlockAsk ask)
    {
        ask.BytesOf(NumberOf(block)).CopyTo(BlockAt(block));
        if (Trouble is null && !IsRight(block))
        {
            Trouble = $"block {block} of piece {Piece} does not have its digest";
            site.AnsweredBadly();
        }
    }

    private bool Finish()
    {
        if (IsFirst && IsLast && Trouble is null)
        {
            Sha256 = SHA256.HashData(Bytes);
        }

        return true;
    }

    private void KeepStaged(int count)
    {
        if (!ChunkCheck.TryReadAll(site.Staging, Bytes, BlockLayout.OffsetOf(Piece)))
        {
            return;
        }

        var bytes = 0;
        var kept = default(BlockSet);
        for (var block = 0; block < count; block++)
        {
            if (IsRight(block))
            {
                kept.Add(block);
                bytes += DigestOf(block) == 0 ? 0 : BlockAt(block).Length;
            }
        }

        InPlace = kept;
        (BytesOwn, BytesKept) = ground == PieceGround.Shared ? (bytes, 0) : (0, bytes);
    }

    /// <summary>Reads blocks that lie side by side in one copy.</summary>
    /// <returns>The last one of them.</returns>
    private int FillRun(int first, int count, long place)
    {
        var last = first;
        while (last + 1 < count && batch.Places[(index * BlockLayout.BlocksPerPiece) + last + 1] == place + last + 1 - first && !InPlace.Contains(last + 1))
        {
            last++;
        }

        var (copy, from) = BlockBatch.Open(place);
        var run = Bytes[(first * BlockLayout.BlockLength)..Math.Min(Length, (last + 1) * BlockLayout.BlockLength)];
        var isRead = TryRead(site.Own[copy].File, run, from * BlockLayout.BlockLength);
        for (var block = first; block <= last; block++)
        {
            if (isRead && IsRight(block))
            {
                BytesOwn += BlockAt(block).Length;
            }
            else
            {
                missing.Add(block);
            }
        }

        return last;
    }

    private static bool TryRead(SafeFileHandle file, Span<byte> run, long offset)
    {
        try
        {
            return ChunkCheck.TryReadAll(file, run, offset);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private ulong DigestOf(int block) => batch.Digests[(index * BlockLayout.BlocksPerPiece) + block];

    private bool IsRight(int block) => BlockLayout.DigestOf(BlockAt(block)) == DigestOf(block);

    private Span<byte> BlockAt(int block) => Bytes[(block * BlockLayout.BlockLength)..Math.Min(Length, (block + 1) * BlockLayout.BlockLength)];
}
