namespace Orleans.ImageMgmt.Domain;

/// <summary>Where a pod is, as its labels <c>region</c> and <c>site</c> say; empty where they say nothing.</summary>
internal readonly record struct SwarmPlace(string Region, string Site)
{
    public const string RegionLabel = "region";
    public const string SiteLabel = "site";

    public static SwarmPlace Nowhere => new("", "");

    public static SwarmPlace Of(IReadOnlyDictionary<string, string> labels) =>
        new(labels.GetValueOrDefault(RegionLabel, ""), labels.GetValueOrDefault(SiteLabel, ""));
}

/// <summary>A receiver shall ask this piece from this source.</summary>
/// <param name="Receiver">Who asks.</param>
/// <param name="Source">Whom.</param>
/// <param name="Piece">For what.</param>
internal readonly record struct SwarmGrant(int Receiver, int Source, int Piece);

/// <summary>Bounds of a swarm, each with its reason.</summary>
/// <param name="UplinkSlots">Pieces that one pod gives out at once. Default: 3: two keep the link busy while the next is arranged over the very link that they fill; more make each slower to arrive and gain nothing (measured).</param>
/// <param name="DownlinkSlots">Pieces that one pod takes at once. Default: 3, as many as it gives: with more to take than to give, links of sources wait for links of receivers.</param>
/// <param name="OriginExtraPercent">Pieces beyond one image, in percent of it, that the source pod gives out although others hold them. Default: 10: its uplink is the one everybody pays for.</param>
/// <param name="Sampled">Candidates that one decision looks at in each pool. Default: 12: more gain nothing (simulated), and cost is per decision.</param>
/// <param name="FailuresUntilAway">Failures in a row after which a source is no longer named, until it gives signs of life. Default: 3.</param>
/// <param name="AccusationsBelieved">Peers that one receiver may accuse of wrong bytes; after that its own link or memory is the likelier cause. Default: 3.</param>
/// <param name="SlowFactor">A source from which a piece takes so many times the usual time gives no more: who waits for it holds up others. Default: 3.</param>
/// <param name="AnywhereEvery">Every so many times a source gives to whoever needs it most, near or not. Default: 4.</param>
internal sealed record SwarmLimits(
    int UplinkSlots = 3, int DownlinkSlots = 3, int OriginExtraPercent = 10, int Sampled = 12, int FailuresUntilAway = 3, int AccusationsBelieved = 3,
    double SlowFactor = 3, int AnywhereEvery = 4)
{
    public static SwarmLimits Default { get; } = new();
}

/// <summary>One pod in a swarm.</summary>
internal sealed class SwarmPeer(int number, SwarmPlace place, bool isOrigin, int pieces, SwarmLimits limits)
{
    /// <summary>Sources that one receiver remembers as no good for it; the oldest is forgiven first.</summary>
    private const int Remembered = 16;

    /// <summary>How much one measured piece counts against those before it.</summary>
    private const double NewShare = 0.3;

    private readonly List<int> avoided = [];
    private readonly HashSet<int> accused = [];

    public int Number { get; } = number;

    public SwarmPlace Place { get; } = place;

    /// <summary>The source pod: it holds everything, and is asked when nobody else can.</summary>
    public bool IsOrigin { get; } = isOrigin;

    public PieceSet Held { get; } = new(pieces);

    /// <summary>Asked and not there yet, with whom it was asked from.</summary>
    public Dictionary<int, int> Coming { get; } = [];

    /// <summary>Of what it has yet to read back: pieces that came from somebody. They count as copies, or the source pod would give each of them once more.</summary>
    public HashSet<int> Came { get; } = [];

    /// <summary>What is not to be named to it: what it has asked, and what it fills in itself.</summary>
    public PieceSet Excluded { get; } = new(pieces);

    public int FreeUp { get; set; } = limits.UplinkSlots;

    /// <summary>Pieces that it wants to be told to ask for.</summary>
    public int Wanted { get; set; }

    /// <summary>How often it had something to give.</summary>
    public int Offers { get; set; }

    public int Failures { get; set; }

    public bool IsAside { get; set; }

    public bool IsGone { get; set; }

    /// <summary>What it holds is counted among the copies of each piece.</summary>
    public bool IsCounted { get; set; } = true;

    public bool AvoidsSome => avoided.Count > 0;

    /// <summary>Seconds a piece takes from here, smoothed; 0 until measured.</summary>
    public double SecondsPerPiece { get; private set; }

    /// <summary>A piece takes much longer from here than from most.</summary>
    public bool IsSlow { get; private set; }

    /// <summary>Its connector can give out what it has.</summary>
    public bool Gives { get; init; } = true;

    public bool Serves => Gives && !IsAside && !IsGone && !IsSlow && Failures < limits.FailuresUntilAway;

    public bool CanGive => Serves && FreeUp > 0 && Held.Count > 0;

    /// <summary>A piece took so long from here, while most pods take the typical time.</summary>
    public void Measured(double seconds, double typical)
    {
        SecondsPerPiece = SecondsPerPiece == 0 ? seconds : (SecondsPerPiece * (1 - NewShare)) + (seconds * NewShare);
        IsSlow = !IsOrigin && SecondsPerPiece > limits.SlowFactor * typical;
    }

    public bool Avoids(int source) => avoided.Count > 0 && avoided.Contains(source);

    public void Avoid(int source)
    {
        avoided.Remove(source);
        avoided.Add(source);
        if (avoided.Count > Remembered)
        {
            avoided.RemoveAt(0);
        }
    }

    /// <summary>Whether others believe this accusation.</summary>
    public bool Accuses(int source)
    {
        accused.Add(source);
        return accused.Count <= limits.AccusationsBelieved;
    }
}
