using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>What of each piece the pod's own copies give while the rest comes: first it has no bytes yet, then bytes that nobody has looked at. Not for several threads.</summary>
internal sealed class OwnPieces
{
    private readonly PieceMap map;
    private readonly HashSet<int> unproved; // chunks
    private readonly int[] toFill; // chunks of each piece
    private readonly int[] toProve;

    public OwnPieces(PieceMap map, IReadOnlyCollection<int> chunks)
    {
        this.map = map;
        unproved = [.. chunks];
        toFill = new int[map.Pieces];
        Filling = new PieceSet(map.Pieces);
        foreach (var chunk in chunks)
        {
            toFill[map.PieceOf(chunk)]++;
            Filling.Add(map.PieceOf(chunk));
        }

        toProve = [.. toFill];
    }

    /// <summary>Pieces that nobody else is to give: not yet, or not any more.</summary>
    public PieceSet Filling { get; }

    /// <summary>True when the chunk's piece has nothing to be filled in any more.</summary>
    public bool Filled(int chunk) => --toFill[map.PieceOf(chunk)] == 0;

    /// <summary>False for a chunk that is none of these.</summary>
    public bool Proved(int chunk)
    {
        if (!unproved.Remove(chunk))
        {
            return false;
        }

        toProve[map.PieceOf(chunk)]--;
        return true;
    }

    /// <summary>All that own copies gave of the piece was read back right.</summary>
    public bool IsProved(int piece) => toProve[piece] == 0;
}
