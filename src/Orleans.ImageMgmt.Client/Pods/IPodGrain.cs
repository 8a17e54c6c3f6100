using Orleans.Concurrency;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>How a copy stands, as a pod tells it to the operations that want it.</summary>
/// <param name="Pod">Which pod.</param>
/// <param name="Version">Which version.</param>
/// <param name="State">How it stands.</param>
/// <param name="Generation">The newest order it belongs to.</param>
/// <param name="Fault">Why the last try failed; null: it did not.</param>
/// <param name="Tries">Tries that count against the limit.</param>
/// <param name="Content">What its bytes are, once that is known.</param>
/// <param name="Receipt">The proof; null until it is available.</param>
/// <param name="Role">Why the pod holds it.</param>
/// <param name="Attempt">Rises with every try over all generations, so that late news can be told from new.</param>
/// <param name="Revision">The copy's revision: of two words about a copy the one with the higher is the newer.</param>
[GenerateSerializer, Immutable, Alias(Aliases.CopyStanding)]
public sealed record CopyStanding(
    [property: Id(0)] PodName Pod,
    [property: Id(1)] VersionId Version,
    [property: Id(2)] CopyState State,
    [property: Id(3)] Generation Generation,
    [property: Id(4)] ConnectorFault? Fault,
    [property: Id(5)] int Tries,
    [property: Id(6)] ContentDescription? Content,
    [property: Id(7)] Receipt? Receipt,
    [property: Id(8)] CopyRole Role,
    [property: Id(9)] int Attempt,
    [property: Id(10)] long Revision = 0);

/// <summary>How far a running transfer is. Lives in memory only: it is lost with the process and begins again with the next try.</summary>
/// <param name="Phase">What the connector is doing.</param>
/// <param name="ChunksNeeded">Chunks that had to travel when this try began.</param>
/// <param name="ChunksStagedBefore">Chunks found staged and re-hashed when this try began.</param>
/// <param name="ChunksStaged">Chunks staged by this try.</param>
/// <param name="BytesNeeded">Bytes that had to travel when this try began.</param>
/// <param name="BytesSent">Bytes staged by this try.</param>
/// <param name="BytesVerified">Bytes sealed, or read back and hashed.</param>
/// <param name="BytesToVerify">Of how many.</param>
/// <param name="StartedAt">When this try began.</param>
/// <param name="BytesTravelled">Bytes that came from sending pods in this try as they travelled: packed where they were, with digests of blocks.</param>
[GenerateSerializer, Immutable, Alias(Aliases.CopyProgress)]
public sealed record CopyProgress(
    [property: Id(0)] CopyState Phase,
    [property: Id(1)] int ChunksNeeded,
    [property: Id(2)] int ChunksStagedBefore,
    [property: Id(3)] int ChunksStaged,
    [property: Id(4)] long BytesNeeded,
    [property: Id(5)] long BytesSent,
    [property: Id(6)] long BytesVerified,
    [property: Id(7)] long BytesToVerify,
    [property: Id(8)] DateTimeOffset StartedAt,
    [property: Id(9)] long BytesTravelled = 0);

/// <summary>A copy with the progress of what runs.</summary>
/// <param name="Copy">As it is stored.</param>
/// <param name="Progress">How far its try is; null when none runs.</param>
[GenerateSerializer, Immutable, Alias(Aliases.CopyView)]
public sealed record CopyView([property: Id(0)] Copy Copy, [property: Id(1)] CopyProgress? Progress);

/// <summary>Order to have a source sealed on its pod.</summary>
/// <param name="Version">Which version.</param>
/// <param name="Generation">The generation of the order.</param>
/// <param name="Operation">The import.</param>
/// <param name="Source">What is taken on the source pod.</param>
[GenerateSerializer, Immutable, Alias(Aliases.PrepareOrder)]
public sealed record PrepareOrder(
    [property: Id(0)] VersionId Version,
    [property: Id(1)] Generation Generation,
    [property: Id(2)] OperationId Operation,
    [property: Id(3)] SourceRef Source);

