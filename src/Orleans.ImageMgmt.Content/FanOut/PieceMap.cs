using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>Cuts a content into the pieces of a fan-out: so many data chunks each, in their order. Chunks of zeros are in none, for they never travel.</summary>
internal sealed class PieceMap
{
    /// <summary>More pieces bring the last pod nearer to the bound, and cost the tracker more calls; 256 reach 1.15 with 10,000 pods (simulated).</summary>
    public const int WantedPieces = 256;

    private readonly List<int> data = [];
    private readonly Dictionary<int, int> places = [];
    private readonly int chunksPerPiece;

    /// <summary>Fewer pieces are not worth a tracker.</summary>
    private const int FewestPieces = 4;

    /// <summary>The pieces of a content; null where they are too few to be worth a fan-out, or too many for one.</summary>
    public static PieceMap? Of(ContentManifest manifest, long leastBytes)
    {
        var map = new PieceMap(manifest, leastBytes);
        return map.Pieces is < FewestPieces or > Limits.PiecesPerContent ? null : map;
    }

    /// <param name="manifest">Of the content.</param>
    /// <param name="leastBytes">Bytes of the smallest piece.</param>
    public PieceMap(ContentManifest manifest, long leastBytes)
    {
        for (var chunk = 0; chunk < manifest.ChunkCount; chunk++)
        {
            if (!manifest.IsZero(chunk))
            {
                places[chunk] = data.Count;
                data.Add(chunk);
            }
        }

        var least = (int)Math.Max(1, leastBytes / manifest.ChunkSize);
        chunksPerPiece = Math.Max(least, (data.Count + WantedPieces - 1) / WantedPieces);
        Pieces = (data.Count + chunksPerPiece - 1) / chunksPerPiece;
    }

    public int Pieces { get; }

    /// <summary>The chunk is in a piece: it is not of zeros.</summary>
    public bool Has(int chunk) => places.ContainsKey(chunk);

    public int PieceOf(int chunk) => places[chunk] / chunksPerPiece;

    public IReadOnlyList<int> ChunksOf(int piece) => data.GetRange(piece * chunksPerPiece, Math.Min(chunksPerPiece, data.Count - (piece * chunksPerPiece)));

    /// <summary>The pieces of which nothing is missing.</summary>
    public PieceSet HeldWithout(IReadOnlyCollection<int> missing)
    {
        var held = new PieceSet(Pieces);
        held.Fill();
        foreach (var chunk in missing)
        {
            held.Remove(PieceOf(chunk));
        }

        return held;
    }
}
