using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Orleans.ImageMgmt.Content;

/// <summary>Some of the 256 blocks of one piece.</summary>
public struct BlockSet : IEquatable<BlockSet>
{
    /// <summary>Bytes of its one form on the wire: bit <c>i % 8</c> of byte <c>i / 8</c> stands for block <c>i</c>.</summary>
    public const int ByteLength = BlockLayout.BlocksPerPiece / 8;

    private Words words;

    public readonly int Count
    {
        get
        {
            var count = 0;
            foreach (var word in (ReadOnlySpan<ulong>)words)
            {
                count += BitOperations.PopCount(word);
            }

            return count;
        }
    }

    public readonly bool IsEmpty => Count == 0;

    public readonly bool Contains(int block) => (words[block >> 6] >> (block & 63) & 1) != 0;

    public void Add(int block) => words[block >> 6] |= 1UL << (block & 63);

    public void Remove(int block) => words[block >> 6] &= ~(1UL << (block & 63));

    /// <summary>The first member at or behind <paramref name="block"/>, or -1.</summary>
    public readonly int NextFrom(int block)
    {
        for (; block < BlockLayout.BlocksPerPiece; block++)
        {
            if (Contains(block))
            {
                return block;
            }
        }

        return -1;
    }

    public readonly void Write(Span<byte> bytes)
    {
        for (var i = 0; i < Words.Count; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[(i * sizeof(ulong))..], words[i]);
        }
    }

    /// <param name="bytes">Exactly <see cref="ByteLength"/>; every value of them is a set.</param>
    public static BlockSet Read(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(bytes.Length, ByteLength);
        var set = default(BlockSet);
        for (var i = 0; i < Words.Count; i++)
        {
            set.words[i] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(i * sizeof(ulong))..]);
        }

        return set;
    }

    public readonly bool Equals(BlockSet other) => ((ReadOnlySpan<ulong>)words).SequenceEqual(other.words);

    public override readonly bool Equals(object? obj) => obj is BlockSet other && Equals(other);

    public override readonly int GetHashCode() => HashCode.Combine(words[0], words[1], words[2], words[3]);

    public static bool operator ==(BlockSet left, BlockSet right) => left.Equals(right);

    public static bool operator !=(BlockSet left, BlockSet right) => !left.Equals(right);

    [InlineArray(Count)]
    private struct Words
    {
        public const int Count = 4;
        private ulong first;
    }
}
