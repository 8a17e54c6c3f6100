using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Api;

/// <summary>What an operation does.</summary>
public enum OperationKind
{
    /// <summary>Prepares a version on its source pod.</summary>
    Import,

    /// <summary>Puts copies of a version on its targets.</summary>
    Publish,

    /// <summary>Removes the copies of a version.</summary>
    Delete,

    /// <summary>Reads a copy back, and repairs it where it is damaged.</summary>
    Verify,
}

/// <summary>The life of an operation.</summary>
public enum OperationState
{
    /// <summary>Stored; not begun.</summary>
    Accepted,

    /// <summary>At work.</summary>
    Running,

    /// <summary>Nothing new begins until it is resumed.</summary>
    Paused,

    /// <summary>Everything was done.</summary>
    Succeeded,

    /// <summary>Some targets have it, some do not.</summary>
    PartiallySucceeded,

    /// <summary>Nothing was done.</summary>
    Failed,

    /// <summary>Stopped because somebody asked.</summary>
    Cancelled,
}

/// <summary>What can be asked of an operation.</summary>
public enum OperationVerb
{
    /// <summary>Stop what has not finished.</summary>
    Cancel,

    /// <summary>Begin nothing new.</summary>
    Pause,

    /// <summary>Go on.</summary>
    Resume,

    /// <summary>Try again what failed.</summary>
    Retry,
}

/// <summary>A long action: it goes on whoever watches, and can be asked for at any time.</summary>
public sealed record OperationResource
{
    /// <summary>Its id, which is the idempotency key of the request that began it.</summary>
    public required string Id { get; init; }

    /// <summary>What it does.</summary>
    public required OperationKind Kind { get; init; }

    /// <summary>How it stands.</summary>
    public required OperationState State { get; init; }

    /// <summary>The image it is about.</summary>
    public required string Image { get; init; }

    /// <summary>The version it is about; absent for the deletion of a whole image.</summary>
    public string? Version { get; init; }

    /// <summary>Its targets in numbers. An import has one: its source pod.</summary>
    public TargetTotals? Targets { get; init; }

    /// <summary>How far all running targets are together. Absent in lists.</summary>
    public OperationProgress? Progress { get; init; }

    /// <summary>Why it failed, where it did; what failed on a target stands there.</summary>
    public Fault? Fault { get; init; }

    /// <summary>What can be asked of it now. Absent in lists.</summary>
    public IReadOnlyList<OperationVerb>? Allows { get; init; }

    /// <summary>When it was accepted.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its record last changed.</summary>
    public required DateTimeOffset ChangedAt { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The record's tag. Absent in lists.</summary>
    public string? Etag { get; init; }

    /// <summary>Whether it has ended.</summary>
    [JsonIgnore]
    public bool IsEnded => State is OperationState.Succeeded or OperationState.PartiallySucceeded or OperationState.Failed or OperationState.Cancelled;
}

/// <summary>How far an operation is, over all its targets.</summary>
public sealed record OperationProgress
{
    /// <summary>Bytes that are where they belong, and read back.</summary>
    public required long DoneBytes { get; init; }

    /// <summary>Of how many.</summary>
    public required long TotalBytes { get; init; }

    /// <summary>Bytes on the wire so far in the tries that run now, packed where they were; the other counts are of bytes of the disk.</summary>
    public long TravelledBytes { get; init; }

    /// <summary>Chunks that are where they belong.</summary>
    public required long DoneChunks { get; init; }

    /// <summary>Of how many.</summary>
    public required long TotalChunks { get; init; }

    /// <summary>Sum of the running targets' rates in bytes per second.</summary>
    public required long BytesPerSecond { get; init; }

    /// <summary>Seconds that are left at that rate; absent while nobody can tell.</summary>
    public long? RemainingSeconds { get; init; }
}

/// <summary>How one target of an operation ended.</summary>
public enum TargetOutcome
{
    /// <summary>Not ended yet.</summary>
    Open,

    /// <summary>The copy is there and verified; for a deletion: it is gone.</summary>
    Available,

    /// <summary>Given up.</summary>
    Failed,

    /// <summary>Stopped because somebody asked.</summary>
    Cancelled,
}

/// <summary>One pod of an operation.</summary>
public sealed record TargetResource
{
    /// <summary>The pod.</summary>
    public required string Pod { get; init; }

    /// <summary>How it ended.</summary>
    public required TargetOutcome Outcome { get; init; }

    /// <summary>How its copy stands.</summary>
    public required CopyState State { get; init; }

    /// <summary>What went wrong.</summary>
    public Fault? Fault { get; init; }

    /// <summary>Tries so far.</summary>
    public required int Tries { get; init; }

    /// <summary>When it is tried again.</summary>
    public DateTimeOffset? RetryAt { get; init; }

    /// <summary>How far it is, while it is at work.</summary>
    public TransferProgress? Progress { get; init; }

    /// <summary>The proof, once it is available.</summary>
    public ReceiptResource? Receipt { get; init; }
}

/// <summary>What operations to list.</summary>
public sealed record OperationFilter
{
    /// <summary>Only operations in this state.</summary>
    public OperationState? State { get; init; }

    /// <summary>Only operations of this kind.</summary>
    public OperationKind? Kind { get; init; }

    /// <summary>Only operations about this image.</summary>
    public string? Image { get; init; }

    /// <summary>Oldest first; else newest first.</summary>
    public bool Ascending { get; init; }
}

/// <summary>What to try again.</summary>
public sealed record RetryRequest
{
    /// <summary>One failed pod of a publish; absent: everything that failed.</summary>
    public string? Pod { get; init; }

    /// <summary>Why, for the activity log.</summary>
    public string? Reason { get; init; }
}
