namespace Orleans.ImageMgmt.Api;

/// <summary>What is going on with a version.</summary>
public enum VersionStatus
{
    /// <summary>Metadata is registered; the source pod is preparing the image.</summary>
    Importing,

    /// <summary>Prepared and in the catalog; ready to be published.</summary>
    DeploymentComplete,

    /// <summary>Specialisation on the source, before bytes travel.</summary>
    Publishing,

    /// <summary>Copies are on their way.</summary>
    Replicating,

    /// <summary>Every target pod holds a final, verified copy.</summary>
    Available,

    /// <summary>Some targets have it, some failed for good or wait for a person.</summary>
    PartiallyAvailable,

    /// <summary>No new use; existing users keep it.</summary>
    Disabled,

    /// <summary>The import failed, or no target got a copy.</summary>
    Failed,

    /// <summary>Copies are being removed.</summary>
    Deleting,

    /// <summary>Gone; the record stays for history.</summary>
    Deleted,
}

/// <summary>One numbered, immutable state of an image.</summary>
public sealed record VersionResource
{
    /// <summary>The image.</summary>
    public required string Image { get; init; }

    /// <summary>The version's name, such as <c>1.0</c>.</summary>
    public required string Version { get; init; }

    /// <summary>What is going on.</summary>
    public required VersionStatus Status { get; init; }

    /// <summary>Not disabled, and at least one copy is available on a connected pod.</summary>
    public required bool IsUsable { get; init; }

    /// <summary>What pods can run it.</summary>
    public required string Family { get; init; }

    /// <summary>The pod on which it was prepared.</summary>
    public string? SourcePod { get; init; }

    /// <summary>What was imported there. Absent in lists.</summary>
    public string? SourcePath { get; init; }

    /// <summary>The version it was made from.</summary>
    public string? From { get; init; }

    /// <summary>Free text.</summary>
    public required string Description { get; init; }

    /// <summary>What its bytes are, once they are known.</summary>
    public ContentResource? Content { get; init; }

    /// <summary>Its targets in numbers.</summary>
    public required TargetTotals Targets { get; init; }

    /// <summary>Why it failed, where it did.</summary>
    public Fault? Fault { get; init; }

    /// <summary>Rises with every new order: import, publish, delete.</summary>
    public required long Generation { get; init; }

    /// <summary>The operation that imported it. Absent in lists.</summary>
    public string? ImportOperation { get; init; }

    /// <summary>Publishes that have not ended. Absent in lists.</summary>
    public IReadOnlyList<string>? OpenPublishes { get; init; }

    /// <summary>The operation that deletes it. Absent in lists.</summary>
    public string? DeleteOperation { get; init; }

    /// <summary>When it was imported.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its record last changed.</summary>
    public required DateTimeOffset ChangedAt { get; init; }

    /// <summary>The record's tag for <c>If-Match</c>. Absent in lists.</summary>
    public string? Etag { get; init; }
}

/// <summary>What a version's bytes are; the same on every pod.</summary>
public sealed record ContentResource
{
    /// <summary><c>disk</c> or <c>file</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>SHA-256 of the guest-visible bytes: the version's identity.</summary>
    public required string Digest { get; init; }

    /// <summary>Guest-visible length in bytes.</summary>
    public required long LengthBytes { get; init; }

    /// <summary>Of these, bytes in chunks that are not all zeros: what has to travel at most.</summary>
    public required long DataBytes { get; init; }

    /// <summary>Bytes in one chunk.</summary>
    public required int ChunkBytes { get; init; }

    /// <summary>Chunks that are not all zeros.</summary>
    public required int DataChunks { get; init; }

    /// <summary>The format in which the source was found.</summary>
    public required string SourceFormat { get; init; }

    /// <summary>Length of the source file in bytes.</summary>
    public required long SourceBytes { get; init; }

    /// <summary>SHA-256 of the source file as it was found.</summary>
    public required string SourceDigest { get; init; }
}

/// <summary>Targets in numbers.</summary>
public sealed record TargetTotals
{
    /// <summary>All targets.</summary>
    public required int All { get; init; }

    /// <summary>Targets that have not ended.</summary>
    public required int Open { get; init; }

    /// <summary>Targets with a verified copy.</summary>
    public required int Available { get; init; }

    /// <summary>Targets that failed.</summary>
    public required int Failed { get; init; }

    /// <summary>Targets that were cancelled.</summary>
    public required int Cancelled { get; init; }
}

/// <summary>What versions to list.</summary>
public sealed record VersionFilter
{
    /// <summary>Only versions with this status.</summary>
    public VersionStatus? Status { get; init; }

    /// <summary>Only versions whose name begins with this.</summary>
    public string? NamePrefix { get; init; }

    /// <summary>Last name first.</summary>
    public bool Descending { get; init; }
}
