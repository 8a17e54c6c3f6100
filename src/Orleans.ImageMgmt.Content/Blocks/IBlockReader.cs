using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>
/// What an <see cref="IContentReader"/> may offer besides ranged reads: digests of 4 KiB blocks, and chosen blocks in a packed frame. Safe for
/// concurrent calls. Both count in pieces of 1 MiB from the content's first byte, whatever the size of its chunks, so that no answer grows with the disk.
/// </summary>
/// <remarks>Neither answer is proof of anything. The manifest's SHA-256 of the chunk decides; a wrong answer costs a plain read of the chunk.</remarks>
public interface IBlockReader
{
    /// <summary>Bytes a second that the link to the far side carries, where it is known; null: it is measured while bytes travel.</summary>
    long? LinkBytesPerSecond => null;

    /// <summary>The digests of all blocks of a run of pieces, in order, <see cref="BlockLayout.DigestLength"/> bytes each, little-endian; zeros mark a block of zeros.</summary>
    /// <param name="firstPiece">From 0.</param>
    /// <param name="pieces">1 to <see cref="BlockLayout.MaxPiecesPerRequest"/>; all of them inside the content.</param>
    /// <param name="digests">Exactly <see cref="BlockLayout.DigestsLength"/> bytes.</param>
    /// <exception cref="EndOfStreamException">The copy is shorter than its manifest says.</exception>
    /// <exception cref="IOException">The far side failed.</exception>
    ValueTask ReadDigestsAsync(int firstPiece, int pieces, Memory<byte> digests, CancellationToken cancellationToken);

    /// <summary>Chosen blocks of one piece, one behind the other, packed into one <see cref="BlockFrame"/>.</summary>
    /// <param name="frame">At least <see cref="BlockFrame.MaxLength"/> bytes.</param>
    /// <returns>How many bytes of <paramref name="frame"/> are the answer: what travels.</returns>
    /// <exception cref="EndOfStreamException">The copy is shorter than its manifest says.</exception>
    /// <exception cref="IOException">The far side failed.</exception>
    ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken);
}

/// <summary>Which blocks, and how they shall be packed.</summary>
/// <param name="Piece">Which piece, from 0.</param>
/// <param name="Blocks">Which of its blocks; at least one, all inside the content.</param>
/// <param name="Level">0: as they are. 1 to <see cref="MaxLevel"/>: the level of Zstandard.</param>
/// <param name="Bases">Contents that the asker holds, the likest first, at most <see cref="MaxBases"/>. The answer may then be packed against windows of the
/// first of them that the sender holds too. Empty: it may not.</param>
public sealed record BlockRequest(int Piece, BlockSet Blocks, int Level, IReadOnlyList<Digest> Bases)
{
    /// <summary>Higher levels cost more time than any link that is worth packing for saves.</summary>
    public const int MaxLevel = 9;

    /// <summary>As many as a pod looks into of its own copies.</summary>
    public const int MaxBases = 4;
}
