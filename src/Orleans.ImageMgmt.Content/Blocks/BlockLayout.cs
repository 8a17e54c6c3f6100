using System.Buffers.Binary;
using System.IO.Hashing;

namespace Orleans.ImageMgmt.Content;

/// <summary>Where blocks and pieces lie in a content, and how a block is named. Level 2 of the manifest, made only for chunks that differ.</summary>
public static class BlockLayout
{
    /// <summary>Bytes of a block; the content's last one may be short. Guests write in blocks of this size: smaller ones cost more names than they save bytes.</summary>
    public const int BlockLength = SparseFile.BlockLength;

    /// <summary>Bytes of a piece; the content's last one may be short.</summary>
    public const int PieceLength = PieceBuffers.PieceLength;

    public const int BlocksPerPiece = PieceLength / BlockLength;

    /// <summary>Bytes of a block's digest: XXH3 of 64 bits. It only finds blocks; what is built from them is proved by SHA-256 of the chunk. Two different
    /// blocks with one digest, by chance or by design, cost a plain read of the chunk.</summary>
    public const int DigestLength = sizeof(ulong);

    public static int PieceCount(long length) => checked((int)((length + PieceLength - 1) / PieceLength));

    public static long OffsetOf(int piece) => (long)piece * PieceLength;

    public static int LengthOf(long length, int piece) => (int)Math.Min(PieceLength, length - OffsetOf(piece));

    /// <summary>Blocks of one piece, the short one too.</summary>
    public static int BlockCount(long length, int piece) => (LengthOf(length, piece) + BlockLength - 1) / BlockLength;

    /// <summary>Bytes of one block.</summary>
    public static int BlockLengthOf(long length, int piece, int block) => Math.Min(BlockLength, LengthOf(length, piece) - (block * BlockLength));

    /// <summary>Bytes of the digests of a run of pieces.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not such a run.</exception>
    internal static int DigestsLength(long length, int firstPiece, int pieces)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstPiece);
        ArgumentOutOfRangeException.ThrowIfLessThan(pieces, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pieces, PieceCount(length) - firstPiece, nameof(firstPiece));
        return ((((pieces - 1) * BlocksPerPiece) + BlockCount(length, firstPiece + pieces - 1)) * DigestLength);
    }

    /// <summary>0 for zeros, and only for those.</summary>
    public static ulong DigestOf(ReadOnlySpan<byte> block) => !block.ContainsAnyExcept((byte)0) ? 0 : XxHash3.HashToUInt64(block) is var hash && hash != 0 ? hash : 1;

    /// <summary>The digests of a piece's blocks, as they travel.</summary>
    public static void WriteDigests(ReadOnlySpan<byte> piece, Span<byte> digests)
    {
        for (var block = 0; block * BlockLength < piece.Length; block++)
        {
            var bytes = piece[(block * BlockLength)..Math.Min(piece.Length, (block + 1) * BlockLength)];
            BinaryPrimitives.WriteUInt64LittleEndian(digests[(block * DigestLength)..], DigestOf(bytes));
        }
    }
}