/// <summary>Order to have a copy on a pod.</summary>
/// <param name="Version">Of which version.</param>
/// <param name="Generation">The intent's generation.</param>
/// <param name="Operation">Who wants it.</param>
/// <param name="Content">What it has to be.</param>
/// <param name="From">Where it comes from.</param>
/// <param name="Shard">Which shard of the operation hears how it ends.</param>
/// <param name="RetryOf">The attempt whose failure a person asked to try again, or null.</param>
/// <param name="Turn">Pauses and resumes of the operation up to this order.</param>
/// <param name="IsUrgent">It goes before others.</param>
[GenerateSerializer, Immutable, Alias(Aliases.EnsureOrder)]
public sealed record EnsureOrder(
    [property: Id(0)] VersionId Version,
    [property: Id(1)] Generation Generation,
    [property: Id(2)] OperationId Operation,
    [property: Id(3)] ContentDescription Content,
    [property: Id(4)] PodName From,
    [property: Id(5)] int Shard,
    [property: Id(6)] int? RetryOf,
    [property: Id(7)] int Turn = 0,
    [property: Id(8)] bool IsUrgent = false);

/// <summary>A pod with what is in motion on it.</summary>
/// <param name="Pod">As it is stored.</param>
/// <param name="Moving">Copies that wait or are at work.</param>
[GenerateSerializer, Immutable, Alias(Aliases.PodView)]
public sealed record PodView([property: Id(0)] Pod Pod, [property: Id(1)] IReadOnlyList<CopyView> Moving);

/// <summary>Sources that could be imported from a pod, one page.</summary>
/// <param name="Items">In the pod's order.</param>
/// <param name="NextCursor">What to ask the next page with; null when this is the last one.</param>
[GenerateSerializer, Immutable, Alias(Aliases.SourceList)]
public sealed record SourceList([property: Id(0)] IReadOnlyList<SourceItem> Items, [property: Id(1)] string? NextCursor);

/// <summary>One source: what to name in an import, its length in bytes, its last change.</summary>
/// <param name="Path">What to name in an import.</param>
/// <param name="Length">Of the file, in bytes.</param>
/// <param name="ModifiedAt">When it last changed, UTC.</param>
[GenerateSerializer, Immutable, Alias(Aliases.SourceItem)]
public sealed record SourceItem([property: Id(0)] string Path, [property: Id(1)] long Length, [property: Id(2)] DateTimeOffset ModifiedAt);

/// <summary>What a transfer worker brings back.</summary>
/// <param name="Version">Of which copy.</param>
/// <param name="Attempt">Of which try; an older one is ignored.</param>
/// <param name="Content">What a prepare found.</param>
/// <param name="Receipt">The proof, when it ended well.</param>
/// <param name="Fault">Why not, when it did not.</param>
/// <param name="IsRemoved">A removal ended well.</param>
/// <param name="BytesPerSecond">How fast its bytes travelled, without the time that caps held them back; null when too few did.</param>
[GenerateSerializer, Immutable, Alias(Aliases.WorkerResult)]
public sealed record WorkerResult(
    [property: Id(0)] VersionId Version,
    [property: Id(1)] int Attempt,
    [property: Id(2)] ContentDescription? Content,
    [property: Id(3)] Receipt? Receipt,
    [property: Id(4)] ConnectorFault? Fault,
    [property: Id(5)] bool IsRemoved = false,
    [property: Id(6)] long? BytesPerSecond = null);

/// <summary>Keeps one pod: its connection, its slots, and the truth about its copies.</summary>
[Alias(Aliases.PodGrain)]
public interface IPodGrain : IGrainWithStringKey
{
    /// <summary>Connects the pod, or changes how it is connected. The first probe follows at once.</summary>
    [Alias("Connect"), OpenTo(CallerRoles.Operator)]
    Task<Reply<Pod>> ConnectAsync(PodSpec spec, RequestedBy by, Precondition? precondition = null);

    /// <summary>Gives the pod other labels.</summary>
    [Alias("Relabel"), OpenTo(CallerRoles.Operator)]
    Task<Reply<Pod>> RelabelAsync(IReadOnlyDictionary<string, string> labels, RequestedBy by, Precondition? precondition = null);

    /// <summary>Sets how fast bytes may travel to and from the pod; transfers that run go on by it.</summary>
    [Alias("Cap"), OpenTo(CallerRoles.Operator)]
    Task<Reply<Pod>> CapAsync(PodCaps caps, RequestedBy by, Precondition? precondition = null);

    /// <summary>The pod finishes what it has and gets nothing new. Refused when it is not connected.</summary>
    [Alias("Drain"), OpenTo(CallerRoles.Operator)]
    Task<Reply<Pod>> DrainAsync(RequestedBy by, Precondition? precondition = null);

