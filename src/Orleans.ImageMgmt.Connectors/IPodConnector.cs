using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>
/// The contract between the service and one pod. The numbered rules are in this project's README; one conformance test stands for each.
/// No call throws for what the world does (rule 1); every call may come twice and may be cut anywhere (rules 2 and 3).
/// </summary>
public interface IPodConnector : IAsyncDisposable
{
    PodName Pod { get; }

    ConnectorCapabilities Capabilities { get; }

    /// <summary>Is the pod there, can it be used, and how much room has each datastore?</summary>
    Task<ConnectorResult<PodProbe>> ProbeAsync(CancellationToken cancellationToken);

    /// <summary>What could be imported from this pod, in pages.</summary>
    Task<ConnectorResult<SourcePage>> ListSourcesAsync(string? cursor, int limit, CancellationToken cancellationToken);

    /// <summary>Takes a source into the pod's own library as a private, sealed, read-only copy, and describes its content.</summary>
    Task<ConnectorResult<PreparedCopy>> PrepareAsync(CopyOrder order, SourceRef source, ITransferObserver observer, CancellationToken cancellationToken);

    /// <summary>Opens a final copy for ranged reads (only where <see cref="ConnectorCapabilities.RangedRead"/>).</summary>
    Task<ConnectorResult<IContentReader>> OpenAsync(VersionId version, CancellationToken cancellationToken);

    /// <summary>As the other one, where it is known what the copy holds: a pod on another machine is read with a ticket for exactly that content.</summary>
    Task<ConnectorResult<IContentReader>> OpenAsync(VersionId version, ContentDescription content, CancellationToken cancellationToken) =>
        OpenAsync(version, cancellationToken);

    /// <summary>Opens what is staged of a copy that is on its way, so that others can have the chunks of it that were verified (only where
    /// <see cref="ConnectorCapabilities.ServesStaged"/>). Which chunks those are, the caller knows: the bytes of the others mean nothing. The caller compares the manifest too.</summary>
    Task<ConnectorResult<IContentReader>> OpenStagedAsync(VersionId version, CancellationToken cancellationToken) =>
        Task.FromResult<ConnectorResult<IContentReader>>(ConnectorFaults.Unsupported(FaultStage.Open, Capabilities.Name, "gives out nothing of a copy that is not final"));

    /// <summary>Brings the content of an offer into the pod's staging area. Never visible as a copy. Resumes what an earlier call staged.</summary>
    Task<ConnectorResult<StagedCopy>> ReceiveAsync(CopyOrder order, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken);

    /// <summary>What a receive of this content would take, found out without changing anything: no byte is read from another pod and none is written
    /// (rule 22; only where <see cref="ConnectorCapabilities.CanPlan"/>).</summary>
    Task<ConnectorResult<ReceivePlan>> PlanReceiveAsync(VersionId version, ContentDescription content, ContentManifest manifest, CancellationToken cancellationToken) =>
        Task.FromResult<ConnectorResult<ReceivePlan>>(ConnectorFaults.Unsupported(FaultStage.Receive, Capabilities.Name, "cannot say beforehand what a transfer would take"));

    /// <summary>Makes a staged copy durable, reads it back, proves its digest and lets it appear at once and whole.</summary>
    Task<ConnectorResult<Receipt>> FinaliseAsync(CopyOrder order, ContentDescription content, ITransferObserver observer, CancellationToken cancellationToken);

    /// <summary>Reads a final copy back and proves it again.</summary>
    Task<ConnectorResult<Receipt>> VerifyAsync(VersionId version, ITransferObserver observer, CancellationToken cancellationToken);

    /// <summary>Removes staged bytes of the version and, when <paramref name="scope"/> says so, its final copy. Nothing there is success.</summary>
    Task<ConnectorResult<Removed>> DeleteAsync(CopyOrder order, DeleteScope scope, CancellationToken cancellationToken);

    /// <summary>What is really there, final and staged, in pages.</summary>
    Task<ConnectorResult<InventoryPage>> InventoryAsync(string? cursor, int limit, CancellationToken cancellationToken);
}

