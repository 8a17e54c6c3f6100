namespace Orleans.ImageMgmt.Domain;

/// <summary>What the bytes of a version are.</summary>
public enum ContentKind
{
    /// <summary>A disk as the guest sees it, whatever file format carried it.</summary>
    Disk,

    /// <summary>An opaque file such as an ISO; the content is the file.</summary>
    File,
}

/// <summary>The file format in which a source was found.</summary>
public enum SourceFormat
{
    /// <summary>The bytes of the disk as they are.</summary>
    Raw,

    /// <summary>QEMU copy-on-write, version 2 or 3.</summary>
    Qcow2,

    /// <summary>VMware virtual disk.</summary>
    Vmdk,

    /// <summary>Hyper-V virtual disk.</summary>
    Vhdx,

    /// <summary>Optical disc; taken as an opaque file.</summary>
    Iso,

    /// <summary>An archive with an OVF description and its disk.</summary>
    Ova,
}

/// <summary>What is known of a version's content once its source has been sealed. The same on every pod.</summary>
/// <param name="Kind">Disk or file.</param>
/// <param name="ContentDigest">SHA-256 of the guest-visible bytes, first to last, holes read as zeros.</param>
/// <param name="Length">Guest-visible length in bytes (the virtual size of a disk).</param>
/// <param name="DataLength">Bytes of <paramref name="Length"/> in chunks that are not all zeros.</param>
/// <param name="ManifestDigest">SHA-256 of the encoded manifest; binds every chunk digest to this content.</param>
/// <param name="ChunkSize">Bytes per chunk; a power of two, at least 1 MiB.</param>
/// <param name="DataChunks">Chunks that are not all zeros: how many have to travel at most.</param>
/// <param name="SourceFormat">The format the source was in.</param>
/// <param name="SourceLength">Length of the source file in bytes.</param>
/// <param name="SourceDigest">SHA-256 of the source file as it was found (the artefact digest of the source).</param>
[GenerateSerializer, Immutable, Alias(Aliases.ContentDescription)]
public sealed record ContentDescription(
    [property: Id(0)] ContentKind Kind,
    [property: Id(1)] Digest ContentDigest,
    [property: Id(2)] long Length,
    [property: Id(3)] long DataLength,
    [property: Id(4)] Digest ManifestDigest,
    [property: Id(5)] int ChunkSize,
    [property: Id(6)] int DataChunks,
    [property: Id(7)] SourceFormat SourceFormat,
    [property: Id(8)] long SourceLength,
    [property: Id(9)] Digest SourceDigest);

/// <summary>The proof a connector returns when a copy is final: read back after it was made durable, and found to be the version's content.</summary>
/// <param name="Version">Which version.</param>
/// <param name="Pod">On which pod.</param>
/// <param name="Datastore">On which datastore of it.</param>
/// <param name="Location">Where the artefact is, in the pod's own terms (a path relative to the datastore, an image id).</param>
/// <param name="ContentDigest">SHA-256 of the guest-visible bytes as proved by the read-back.</param>
/// <param name="ArtefactDigest">SHA-256 of the artefact file.</param>
/// <param name="Length">Length of the artefact in bytes.</param>
/// <param name="BytesSent">Bytes that travelled to this pod in the attempt that finished the copy.</param>
/// <param name="BytesReadBack">Bytes that were read back from the datastore and hashed.</param>
/// <param name="VerifiedAt">When the read-back ended.</param>
/// <param name="ConnectorVersion">Name and version of the connector.</param>
/// <param name="Generation">The generation of the order that made the copy.</param>
/// <param name="BytesReused">Bytes that the attempt which finished the copy took from the pod's own copies instead of sending them.</param>
/// <param name="Repair">The last repair of the copy, where it was ever damaged.</param>
[GenerateSerializer, Immutable, Alias(Aliases.Receipt)]
public sealed record Receipt(
    [property: Id(0)] VersionId Version,
    [property: Id(1)] PodName Pod,
    [property: Id(2)] string Datastore,
    [property: Id(3)] string Location,
    [property: Id(4)] Digest ContentDigest,
    [property: Id(5)] Digest ArtefactDigest,
    [property: Id(6)] long Length,
    [property: Id(7)] long BytesSent,
    [property: Id(8)] long BytesReadBack,
    [property: Id(9)] DateTimeOffset VerifiedAt,
    [property: Id(10)] string ConnectorVersion,
    [property: Id(11)] Generation Generation,
    [property: Id(12)] long BytesReused = 0,
    [property: Id(13)] CopyRepair? Repair = null);

/// <summary>What a read-back found wrong in a copy.</summary>
/// <param name="BadChunks">How many chunks differ from the manifest; 0 where no chunk can be named: the file or its manifest is gone or cut.</param>
/// <param name="ChunkSize">Bytes per chunk: chunk n begins at byte n times this.</param>
/// <param name="Chunks">The first of them, rising; at most <see cref="NamedLimit"/>, so that a record stays small.</param>
[GenerateSerializer, Immutable, Alias(Aliases.ContentDamage)]
public sealed record ContentDamage(
    [property: Id(0)] int BadChunks,
    [property: Id(1)] int ChunkSize,
    [property: Id(2)] IReadOnlyList<int> Chunks)
{
    /// <summary>Chunks that are named: enough to find the place on a disk; more are only counted.</summary>
    public const int NamedLimit = 64;
}

/// <summary>How a damaged copy was made whole.</summary>
/// <param name="At">When it had been read back whole.</param>
/// <param name="BytesFetched">Bytes that travelled.</param>
/// <param name="Chunks">Chunks that travelled.</param>
/// <param name="From">The pod that gave them.</param>
[GenerateSerializer, Immutable, Alias(Aliases.CopyRepair)]
public sealed record CopyRepair(
    [property: Id(0)] DateTimeOffset At,
    [property: Id(1)] long BytesFetched,
    [property: Id(2)] int Chunks,
    [property: Id(3)] PodName From);

/// <summary>What an import asks to be taken: a path the pod's configuration allows, and what the caller expects to find there.</summary>
/// <param name="Path">File name in the pod's sources folder, or an absolute path under an allowed folder.</param>
/// <param name="ExpectedDigest">SHA-256 of the source file that the caller expects, or null.</param>
/// <param name="ExpectedFormat">The format the caller says it is, or null to read it from the file.</param>
[GenerateSerializer, Immutable, Alias(Aliases.SourceRef)]
public sealed record SourceRef(
    [property: Id(0)] string Path,
    [property: Id(1)] Digest? ExpectedDigest = null,
    [property: Id(2)] SourceFormat? ExpectedFormat = null);
