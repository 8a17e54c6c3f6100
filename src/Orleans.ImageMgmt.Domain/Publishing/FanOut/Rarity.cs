using System.Numerics;

namespace Orleans.ImageMgmt.Domain;

/// <summary>How many copies of each piece there are or are coming, and the rarest that one holds and another lacks.</summary>
/// <remarks>Exact for pieces that nobody has but the source pod; for the others pieces are kept in groups from rare to common, sorted anew
/// after some changes: a decision then costs a few words for each group, not a look at each piece.</remarks>
internal sealed class Rarity
{
    private const int Groups = 8;
    private const int WordBits = 64;

    /// <summary>Changes, as a part of all copies, after which the groups are sorted anew.</summary>
    private const int ChangesPart = 64;
    private const int FewestChanges = 4;

    private readonly int[] copies;
    private readonly ulong[][] groups;
    private long total;
    private long changes;

    public Rarity(int pieces)
    {
        copies = new int[pieces];
        None = new PieceSet(pieces);
        None.Fill();
        groups = [.. Enumerable.Range(0, Groups).Select(_ => new ulong[None.Words.Length])];
        Sort();
    }

    /// <summary>Pieces that nobody but the source pod has, or is getting.</summary>
    public PieceSet None { get; }

    public int CopiesOf(int piece) => copies[piece];

    public void Change(int piece, int by)
    {
        copies[piece] += by;
        total += by;
        if (copies[piece] == 0)
        {
            None.Add(piece);
        }
        else
        {
            None.Remove(piece);
        }

        if (++changes >= Math.Max(FewestChanges, total / ChangesPart))
        {
            Sort();
        }
    }

    /// <summary>The rarest piece that is held and neither held nor coming there; -1 when there is none. The turn says where to begin among equals, so that not
    /// all choose the same.</summary>
    public int Rarest(PieceSet held, PieceSet there, PieceSet coming, uint turn)
    {
        var a = held.Words;
        var b = there.Words;
        var c = coming.Words;
        foreach (var group in groups)
        {
            var best = -1;
            for (var n = 0; n < a.Length; n++)
            {
                var word = (int)((n + turn) % (uint)a.Length);
                var bits = a[word] & ~b[word] & ~c[word] & group[word];
                best = Rarer(best, word, bits, (int)(turn % WordBits));
            }

            if (best >= 0)
            {
                return best;
            }
        }

        return -1;
    }

    private int Rarer(int best, int word, ulong bits, int rotation)
    {
        var rotated = BitOperations.RotateRight(bits, rotation);
        while (rotated != 0)
        {
            var piece = (word * WordBits) + ((BitOperations.TrailingZeroCount(rotated) + rotation) % WordBits);
            if (best < 0 || copies[piece] < copies[best])
            {
                best = piece;
            }

            rotated &= rotated - 1;
        }

        return best;
    }

    private void Sort()
    {
        changes = 0;
        var order = Enumerable.Range(0, copies.Length).ToArray();
        Array.Sort((int[])copies.Clone(), order);
        foreach (var group in groups)
        {
            Array.Clear(group);
        }

        for (var n = 0; n < order.Length; n++)
        {
            groups[(int)((long)n * Groups / order.Length)][order[n] / WordBits] |= 1UL << (order[n] % WordBits);
        }
    }
}