/// <summary>For connectors whose probe leaves a mark on the pod, such as whose it is: tries the pod without leaving any.</summary>
public interface ITrialProbe
{
    /// <summary>As <see cref="IPodConnector.ProbeAsync"/>, for a pod that is not connected and may never be.</summary>
    Task<ConnectorResult<PodProbe>> TryProbeAsync(CancellationToken cancellationToken);
}

/// <summary>Makes connectors of one family.</summary>
public interface IConnectorFactory
{
    /// <summary>The family that this factory serves, such as <c>filesystem</c>.</summary>
    string Family { get; }

    /// <summary>What a pod of this family can do when it is worked on at its site, where its settings are; null: it cannot be.</summary>
    ConnectorCapabilities? AtSite => null;

    /// <summary>Checks the settings, all faults in one sentence, and makes a connector. Does no I/O beyond looking at paths.</summary>
    ConnectorResult<IPodConnector> Create(PodSpec spec);
}

/// <summary>What a connector declares of itself; the service and the conformance suite adapt to it.</summary>
/// <param name="Name">Name and version of the connector, written into receipts.</param>
/// <param name="Transfer">How content gets in.</param>
/// <param name="RangedRead">Copies can be opened for ranged reads, so the pod can be a source for others.</param>
/// <param name="Resumable">Staged bytes survive a cut and are not asked for again.</param>
/// <param name="NativeChecksum">The platform computes the digest itself; the read-back may be the platform's.</param>
/// <param name="ReusesBlocks">The pod can take unchanged ranges from copies it already holds.</param>
/// <param name="CanPrepare">Sources can be imported from this pod.</param>
/// <param name="ReportsRoom">Free room is known before the first byte.</param>
/// <param name="Formats">Source formats that it can take.</param>
/// <param name="ServesStaged">Verified chunks of a copy on its way can be read, so that the pod can give them to others before its own copy is final.</param>
/// <param name="CanPlan">It can say beforehand what a receive would take.</param>
/// <param name="AtSite">The program at the pod's site does the work: bytes that it receives do not pass through this process.</param>
public sealed record ConnectorCapabilities(
    string Name,
    TransferMode Transfer,
    bool RangedRead,
    bool Resumable,
    bool NativeChecksum,
    bool ReusesBlocks,
    bool CanPrepare,
    bool ReportsRoom,
    IReadOnlySet<SourceFormat> Formats,
    bool ServesStaged = false,
    bool CanPlan = false,
    bool AtSite = false);

/// <summary>How content gets into a pod.</summary>
public enum TransferMode
{
    /// <summary>The engine writes chunks where they belong and asks only for missing ones.</summary>
    Chunks,

    /// <summary>The platform takes one whole artefact from first byte to last.</summary>
    WholeArtefact,

    /// <summary>The platform fetches a whole artefact from an address it is given.</summary>
    PullFromUrl,
}

/// <summary>What every command to a connector carries.</summary>
/// <param name="Version">Which version.</param>
/// <param name="Generation">The intent's generation; an older one than seen is refused as <see cref="FaultCause.Stale"/>.</param>
/// <param name="Attempt">Counts from 1 within a generation; for logs and receipts only.</param>
public sealed record CopyOrder(VersionId Version, Generation Generation, int Attempt);

/// <summary>The content as the sending side offers it; a connector takes it in the one way its platform can.</summary>
public interface IContentOffer
{
    ContentDescription Content { get; }

    ContentManifest Manifest { get; }

    /// <summary>Guest-visible bytes by range: for <see cref="TransferMode.Chunks"/>.</summary>
    IContentReader Reader { get; }

    /// <summary>Has to be asked before bytes are taken from <see cref="Reader"/>: how many of the wanted bytes may travel now; the rest is asked
    /// again. <see cref="OpenArtefact"/> asks by itself. Null: no cap is set.</summary>
    Func<int, CancellationToken, ValueTask<int>>? Throttle => null;

