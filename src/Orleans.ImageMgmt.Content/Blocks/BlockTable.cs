using System.Buffers.Binary;
using System.IO.Hashing;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>
/// The level-2 digests of one copy: from the side file that lies beside it, else made from its bytes and, once all are known, kept in such a
/// file. As a rule the read-back that proved the copy has noted them all. Safe for concurrent calls. Nobody believes it: it says where blocks may be found.
/// </summary>
/// <remarks>
/// The side file is a header of 4 KiB (magic <c>IMGBLK01</c>, length of the content, SHA-256 of the manifest, XXH3 of the rest) and 2 KiB for each piece of 1 MiB at
/// its place; pieces in chunks of zeros are holes. It appears under its name only when it is whole. A damaged or foreign one is passed over and made again.
/// </remarks>
internal sealed class BlockTable : IDisposable
{
    /// <summary>Beyond this much data there is no side file: it would take more than 1 GiB, and digests are made anew when they are asked for.</summary>
    internal const long MaxDataLength = 512L << 30;

    private const int HeaderLength = 4096;
    private const int DigestOffset = 16;
    private const int SumOffset = 48;
    private const int PieceDigestsLength = BlockLayout.BlocksPerPiece * BlockLayout.DigestLength;

    private readonly SafeFileHandle file;
    private readonly ContentManifest manifest;
    private readonly string? sidePath;
    private readonly string? madePath;
    private readonly bool[] known;
    private SafeFileHandle? side;
    private readonly bool isWhole;

    /// <param name="file">The copy; stays the caller's.</param>
    /// <param name="manifest">Its manifest.</param>
    /// <param name="sidePath">Where the side file lies or shall lie; null for none.</param>
    public BlockTable(SafeFileHandle file, ContentManifest manifest, string? sidePath)
    {
        this.file = file;
        this.manifest = manifest;
        this.sidePath = manifest.DataLength <= MaxDataLength ? sidePath : null;
        known = new bool[BlockLayout.PieceCount(manifest.Length)];
        side = TryOpen();
        isWhole = side is not null;
        if (side is null && this.sidePath is not null)
        {
            madePath = $"{sidePath}.{Guid.NewGuid():N}";
            side = TryCreate(madePath);
        }
    }

    /// <summary>There is a side file: every digest is known without reading the copy.</summary>
    public bool IsWhole => isWhole;

    /// <summary>Fills in the digests of a run of pieces.</summary>
    /// <param name="digests">As <see cref="BlockLayout.DigestsLength"/> says; the file lies by piece, so the short last one comes last here too.</param>
    /// <exception cref="EndOfStreamException">The copy is shorter than its manifest.</exception>
    /// <exception cref="IOException">The copy cannot be read.</exception>
    public void Read(int firstPiece, int pieces, Span<byte> digests, CancellationToken cancellationToken)
    {
        PieceBuffer? buffer = null;
        for (var piece = firstPiece; piece < firstPiece + pieces; piece++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var these = digests.Slice((piece - firstPiece) * PieceDigestsLength, BlockLayout.BlockCount(manifest.Length, piece) * BlockLayout.DigestLength);
            if (manifest.IsZero(ChunkOf(piece)))
            {
                these.Clear();
            }
            else if (!TryReadSide(piece, these))
            {
                buffer ??= PieceBuffers.Rent();
                Make(piece, buffer, these);
            }
        }

        if (buffer is not null)
        {
            PieceBuffers.Return(buffer);
        }
    }

    /// <summary>Takes the digests of bytes that were just found right: so they are known without another read.</summary>
    /// <param name="offset">Of a piece.</param>
    /// <param name="bytes">Whole pieces, or up to the end of the content.</param>
    public void Note(long offset, ReadOnlySpan<byte> bytes)
    {
        if (side is not { } open || isWhole)
        {
            return;
        }

        Span<byte> digests = stackalloc byte[PieceDigestsLength];
        for (var at = 0; at < bytes.Length; at += BlockLayout.PieceLength)
        {
            var piece = (int)((offset + at) / BlockLayout.PieceLength);
            var these = digests[..(BlockLayout.BlockCount(manifest.Length, piece) * BlockLayout.DigestLength)];
            BlockLayout.WriteDigests(bytes[at..Math.Min(bytes.Length, at + BlockLayout.PieceLength)], these);
            TryWriteSide(open, piece, these);
        }
    }

