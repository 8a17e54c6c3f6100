using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>
/// What an <see cref="IContentReader"/> may offer besides ranged reads: digests of 4 KiB blocks, and chosen blocks in a packed frame. Safe for
/// concurrent calls. Both count blocks and pieces of 1 MiB from the content's first byte, whatever the size of its chunks, so that no answer grows with the disk.
/// </summary>
/// <remarks>Neither answer is proof of anything. The manifest's SHA-256 of the chunk decides; a wrong answer costs a plain read of the chunk.</remarks>
public interface IBlockReader
{
    /// <summary>Bytes a second that the link to the far side carries, where it is known; null: it is measured while bytes travel.</summary>
    long? LinkBytesPerSecond => null;

    /// <summary>Blocks that one request from this one on may name: as many as every build takes, or up to <see cref="NumberRuns.MaxCount"/> where the far side has said so.</summary>
    int MaxBlocksAt(long block) => BlockRequest.UsualBlocks;

    /// <summary>The digests of the blocks of chosen pieces, as <see cref="DigestAnswer"/> says; zeros mark a block of zeros.</summary>
    /// <param name="answer">At least <see cref="DigestAnswer.MaxLength"/> bytes.</param>
    /// <returns>How many bytes of <paramref name="answer"/> are the answer: what travels.</returns>
    /// <exception cref="EndOfStreamException">The copy is shorter than its manifest says.</exception>
    /// <exception cref="IOException">The far side failed.</exception>
    ValueTask<int> ReadDigestsAsync(DigestRequest request, Memory<byte> answer, CancellationToken cancellationToken);

    /// <summary>Chosen blocks, one behind the other, packed into one <see cref="BlockFrame"/>.</summary>
    /// <param name="frame">At least <see cref="BlockFrame.MaxLengthFor"/> the blocks.</param>
    /// <returns>How many bytes of <paramref name="frame"/> are the answer: what travels.</returns>
    /// <exception cref="EndOfStreamException">The copy is shorter than its manifest says.</exception>
    /// <exception cref="IOException">The far side failed.</exception>
    ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken);
}

/// <summary>Which pieces' digests.</summary>
/// <param name="Pieces">At least one, all inside the content.</param>
/// <param name="Bases">Contents that the asker holds, the likest first, at most <see cref="BlockRequest.MaxBases"/>. Blocks that equal those of the first of them that the
/// sender holds too, at the same place, may then be told by one bit each.</param>
public sealed record DigestRequest(NumberRuns Pieces, IReadOnlyList<Digest> Bases)
{
    /// <summary>Whether such an answer can be given about a content.</summary>
    /// <param name="length">Bytes of the content.</param>
    public bool FitsIn(long length) => Pieces.FitsBelow(BlockLayout.PieceCount(length));
}

/// <summary>Which blocks, and how they shall be packed.</summary>
/// <param name="Blocks">Which blocks of the content, in one or many pieces; at least one, all inside the content.</param>
/// <param name="Level">0: as they are. 1 to <see cref="MaxLevel"/>: the level of Zstandard.</param>
/// <param name="Bases">Contents that the asker holds, the likest first, at most <see cref="MaxBases"/>. The answer may then be packed against windows of the
/// first of them that the sender holds too. Empty: it may not.</param>
public sealed record BlockRequest(NumberRuns Blocks, int Level, IReadOnlyList<Digest> Bases)
{
    /// <summary>Higher levels cost more time than any link that is worth packing for saves.</summary>
    public const int MaxLevel = 9;

    /// <summary>1 MiB of blocks.</summary>
    public const int UsualBlocks = BlockLayout.BlocksPerPiece;

    /// <summary>As many as a pod looks into of its own copies.</summary>
    public const int MaxBases = 4;

    /// <summary>Bytes of the blocks.</summary>
    /// <param name="length">Bytes of the content, whose last block may be short.</param>
    public int BytesIn(long length) =>
        (int)((Blocks.Count * (long)BlockLayout.BlockLength) - Math.Max(0, (Blocks.Runs[^1].End * BlockLayout.BlockLength) - length));

    /// <summary>Whether all blocks lie in a content, and there are some.</summary>
    /// <param name="length">Bytes of the content.</param>
    public bool FitsIn(long length) => Blocks.FitsBelow((length + BlockLayout.BlockLength - 1) / BlockLayout.BlockLength);
}
