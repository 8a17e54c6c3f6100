namespace Orleans.ImageMgmt.Content;

/// <summary>How one answer is to be packed, and whether the link is measured by it.</summary>
internal readonly record struct LinkChoice(int Level, bool Windows, bool IsSample);

/// <summary>Measures the link while bytes travel, and says how the next answer is to be packed. Safe for concurrent use.</summary>
/// <remarks>It is measured by the first answers, and again by the first ones after so many pieces as a batch has, at level 1 and without windows: what comes packed tighter comes as fast as the
/// sender packs, which says nothing of the link. Time counts while one of them is on its way: all strands of a receive ask for them, and may have to wait for other things between.</remarks>
internal sealed class LinkGauge(BlockOptions options, long? known, TimeProvider clock)
{
    /// <summary>Answers that one measurement takes: a few, for each is packed less tightly than it could be.</summary>
    private const int Samples = 8;

    private readonly Lock gate = new();
    private readonly bool isKnown = known is not null;
    private long? rate = known;
    private int piecesLeft;
    private int toAsk;
    private int toCome;
    private long since;
    private TimeSpan took;
    private long bytes;

    /// <summary>The next pieces begin. After as many as a batch has the link may have changed.</summary>
    public void Measure(int pieces)
    {
        lock (gate)
        {
            if (!isKnown && toCome == 0 && piecesLeft <= 0)
            {
                (toAsk, toCome, bytes, took, piecesLeft) = (Samples, Samples, 0, TimeSpan.Zero, options.BatchPieces);
            }

            piecesLeft -= pieces;
        }
    }

    /// <param name="isWorthWindows">There is a base, and enough is wanted.</param>
    public LinkChoice Begin(bool isWorthWindows)
    {
        lock (gate)
        {
            if (toAsk > 0)
            {
                since = toAsk == toCome ? clock.GetTimestamp() : since; // none was on its way
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
                return toCome == 0 && rate >= options.WindowsBelow;
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
            took += toAsk == toCome ? clock.GetElapsedTime(since) : TimeSpan.Zero;
            if (toCome == 0 && took > TimeSpan.Zero)
            {
                rate = (long)(bytes / took.TotalSeconds);
            }
        }
    }
}

/// <summary>What the strands of one receive know together of the way to the source: how fast the link is, and how much has to come. Safe for concurrent use.</summary>
/// <param name="pieces">Pieces that are to be built in all.</param>
internal sealed class BlockRoad(LinkGauge gauge, long pieces)
{
    private readonly Lock lookedAt = new();
    private long looked;
    private long wanted;

    public LinkGauge Gauge { get; } = gauge;

    /// <param name="count">Pieces that were looked through.</param>
    /// <param name="bytes">Of their blocks that have to be asked for.</param>
    public void Looked(int count, long bytes)
    {
        lock (lookedAt)
        {
            looked += count;
            wanted += bytes;
        }

        Gauge.Measure(count);
    }

    /// <summary>Bytes of blocks that will have been asked for in the end, if the rest is like what was looked through.</summary>
    public long Expected
    {
        get
        {
            lock (lookedAt)
            {
                return looked == 0 ? 0 : (long)(wanted * Math.Max(1, (double)pieces / looked));
            }
        }
    }
}
