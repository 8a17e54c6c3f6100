namespace Orleans.ImageMgmt.Content;

/// <summary>How blocks are asked for from a source on another machine.</summary>
public sealed class BlockOptions
{
    /// <summary>Below this rate answers are packed against windows of a base: a sender with two cores finds and packs them faster than the link carries them. Default: 40 MB/s.</summary>
    public long WindowsBelow { get; init; } = 40_000_000;

    /// <summary>Below this rate, where there are no windows, a sender with two cores packs at level 5 as fast as the link carries. Default: 70 MB/s.</summary>
    public long TightestBelow { get; init; } = 70_000_000;

    /// <summary>Below this rate it packs at level 3 faster than the link carries; above it level 1. Default: 200 MB/s.</summary>
    public long TightBelow { get; init; } = 200_000_000;

    /// <summary>Pieces that are built at once, and answers with blocks for them that are on their way or not used up. Three buffers of 1 MiB each; long answers take two of 2 MiB instead of two of these. Default: 4.</summary>
    public int Window { get; init; } = 4;

    /// <summary>Pieces whose digests are asked for and looked up together. Default: 512, half a GiB, for about 4 MiB of memory.</summary>
    internal int BatchPieces { get; init; } = 512;

    /// <summary>The same for one of several strands: together they hold no more. Rounded up, with three strands, sixteen sites took 116 s instead of 111 (measured).</summary>
    internal BlockOptions For(int strands) => new()
    {
        WindowsBelow = WindowsBelow, TightestBelow = TightestBelow, TightBelow = TightBelow, Window = Math.Max(1, Window / strands), BatchPieces = BatchPieces,
    };

    /// <summary>Requests for digests on their way at once.</summary>
    internal const int DigestWindow = 8;

    /// <summary>Pieces that one of them is about: 128 KiB when no block of theirs is the base's.</summary>
    internal const int DigestPieces = 64;

    /// <summary>Answers that did not fit their digests before the source is asked for plain bytes only.</summary>
    internal const int BadAnswers = 8;
}
