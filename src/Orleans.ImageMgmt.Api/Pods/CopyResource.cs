namespace Orleans.ImageMgmt.Api;

/// <summary>The life of a copy.</summary>
public enum CopyState
{
    /// <summary>Wanted; waits for a slot.</summary>
    Pending,

    /// <summary>The source pod seals a source.</summary>
    Preparing,

    /// <summary>Chunks are on their way.</summary>
    Replicating,

    /// <summary>Everything is staged; being made durable and read back.</summary>
    Finalising,

    /// <summary>Final, read back, with a receipt.</summary>
    Available,

    /// <summary>A fault that may pass; the next try has a time.</summary>
    RetryPending,

    /// <summary>Given up; a person may ask for a retry.</summary>
    Failed,

    /// <summary>A later verification failed; waits for repair.</summary>
    Quarantined,

    /// <summary>Being removed.</summary>
    Deleting,

    /// <summary>Gone.</summary>
    Deleted,
}

/// <summary>Why a pod holds a copy.</summary>
public enum CopyRole
{
    /// <summary>The sealed copy on the source pod; no target.</summary>
    Source,

    /// <summary>A publish wants it there.</summary>
    Target,
}

/// <summary>One version on one pod.</summary>
public sealed record CopyResource
{
    /// <summary>The image.</summary>
    public required string Image { get; init; }

    /// <summary>The version.</summary>
    public required string Version { get; init; }

    /// <summary>The pod.</summary>
    public required string Pod { get; init; }

    /// <summary>Why the pod holds it.</summary>
    public required CopyRole Role { get; init; }

    /// <summary>How it stands.</summary>
    public required CopyState State { get; init; }

    /// <summary>The newest order it belongs to.</summary>
    public required long Generation { get; init; }

    /// <summary>Why it failed or will be tried again.</summary>
    public Fault? Fault { get; init; }

    /// <summary>When it is tried again.</summary>
    public DateTimeOffset? RetryAt { get; init; }

    /// <summary>What a read-back found wrong, while it is quarantined.</summary>
    public DamageResource? Damage { get; init; }

    /// <summary>The proof, once it is available.</summary>
    public ReceiptResource? Receipt { get; init; }

    /// <summary>How far it is, while it is at work. Absent in lists.</summary>
    public TransferProgress? Progress { get; init; }

    /// <summary>When its record last changed.</summary>
    public required DateTimeOffset ChangedAt { get; init; }
}

/// <summary>What a read-back found wrong in a copy.</summary>
public sealed record DamageResource
{
    /// <summary>When it was found.</summary>
    public required DateTimeOffset FoundAt { get; init; }

    /// <summary>Chunks that differ; 0 where none can be named, because the copy is gone or cut.</summary>
    public required int BadChunks { get; init; }

    /// <summary>Bytes per chunk.</summary>
    public required int ChunkBytes { get; init; }

    /// <summary>Where the first of them begin, in bytes from the start of the content; at most 64.</summary>
    public required IReadOnlyList<long> Offsets { get; init; }
}

/// <summary>How a damaged copy was made whole.</summary>
public sealed record RepairResource
{
    /// <summary>When it had been read back whole.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Bytes that travelled.</summary>
    public required long FetchedBytes { get; init; }

    /// <summary>Chunks that travelled.</summary>
    public required int Chunks { get; init; }

    /// <summary>The pod that gave them.</summary>
    public required string From { get; init; }
}

/// <summary>The proof that a copy is final: read back after it was made durable, and found to be the version's content.</summary>
public sealed record ReceiptResource
{
    /// <summary>The image.</summary>
    public required string Image { get; init; }

    /// <summary>The version.</summary>
    public required string Version { get; init; }

    /// <summary>On which pod.</summary>
    public required string Pod { get; init; }

    /// <summary>On which datastore of it.</summary>
    public required string Datastore { get; init; }

    /// <summary>Where the artefact is, in the pod's own terms.</summary>
    public required string Location { get; init; }

    /// <summary>SHA-256 of the guest-visible bytes, as proved by the read-back.</summary>
    public required string ContentDigest { get; init; }

    /// <summary>SHA-256 of the artefact file.</summary>
    public required string ArtefactDigest { get; init; }

    /// <summary>Length of the artefact in bytes.</summary>
    public required long LengthBytes { get; init; }

    /// <summary>Bytes that travelled to this pod in the try that finished the copy.</summary>
    public required long SentBytes { get; init; }

    /// <summary>Bytes that were read back and hashed.</summary>
    public required long ReadBackBytes { get; init; }

    /// <summary>When the read-back ended.</summary>
    public required DateTimeOffset VerifiedAt { get; init; }

    /// <summary>Name and version of the connector.</summary>
    public required string ConnectorVersion { get; init; }

    /// <summary>The generation of the order that made the copy.</summary>
    public required long Generation { get; init; }

    /// <summary>The last repair of the copy, where it was ever damaged.</summary>
    public RepairResource? Repair { get; init; }
}

/// <summary>How far a running transfer is.</summary>
public sealed record TransferProgress
{
    /// <summary>What is being done.</summary>
    public required CopyState Phase { get; init; }

    /// <summary>Chunks that have to travel in this try.</summary>
    public required int NeededChunks { get; init; }

    /// <summary>Chunks that were found staged and whole when this try began.</summary>
    public required int ResumedChunks { get; init; }

    /// <summary>Chunks staged by this try.</summary>
    public required int StagedChunks { get; init; }

    /// <summary>Bytes that have to travel in this try.</summary>
    public required long NeededBytes { get; init; }

    /// <summary>Bytes of the disk staged by this try, wherever they came from; not as they travelled.</summary>
    public required long SentBytes { get; init; }

    /// <summary>Bytes on the wire: what came from other pods in this try as it travelled, packed where it was. Fewer than were staged where blocks lay on the pod.</summary>
    public long TravelledBytes { get; init; }

    /// <summary>Bytes sealed, or read back and hashed.</summary>
    public required long VerifiedBytes { get; init; }

    /// <summary>Of how many.</summary>
    public required long ToVerifyBytes { get; init; }

    /// <summary>Mean rate of this try in bytes per second.</summary>
    public required long BytesPerSecond { get; init; }

    /// <summary>Seconds that are left at that rate; absent while nobody can tell.</summary>
    public long? RemainingSeconds { get; init; }

    /// <summary>When this try began.</summary>
    public required DateTimeOffset StartedAt { get; init; }
}
