using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>Builds chunks out of blocks that the pod holds anywhere and blocks that the source sends, hashes each chunk and writes it.</summary>
/// <remarks>A chunk that does not come out with its SHA-256, whoever is to blame (a damaged own copy, a lying source, two blocks with one digest), is asked for as it is and
/// hashed: then it is known whether it is the source.</remarks>
internal sealed class BlockFetch(
    IContentReader source,
    IBlockReader blocks,
    BlockRoad road,
    SafeFileHandle staging,
    StagingWriter writer,
    ReceiveOptions options,
    StagedWatch watch,
    CancellationToken cancellationToken) : IDisposable
{
    private readonly ContentManifest manifest = source.Manifest;
    private readonly BuildSite site = new(source, blocks, road, staging, options, watch.Observer);
    private readonly OwnBlocks own = new(options.OwnCopies, watch.Observer);
    private readonly HashedFetch plain = new(source, writer, options, watch, cancellationToken);
    private readonly List<int> wrong = [];
    private readonly HashSet<int> apart = [];
    private long plainBytes;
    private bool isChunkWrong;

    /// <summary>Bytes of blocks that came from own copies.</summary>
    public long BytesOwn { get; private set; }

    /// <summary>Bytes of blocks that stood in the file already.</summary>
    public long BytesKept { get; private set; }

    /// <summary>Bytes that travelled.</summary>
    public long BytesTravelled => plainBytes + site.Travelled;

    /// <param name="chunks">Data chunks, rising.</param>
    /// <param name="tainted">They hold other bytes now: what has its digest among them stays.</param>
    public void Run(IReadOnlyList<int> chunks, bool tainted)
    {
        for (var i = 0; i < chunks.Count;)
        {
            if (site.IsGivenUp)
            {
                plainBytes += plain.Run([.. chunks.Skip(i)], tainted);
                break;
            }

            var count = CountOf(chunks, i);
            Build([.. chunks.Skip(i).Take(count)], tainted);
            plainBytes += plain.Run(wrong, tainted: true);
            wrong.Clear();
            i += count;
        }

        writer.Finish();
    }

    public void Dispose() => own.Dispose();

    /// <summary>Chunks of one batch: whole ones, at least one, however large.</summary>
    private int CountOf(IReadOnlyList<int> chunks, int first)
    {
        var each = Math.Max(1, manifest.ChunkSize / BlockLayout.PieceLength);
        return Math.Min(chunks.Count - first, Math.Max(1, options.Blocks.BatchPieces / each));
    }

    private void Build(IReadOnlyList<int> chunks, bool tainted)
    {
        var batch = new BlockBatch([.. chunks.SelectMany(PiecesOf)], manifest.Length);
        try
        {
            BlockDigests.Fetch(site, batch, own, cancellationToken);
        }
        catch (InvalidDataException)
        {
            site.GiveUp();
            wrong.AddRange(chunks);
            return;
        }

        own.Locate(batch, cancellationToken);
        if (tainted)
        {
            MarkStaged(batch);
        }

        Build(batch, tainted, tainted ? [] : Share(batch, chunks));
    }

    private void Build(BlockBatch batch, bool tainted, HashSet<int> shared)
    {
        site.Road.Looked(batch.Pieces.Count, batch.Missing().LongCount() * BlockLayout.BlockLength);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var asks = new BlockAsks(site, batch, cancellationToken);
        var building = new Queue<PieceBuild>(options.Blocks.Window);
        try
        {
            for (var next = 0; next < batch.Pieces.Count || building.Count > 0;)
            {
                while (next < batch.Pieces.Count && building.Count < options.Blocks.Window && asks.TryBegin(batch.Pieces[next], building.Count == 0))
                {
                    var ground = tainted ? PieceGround.Tainted : shared.Contains(ChunkOf(batch.Pieces[next])) ? PieceGround.Shared : PieceGround.Empty;
                    var begun = PieceBuild.Begin(site, batch, next, ground, asks.Of(batch.Pieces[next]), cancellationToken);
                    next++;
                    building.Enqueue(begun);
                    if (begun.IsFirst)
                    {
                        watch.Requested(begun.Chunk);
                    }
                }

                using var piece = building.Dequeue();
                piece.Await();
                Take(piece, hash);
                asks.Built(piece.Piece);
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            foreach (var piece in building)
            {
                piece.Dispose();
            }
        }
    }

    /// <summary>Blocks that stand in the file with their digest already are not asked for.</summary>
    private void MarkStaged(BlockBatch batch)
    {
        var buffer = PieceBuffers.Rent();
        for (var i = 0; i < batch.Pieces.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var bytes = buffer.Span[..BlockLayout.LengthOf(manifest.Length, batch.Pieces[i])];
            if (ChunkCheck.TryReadAll(staging, bytes, BlockLayout.OffsetOf(batch.Pieces[i])))
            {
                batch.MarkStaged(i, bytes);
            }
        }

        PieceBuffers.Return(buffer);
    }

    private int ChunkOf(int piece) => (int)(BlockLayout.OffsetOf(piece) / manifest.ChunkSize);

    /// <summary>Where the file system can, a chunk of which an own copy holds half at its own offset is shared with it, and only other blocks are written.</summary>
    private HashSet<int> Share(BlockBatch batch, IReadOnlyList<int> chunks)
    {
        var shared = new HashSet<int>();
        var at = 0;
        foreach (var chunk in chunks)
        {
            var blocks = BlockLayout.PieceCount(manifest.LengthOf(chunk)) * BlockLayout.BlocksPerPiece;
            var (offset, length) = (manifest.OffsetOf(chunk), manifest.LengthOf(chunk));
            var copy = batch.MostlyIn(at, blocks, offset / BlockLayout.BlockLength);
            at += blocks;
            if (copy < 0 || apart.Contains(copy) || options.OwnCopies[copy].Manifest.Length < offset + length)
            {
                continue;
            }

            var could = writer.TryClone(options.OwnCopies[copy].File, offset, length, offset);
            if (could is true)
            {
                shared.Add(chunk);
            }
            else if (could is null)
            {
                apart.Add(copy);
            }
        }

        return shared;
    }

    private IEnumerable<int> PiecesOf(int chunk)
    {
        var first = (int)(manifest.OffsetOf(chunk) / BlockLayout.PieceLength);
        return Enumerable.Range(first, BlockLayout.PieceCount(manifest.LengthOf(chunk)));
    }

    /// <summary>Writes a piece; the chunk counts as staged with its last one, when the hash says so.</summary>
    private void Take(PieceBuild piece, IncrementalHash hash)
    {
        isChunkWrong = (isChunkWrong && !piece.IsFirst) || piece.Trouble is not null;
        if (piece.Sha256 is null)
        {
            hash.AppendData(piece.Bytes);
        }

        if (!piece.IsLast)
        {
            Write(piece);
            return;
        }

        if (!Matches(piece, hash) || isChunkWrong)
        {
            wrong.Add(piece.Chunk);
            return;
        }

        Write(piece);
        BytesOwn += piece.BytesOwn;
        BytesKept += piece.BytesKept;
        watch.Staged(piece.Chunk, isHashed: piece.IsEmpty);
    }

    /// <summary>Leaves the hash empty for the next chunk.</summary>
    private bool Matches(PieceBuild piece, IncrementalHash hash)
    {
        if (piece.Sha256 is { } known)
        {
            // Nothing was put into the hash.
            return manifest.Matches(piece.Chunk, known);
        }

        Span<byte> digest = stackalloc byte[Digest.ByteLength];
        hash.GetHashAndReset(digest);
        return manifest.Matches(piece.Chunk, digest);
    }

    /// <summary>Blocks that stand in the file already are left alone.</summary>
    private void Write(PieceBuild piece)
    {
        var offset = BlockLayout.OffsetOf(piece.Piece);
        if (piece.IsEmpty)
        {
            writer.Write(piece.Bytes, offset);
            return;
        }

        var count = BlockLayout.BlockCount(manifest.Length, piece.Piece);
        for (var block = 0; block < count; block++)
        {
            var first = block;
            while (block < count && !piece.InPlace.Contains(block))
            {
                block++;
            }

            if (block > first)
            {
                var run = piece.Bytes[(first * BlockLayout.BlockLength)..Math.Min(piece.Bytes.Length, block * BlockLayout.BlockLength)];
                writer.Clear(offset + (first * BlockLayout.BlockLength), run.Length);
                writer.Write(run, offset + (first * BlockLayout.BlockLength));
            }
        }
    }
}