    /// <summary>Ends the use of the pod; its record is kept. Refused while copies are in motion on it.</summary>
    [Alias("Disconnect"), OpenTo(CallerRoles.Operator)]
    Task<Reply<Pod>> DisconnectAsync(RequestedBy by, Precondition? precondition = null);

    /// <summary>The pod as it stands; one that was never connected has no <see cref="Pod.Spec"/>.</summary>
    [Alias("Get"), OpenTo(CallerRoles.Viewer), AlwaysInterleave]
    Task<PodView> GetAsync();

    /// <summary>What could be imported from here; asks the pod itself, outside the grain's turn, with a time-out.</summary>
    [Alias("ListSources"), OpenTo(CallerRoles.Viewer), AlwaysInterleave]
    Task<Reply<SourceList>> ListSourcesAsync(string? cursor, int limit);

    /// <summary>A copy as it stands; one that nobody wanted is <see cref="CopyState.Deleted"/>.</summary>
    [Alias("GetCopy"), OpenTo(CallerRoles.Viewer), AlwaysInterleave]
    Task<CopyView> GetCopyAsync(VersionId version);

    /// <summary>What a copy here would take; asks the pod itself, outside the grain's turn, with a time-out, and changes nothing.</summary>
    [Alias("Plan"), OpenTo(CallerRoles.Viewer), AlwaysInterleave]
    Task<PodPlan> PlanAsync(VersionId version, ContentDescription content, PodName from);

    /// <summary>Have a source sealed here. Idempotent; answers how it stands.</summary>
    [Alias("EnsurePrepared")]
    Task<Reply<CopyStanding>> EnsurePreparedAsync(PrepareOrder order);

    /// <summary>Have a copy here. Idempotent; answers how it stands.</summary>
    [Alias("Ensure")]
    Task<Reply<CopyStanding>> EnsureAsync(EnsureOrder order);

    /// <summary>An operation no longer wants the copy; with a turn that is older than the operation's newest order here, nothing changes, and with the generation of an import its later
    /// orders are not meant. Idempotent; answers how it stands.</summary>
    [Alias("CancelCopy")]
    Task<Reply<CopyStanding>> CancelCopyAsync(VersionId version, OperationId operation, int? turn = null, Generation? generation = null);

    /// <summary>An operation is paused: what runs here for it alone stops at the next chunk. Idempotent; answers how it stands.</summary>
    [Alias("HoldCopy")]
    Task<Reply<CopyStanding>> HoldCopyAsync(VersionId version, OperationId operation, int turn);

    /// <summary>Remove the copy. Idempotent; answers how it stands.</summary>
    [Alias("DeleteCopy")]
    Task<Reply<CopyStanding>> DeleteCopyAsync(VersionId version, Generation generation);

    /// <summary>Writes a line about this pod into the activity log, for what happens outside of the grains.</summary>
    [Alias("Note")]
    Task NoteAsync(RequestedBy by, string action, string what);

    /// <summary>A worker brings the result of a try.</summary>
    [Alias("WorkerEnded")]
    Task WorkerEndedAsync(WorkerResult result);

    /// <summary>A look at the pod found the available copy of this generation gone or damaged. Answers how it stands.</summary>
    [Alias("CopyLost")]
    Task<CopyStanding> CopyLostAsync(VersionId version, Generation generation, ConnectorFault fault);

    /// <summary>Reads a final copy back; one that is damaged, or was, is repaired. Answers once the intent is durable.</summary>
    [Alias("VerifyCopy"), OpenTo(CallerRoles.Operator)]
    Task<Reply<OperationId>> VerifyCopyAsync(VersionId version, OperationId operation, RequestedBy by);

    /// <summary>Reads a final copy back when there is time: it is due, or somebody got wrong bytes from it.</summary>
    [Alias("Scrub")]
    Task ScrubAsync(VersionId version);

    /// <summary>A look at the catalog found these copies due for a read-back, the oldest first.</summary>
    [Alias("ScrubDue")]
    Task ScrubDueAsync(IReadOnlyList<VersionId> due, DateTimeOffset lookAgainAt);

    /// <summary>The version has stored how the copy stood at this revision.</summary>
    [Alias("VersionTold")]
    Task VersionToldAsync(VersionId version, long revision);

    /// <summary>A probe came back.</summary>
    [Alias("Probed")]
    Task ProbedAsync(ConnectorFault? fault);

    /// <summary>Goes on with whatever is unfinished; harmless at any time.</summary>
    [Alias("Drive")]
    Task DriveAsync();
}