    /// <summary>The raw artefact from first byte to last, hashed as it is read: for <see cref="TransferMode.WholeArtefact"/>.</summary>
    Stream OpenArtefact();

    /// <summary>A short-lived address from which the artefact can be fetched, or null where none can be given: for <see cref="TransferMode.PullFromUrl"/>.</summary>
    Task<Uri?> GetArtefactAddressAsync(CancellationToken cancellationToken);
}

/// <summary>The answer to a probe.</summary>
public sealed record PodProbe(IReadOnlyList<DatastoreRoom> Datastores);

/// <summary>Room on one datastore.</summary>
/// <param name="Name">Its name.</param>
/// <param name="FreeBytes">Bytes that a copy may still take; null where the platform does not say.</param>
/// <param name="TotalBytes">Bytes in all; null where the platform does not say.</param>
/// <param name="Trouble">Why it cannot be used now, or null. A probe fails only when no datastore can be used.</param>
public sealed record DatastoreRoom(string Name, long? FreeBytes, long? TotalBytes, ConnectorFault? Trouble = null);

/// <summary>Something that could be imported.</summary>
/// <param name="Path">What to write into <see cref="SourceRef.Path"/>.</param>
/// <param name="Length">Length of the file in bytes.</param>
/// <param name="ModifiedAt">Last change.</param>
public sealed record SourceEntry(string Path, long Length, DateTimeOffset ModifiedAt);

public sealed record SourcePage(IReadOnlyList<SourceEntry> Entries, string? NextCursor);

/// <summary>The result of preparing a source: its content, and the receipt of the sealed copy.</summary>
public sealed record PreparedCopy(ContentDescription Content, Receipt Receipt);

/// <summary>The result of receiving: everything is staged.</summary>
/// <param name="Datastore">Where.</param>
/// <param name="BytesSent">Bytes that this call asked from the sending side.</param>
/// <param name="BytesStagedBefore">Bytes that an earlier call had staged and this one re-hashed.</param>
/// <param name="BytesReused">Bytes that this call took from the pod's own copies instead of asking for them.</param>
public sealed record StagedCopy(string Datastore, long BytesSent, long BytesStagedBefore, long BytesReused = 0);

/// <summary>What a receive would take. An estimate: staged bytes count as right without being hashed.</summary>
/// <param name="Datastore">Where it would go.</param>
/// <param name="BytesToSend">Bytes of chunks that the pod does not hold; on the wire it may be less, where parts of chunks are held or bytes are packed.</param>
/// <param name="BytesStaged">Bytes that an earlier try has staged.</param>
/// <param name="BytesReused">Bytes that stand in other copies on the pod.</param>
/// <param name="RoomNeeded">Bytes that it would take up beyond what is taken now.</param>
/// <param name="RoomFree">Bytes that a copy may still take there; null where the platform does not say.</param>
/// <param name="IsHeld">The pod holds the final copy: nothing would be done.</param>
public sealed record ReceivePlan(string Datastore, long BytesToSend, long BytesStaged, long BytesReused, long RoomNeeded, long? RoomFree, bool IsHeld = false);

public enum DeleteScope
{
    /// <summary>Only what is staged: a cancelled transfer.</summary>
    Staged,

    /// <summary>Staged bytes and the final copy.</summary>
    Copy,
}

/// <summary>What a delete removed.</summary>
public sealed record Removed(bool CopyRemoved, bool StagedRemoved);

/// <summary>One thing that is really on the pod.</summary>
/// <param name="Version">Which version.</param>
/// <param name="Generation">Of the order that made it.</param>
/// <param name="Final">A final copy, or staged bytes.</param>
/// <param name="Datastore">Where.</param>
/// <param name="Bytes">Bytes it takes up.</param>
public sealed record InventoryEntry(VersionId Version, Generation Generation, bool Final, string Datastore, long Bytes);

public sealed record InventoryPage(IReadOnlyList<InventoryEntry> Entries, string? NextCursor);
