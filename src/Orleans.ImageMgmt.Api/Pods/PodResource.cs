namespace Orleans.ImageMgmt.Api;

/// <summary>The life of a pod.</summary>
public enum PodState
{
    /// <summary>Known, not yet probed with success.</summary>
    Connecting,

    /// <summary>Answers; gets work.</summary>
    Connected,

    /// <summary>Did not answer the last probes; its work waits.</summary>
    Unreachable,

    /// <summary>Finishes what it has, gets nothing new.</summary>
    Draining,

    /// <summary>Record kept; no work, no probes.</summary>
    Disconnected,
}

/// <summary>One site: a hypervisor installation with its own content library, datastores and connector.</summary>
public sealed record PodResource
{
    /// <summary>The pod's name.</summary>
    public required string Name { get; init; }

    /// <summary>How it stands.</summary>
    public required PodState State { get; init; }

    /// <summary>What it can run, such as <c>filesystem</c>.</summary>
    public required string Family { get; init; }

    /// <summary>The connector's own settings.</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    /// <summary>Free labels for selectors.</summary>
    public required IReadOnlyDictionary<string, string> Labels { get; init; }

    /// <summary>Transfers that may run at once on this pod.</summary>
    public required int Slots { get; init; }

    /// <summary>How fast bytes may travel to and from it; absent when nothing is capped.</summary>
    public PodCapsResource? Caps { get; init; }

    /// <summary>What the caps come to at this moment; absent when nothing is capped.</summary>
    public PodRatesNow? RatesNow { get; init; }

    /// <summary>Copies that wait or are at work on it.</summary>
    public required int MovingCopies { get; init; }

    /// <summary>Failed probes in a row, counted up to the limit that makes it unreachable.</summary>
    public required int FailedProbes { get; init; }

    /// <summary>When it was probed last.</summary>
    public DateTimeOffset? ProbedAt { get; init; }

    /// <summary>Why it does not answer, where it does not.</summary>
    public Fault? Fault { get; init; }

    /// <summary>When its record last changed.</summary>
    public required DateTimeOffset ChangedAt { get; init; }

    /// <summary>The record's tag for <c>If-Match</c>; the <c>ETag</c> header carries the same. Absent in lists.</summary>
    public string? Etag { get; init; }
}

/// <summary>How a pod is to be connected.</summary>
public sealed record ConnectPodRequest
{
    /// <summary>Slots of a pod whose request names none.</summary>
    public const int DefaultSlots = 2;

    /// <summary>What it can run, such as <c>filesystem</c>.</summary>
    public required string Family { get; init; }

    /// <summary>The connector's own settings; each connector documents its keys and refuses unknown ones.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Free labels for selectors, at most 32.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>Transfers that may run at once on this pod, 1 to 16; 2 when absent.</summary>
    public int Slots { get; init; } = DefaultSlots;

    /// <summary>How fast bytes may travel to and from it. Absent: as it was; an empty object: no caps.</summary>
    public PodCapsResource? Caps { get; init; }

    /// <summary>Why, for the activity log.</summary>
    public string? Reason { get; init; }
}

/// <summary>New labels of a pod; they replace the old ones.</summary>
public sealed record PodLabelsRequest
{
    /// <summary>All labels that the pod shall have, at most 32.</summary>
    public required IReadOnlyDictionary<string, string> Labels { get; init; }

    /// <summary>Why, for the activity log.</summary>
    public string? Reason { get; init; }
}

/// <summary>A pod to be tried without connecting it.</summary>
public sealed record ProbePodRequest
{
    /// <summary>The name that it has or shall have; a folder or library that belongs to a pod of another name is a fault.</summary>
    public string? Pod { get; init; }

    /// <summary>What it can run, such as <c>filesystem</c>.</summary>
    public required string Family { get; init; }

    /// <summary>The connector's own settings.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();
}

/// <summary>What a probe found.</summary>
public sealed record ProbePodResult
{
    /// <summary>Whether the pod answered and could be connected with these settings.</summary>
    public required bool Answers { get; init; }

    /// <summary>Why not, where it did not.</summary>
    public Fault? Fault { get; init; }

    /// <summary>Name and version of the connector that asked.</summary>
    public string? Connector { get; init; }

    /// <summary>Free room of each datastore in bytes, where the pod tells it.</summary>
    public IReadOnlyDictionary<string, long>? FreeBytes { get; init; }
}

/// <summary>What pods to list.</summary>
public sealed record PodFilter
{
    /// <summary>Only pods in this state.</summary>
    public PodState? State { get; init; }

    /// <summary>Only pods of this family.</summary>
    public string? Family { get; init; }

    /// <summary>Only pods that carry all these labels.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Only pods whose name begins with this.</summary>
    public string? NamePrefix { get; init; }

    /// <summary>Last name first.</summary>
    public bool Descending { get; init; }
}

/// <summary>Something on a pod that can be imported.</summary>
public sealed record SourceResource
{
    /// <summary>What to name in an import.</summary>
    public required string Path { get; init; }

    /// <summary>Length of the file in bytes.</summary>
    public required long LengthBytes { get; init; }

    /// <summary>When it last changed.</summary>
    public required DateTimeOffset ModifiedAt { get; init; }
}
