using System.Buffers.Binary;
using System.Numerics;

namespace Orleans.ImageMgmt.Domain;

/// <summary>Some of a content's pieces, one bit each.</summary>
internal sealed class PieceSet
{
    private const int WordBits = 64;
    private readonly ulong[] words;

    public PieceSet(int pieces)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(pieces);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pieces, Limits.PiecesPerContent);
        Pieces = pieces;
        words = new ulong[(pieces + WordBits - 1) / WordBits];
    }

    /// <summary>How many there are in all.</summary>
    public int Pieces { get; }

    /// <summary>How many are in the set.</summary>
    public int Count { get; private set; }

    public bool IsFull => Count == Pieces;

    internal ReadOnlySpan<ulong> Words => words;

    public bool Has(int piece) => (words[piece / WordBits] >> (piece % WordBits) & 1) != 0;

    /// <summary>False when it was there.</summary>
    public bool Add(int piece)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(piece, Pieces);
        if (Has(piece))
        {
            return false;
        }

        words[piece / WordBits] |= 1UL << (piece % WordBits);
        Count++;
        return true;
    }

    /// <summary>False when it was not there.</summary>
    public bool Remove(int piece)
    {
        if (!Has(piece))
        {
            return false;
        }

        words[piece / WordBits] &= ~(1UL << (piece % WordBits));
        Count--;
        return true;
    }

    public void Fill()
    {
        for (var piece = 0; piece < Pieces; piece++)
        {
            Add(piece);
        }
    }

    public byte[] ToBytes()
    {
        var bytes = new byte[words.Length * sizeof(ulong)];
        for (var word = 0; word < words.Length; word++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(word * sizeof(ulong)), words[word]);
        }

        return bytes;
    }

    /// <summary>Reads what <see cref="ToBytes"/> wrote; null when it is of another number of pieces.</summary>
    public static PieceSet? TryFrom(ReadOnlySpan<byte> bytes, int pieces)
    {
        if (pieces is < 0 or > Limits.PiecesPerContent)
        {
            return null;
        }

        var set = new PieceSet(pieces);
        if (bytes.Length != set.words.Length * sizeof(ulong))
        {
            return null;
        }

        for (var word = 0; word < set.words.Length; word++)
        {
            set.words[word] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(word * sizeof(ulong))..]);
            set.Count += BitOperations.PopCount(set.words[word]);
        }

        var spare = (set.words.Length * WordBits) - pieces;
        return spare > 0 && set.words[^1] >> (WordBits - spare) != 0 ? null : set;
    }
}
