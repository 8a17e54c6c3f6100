using System.Buffers.Binary;

namespace Orleans.ImageMgmt.Content;

/// <summary>
/// The answer to <see cref="IBlockReader.ReadDigestsAsync"/>: one byte, 0 when every digest follows, else the place in <see cref="DigestRequest.Bases"/>, counted from 1,
/// of the base that it is told against. Then for each piece, in order: against a base 32 bytes, a bit for each block that is the base's block at the same place
/// (<see cref="BlockSet"/>), and the digests of its other blocks, <see cref="BlockLayout.DigestLength"/> bytes each, little-endian.
/// </summary>
public static class DigestAnswer
{
    internal const int HeaderLength = 1;
    private const int PieceLength = BlockSet.ByteLength + (BlockLayout.BlocksPerPiece * BlockLayout.DigestLength);

    /// <summary>Bytes of the longest answer about so many pieces.</summary>
    public static int MaxLength(int pieces) => HeaderLength + (pieces * PieceLength);

    /// <param name="digests">Of all blocks of the piece.</param>
    /// <param name="before">Of the base's blocks at the same place, as many as it has there; empty where the answer is not told against one.</param>
    /// <param name="isAgainstBase">Whether it is.</param>
    /// <param name="answer">Where to write to.</param>
    /// <returns>Bytes written.</returns>
    internal static int WritePiece(ReadOnlySpan<ulong> digests, ReadOnlySpan<ulong> before, bool isAgainstBase, Span<byte> answer)
    {
        var same = default(BlockSet);
        var at = isAgainstBase ? BlockSet.ByteLength : 0;
        for (var block = 0; block < digests.Length; block++)
        {
            if (isAgainstBase && block < before.Length && before[block] == digests[block])
            {
                same.Add(block);
                continue;
            }

            BinaryPrimitives.WriteUInt64LittleEndian(answer[at..], digests[block]);
            at += BlockLayout.DigestLength;
        }

        if (isAgainstBase)
        {
            same.Write(answer);
        }

        return at;
    }

    /// <summary>Reads the digests of one piece.</summary>
    /// <param name="answer">What is left of the answer.</param>
    /// <param name="isAgainstBase">Whether it is told against a base.</param>
    /// <param name="digests">One for each block of the piece. Those of blocks that are the base's are left alone.</param>
    /// <param name="same">Which ones are the base's.</param>
    /// <returns>Bytes read.</returns>
    /// <exception cref="InvalidDataException">It ends too early, or names blocks that the piece does not have.</exception>
    internal static int ReadPiece(ReadOnlySpan<byte> answer, bool isAgainstBase, Span<ulong> digests, out BlockSet same)
    {
        same = default;
        var at = 0;
        if (isAgainstBase)
        {
            Demand(answer.Length >= BlockSet.ByteLength);
            same = BlockSet.Read(answer[..BlockSet.ByteLength]);
            at = BlockSet.ByteLength;
            Demand(same.NextFrom(digests.Length) < 0);
        }

        Demand(answer.Length - at >= (digests.Length - same.Count) * BlockLayout.DigestLength);
        for (var block = 0; block < digests.Length; block++)
        {
            if (!same.Contains(block))
            {
                digests[block] = BinaryPrimitives.ReadUInt64LittleEndian(answer[at..]);
                at += BlockLayout.DigestLength;
            }
        }

        return at;
    }

    private static void Demand(bool isSo)
    {
        if (!isSo)
        {
            throw new InvalidDataException("Not the digests that were asked for: the answer ends too early, or names blocks that a piece does not have.");
        }
    }
}