    /// <summary>Keeps the side file when every piece is known by now; forgets what is not whole.</summary>
    public void Dispose()
    {
        try
        {
            if (side is not null && !isWhole && IsKnown())
            {
                Keep(side);
            }
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            // No room, or a folder that may not be written: the digests are made again when they are wanted.
        }
        finally
        {
            side?.Dispose();
            side = null;
            Forget();
        }
    }

    private int ChunkOf(int piece) => (int)(BlockLayout.OffsetOf(piece) / manifest.ChunkSize);

    private static long PlaceOf(int piece) => HeaderLength + ((long)piece * PieceDigestsLength);

    private bool TryReadSide(int piece, Span<byte> digests)
    {
        try
        {
            return side is { } open && (isWhole || Volatile.Read(ref known[piece])) && ChunkCheck.TryReadAll(open, digests, PlaceOf(piece));
        }
        catch (IOException)
        {
            return false;
        }
    }

    private void Make(int piece, PieceBuffer buffer, Span<byte> digests)
    {
        var bytes = buffer.Span[..BlockLayout.LengthOf(manifest.Length, piece)];
        if (!ChunkCheck.TryReadAll(file, bytes, BlockLayout.OffsetOf(piece)))
        {
            throw new EndOfStreamException($"The copy ends inside piece {piece}; its manifest says {manifest.Length} bytes.");
        }

        BlockLayout.WriteDigests(bytes, digests);
        if (side is { } open && !isWhole)
        {
            TryWriteSide(open, piece, digests);
        }
    }

    private void TryWriteSide(SafeFileHandle open, int piece, ReadOnlySpan<byte> digests)
    {
        try
        {
            RandomAccess.Write(open, digests, PlaceOf(piece));
            Volatile.Write(ref known[piece], true);
        }
        catch (IOException)
        {
            // Not known then; no side file will be kept.
        }
    }

    private bool IsKnown()
    {
        for (var piece = 0; piece < known.Length; piece++)
        {
            if (!known[piece] && !manifest.IsZero(ChunkOf(piece)))
            {
                return false;
            }
        }

        return known.Length > 0;
    }

    private SafeFileHandle? TryOpen()
    {
        if (sidePath is null)
        {
            return null;
        }

        try
        {
            var found = File.OpenHandle(sidePath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (IsOurs(found))
            {
                return found;
            }

            found.Dispose();
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            // Mostly: there is none yet.
        }

        return null;
    }

    private bool IsOurs(SafeFileHandle found)
    {
        Span<byte> header = stackalloc byte[HeaderLength];
        return ChunkCheck.TryReadAll(found, header, 0) && header.SequenceEqual(Header(SumOf(found)));
    }

    private byte[] Header(ulong sum)
    {
        var header = new byte[HeaderLength];
        "IMGBLK01"u8.CopyTo(header);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(8), manifest.Length);
        manifest.ComputeDigest().ToBytes().CopyTo(header.AsSpan(DigestOffset));
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(SumOffset), sum);
        return header;
    }

    /// <summary>Over the digests of all pieces with data.</summary>
    private ulong SumOf(SafeFileHandle open)
    {
        var hash = new XxHash3();
        Span<byte> digests = stackalloc byte[PieceDigestsLength];
        for (var piece = 0; piece < known.Length; piece++)
        {
            if (!manifest.IsZero(ChunkOf(piece)))
            {
                var these = digests[..(BlockLayout.BlockCount(manifest.Length, piece) * BlockLayout.DigestLength)];
                if (!ChunkCheck.TryReadAll(open, these, PlaceOf(piece)))
                {
                    return 0;
                }

                hash.Append(these);
            }
        }

        return hash.GetCurrentHashAsUInt64();
    }

    private static SafeFileHandle? TryCreate(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void Keep(SafeFileHandle made)
    {
        RandomAccess.Write(made, Header(SumOf(made)), 0);
        RandomAccess.FlushToDisk(made);
        File.Move(madePath!, sidePath!, overwrite: true);
        SparseFile.FlushFolder(Path.GetDirectoryName(sidePath)!);
    }

    private void Forget()
    {
        try
        {
            if (madePath is not null)
            {
                File.Delete(madePath);
            }
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            // It goes with the copy's folder.
        }
    }
}
