namespace Orleans.ImageMgmt.Api;

/// <summary>How fast bytes may travel to and from a pod. A rate is <c>20Mbit/s</c>, or a calendar by the pod's wall clock such as
/// <c>08:00-18:00 mon-fri 20Mbit/s; else 200Mbit/s</c>: the first rule that fits counts, what no rule fits is not capped. Absent: no cap.</summary>
public sealed record PodCapsResource
{
    /// <summary>What travels to the pod, all its transfers together.</summary>
    public string? In { get; init; }

    /// <summary>What travels from the pod, to all others together.</summary>
    public string? Out { get; init; }

    /// <summary>Name of the link over which the pod is reached; pods that name the same link share it, and nothing between two of them counts.</summary>
    public string? Link { get; init; }

    /// <summary>What travels over the link, all transfers of all its pods together; where they say different rates, the lowest counts.</summary>
    public string? LinkRate { get; init; }

    /// <summary>IANA id of the zone in whose time the calendars are written, such as <c>Europe/Berlin</c>; absent: UTC.</summary>
    public string? TimeZone { get; init; }
}

/// <summary>New caps of a pod; they replace the old ones. Transfers that run go on by them.</summary>
public sealed record PodCapsRequest
{
    /// <summary>All caps that the pod shall have; an empty object takes them away.</summary>
    public required PodCapsResource Caps { get; init; }

    /// <summary>Why, for the activity log.</summary>
    public string? Reason { get; init; }
}

/// <summary>How fast the caps of a pod let bytes travel at this moment, in bytes a second; absent: no cap.</summary>
public sealed record PodRatesNow
{
    /// <summary>To the pod.</summary>
    public long? InBytesPerSecond { get; init; }

    /// <summary>From the pod.</summary>
    public long? OutBytesPerSecond { get; init; }

    /// <summary>Over its link, as far as this pod has a word in it.</summary>
    public long? LinkBytesPerSecond { get; init; }
}
