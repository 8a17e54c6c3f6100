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

    /// <summary>Pieces that are built at once, and MiB of blocks for them that are asked for or not used up, with as much again for the answers. Default: 4.</summary>
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

/// <summary>How one answer is to be packed, and whether the link is measured by it.</summary>
internal readonly record struct LinkChoice(int Level, bool Windows, bool IsSample);

/// <summary>Measures the link while bytes travel, and says how the next answer is to be packed. Safe for concurrent use.</summary>
/// <remarks>It is measured by the first answers of each batch, at level 1 and without windows: what comes packed tighter comes as fast as the sender packs, which says
/// nothing of the link.</remarks>
internal sealed class LinkGauge(BlockOptions options, long? known, TimeProvider clock)
{
    /// <summary>Answers that one measurement takes: a few, for each is packed less tightly than it could be.</summary>
    private const int Samples = 8;

    private readonly Lock gate = new();
    private readonly bool isKnown = known is not null;
    private long? rate = known;
    private int toAsk;
    private int toCome;
    private long since;
    private long bytes;

    /// <summary>Another batch begins: the link may have changed.</summary>
    public void Measure()
    {
        lock (gate)
        {
            if (!isKnown && toCome == 0)
            {
                (toAsk, toCome, bytes) = (Samples, Samples, 0);
            }
        }
    }

    /// <param name="isWorthWindows">There is a base, and enough is wanted.</param>
    public LinkChoice Begin(bool isWorthWindows)
    {
        lock (gate)
        {
            if (toAsk > 0)
            {
                since = toAsk == Samples ? clock.GetTimestamp() : since;
                toAsk--;
                return new LinkChoice(1, false, true);
            }

            var windows = isWorthWindows && rate < options.WindowsBelow;
            return new LinkChoice(LevelFor(rate, windows), windows, false);
        }
    }

    /// <summary>Against windows level 3 finds what there is; higher levels take longer for it.</summary>
    private int LevelFor(long? rate, bool windows) => rate switch
    {
        { } slow when !windows && slow < options.TightestBelow => 5,
        { } middle when middle < options.TightBelow => 3,
        _ => 1,
    };

    /// <summary>Whether the next answer may be a long one: it packs tighter and comes later, so not while the link is measured, not on a slow link, and not with windows,
    /// which are chosen for one piece.</summary>
    public bool MayBeLong
    {
        get
        {
            lock (gate)
            {
                return toAsk == 0 && rate >= options.WindowsBelow;
            }
        }
    }

    public void End(LinkChoice choice, int arrived)
    {
        lock (gate)
        {
            if (!choice.IsSample)
            {
                return;
            }

            bytes += arrived;
            toCome--;
            var took = clock.GetElapsedTime(since);
            if (toCome == 0 && took > TimeSpan.Zero)
            {
                rate = (long)(bytes / took.TotalSeconds);
            }
        }
    }
}
