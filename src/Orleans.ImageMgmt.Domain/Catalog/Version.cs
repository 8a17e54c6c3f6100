using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

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
[GenerateSerializer, Immutable, Alias(Aliases.Version)]
public sealed record Version
{
    /// <summary>Image and version name.</summary>
    [Id(0)] public required VersionId Id { get; init; }

    /// <summary>False until an import registered it.</summary>
    [Id(1)] public bool Exists { get; init; }

    /// <summary>What kind of pod can run it.</summary>
    [Id(2)] public string Family { get; init; } = "";

    /// <summary>The pod on which it was prepared; null until an import registered it.</summary>
    [Id(3)] public PodName? SourcePod { get; init; }

    /// <summary>What was imported there.</summary>
    [Id(4)] public SourceRef? Source { get; init; }

    /// <summary>The version it was made from, or null for the first.</summary>
    [Id(5)] public VersionName? From { get; init; }

    /// <summary>At most <see cref="Limits.DescriptionLength"/> characters.</summary>
    [Id(6)] public string Description { get; init; } = "";

    /// <summary>Rises with every new intent: import, publish, delete.</summary>
    [Id(7)] public Generation Generation { get; init; }

    /// <summary>The newest import.</summary>
    [Id(8)] public OperationId? Import { get; init; }

    /// <summary>How that import stands.</summary>
    [Id(9)] public OperationState ImportState { get; init; }

    /// <summary>What its bytes are; null until the source was sealed.</summary>
    [Id(10)] public ContentDescription? Content { get; init; }

    /// <summary>The source pod's proof of its sealed copy.</summary>
    [Id(11)] public Receipt? SourceReceipt { get; init; }

    /// <summary>Why it failed, where it did.</summary>
    [Id(12)] public ConnectorFault? Fault { get; init; }

    /// <summary>How each target stands, over all publishes.</summary>
    [Id(13)] public IReadOnlyDictionary<PodName, TargetOutcome> Targets { get; init; } = new Dictionary<PodName, TargetOutcome>();

    /// <summary>Publishes that have not ended.</summary>
    [Id(14)] public IReadOnlyList<OperationId> OpenPublishes { get; init; } = [];

    /// <summary>No new use; existing users keep it.</summary>
    [Id(15)] public bool IsDisabled { get; init; }

    /// <summary>The operation that removes it; null: none was asked.</summary>
    [Id(16)] public OperationId? Delete { get; init; }

    /// <summary>Pods that still have to remove their copy.</summary>
    [Id(17)] public IReadOnlyList<PodName> Removing { get; init; } = [];

    /// <summary>Every copy is gone; the record stays for history.</summary>
    [Id(18)] public bool IsDeleted { get; init; }

    /// <summary>When its import was registered, UTC.</summary>
    [Id(19)] public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When this record last changed, UTC.</summary>
    [Id(20)] public DateTimeOffset ChangedAt { get; init; }

    /// <summary>Pods that are no target any more after a cancel, and may still hold staged bytes: a delete asks them too.</summary>
    [Id(21)] public IReadOnlyList<PodName> Former { get; init; } = [];

    /// <summary>Publishes whose own record is not known to be stored yet: driving them means handing them their order again.</summary>
    [Id(22)] public IReadOnlyList<UnstartedPublish> Unstarted { get; init; } = [];

    /// <summary>Rises with every change, so that what others heard late can be told from what they heard last.</summary>
    [Id(23)] public long Revision { get; init; }

    /// <summary>The generation of the import that made this content: an order of an older generation was for what had this name before.</summary>
    [Id(24)] public Generation ImportGeneration { get; init; }

    /// <summary>When the import ended, well or not; what happens to the version later does not move it.</summary>
    [Id(25)] public DateTimeOffset? ImportEndedAt { get; init; }

    /// <summary>When the delete was asked.</summary>
    [Id(26)] public DateTimeOffset? DeleteBeganAt { get; init; }

    /// <summary>Targets whose copy was found damaged or gone at some time, with the copy's revision when that, or how it went on, was heard last.</summary>
    [Id(27)] public IReadOnlyDictionary<PodName, long> LostCopies { get; init; } = new Dictionary<PodName, long>();

    /// <summary>Those of them that are lost now, until the copy itself says that it is back or let go: whatever a publish says, they are not available.</summary>
    [Id(28)] public IReadOnlyList<PodName> Lost { get; init; } = [];

    /// <summary>What is going on, derived from the rest.</summary>
    [JsonIgnore]
    public VersionStatus Status => VersionMachine.StatusOf(this);

    /// <summary>Not disabled, and at least one target holds an available copy. (Whether such a pod is connected is added by the catalog.)</summary>
    [JsonIgnore]
    public bool IsUsable => Exists && !IsDisabled && Delete is null && Targets.Values.Any(t => t == TargetOutcome.Available);
}

/// <summary>The frozen part of a publish that its version keeps until the publish has stored it.</summary>
/// <param name="Operation">The publish.</param>
/// <param name="Generation">The generation of the order.</param>
/// <param name="Targets">The target pods.</param>
[GenerateSerializer, Immutable, Alias(Aliases.UnstartedPublish)]
public sealed record UnstartedPublish(
    [property: Id(0)] OperationId Operation, [property: Id(1)] Generation Generation, [property: Id(2)] IReadOnlyList<PodName> Targets);

/// <summary>What is asked of a version, and what the world reports about it.</summary>
public abstract record VersionCommand
{
    private VersionCommand()
    {
    }

    /// <summary>Have it prepared on its source pod.</summary>
    /// <param name="Operation">The operation it belongs to.</param>
    /// <param name="Family">What kind of pod can run it.</param>
    /// <param name="Pod">The source pod.</param>
    /// <param name="Source">What is taken on the source pod.</param>
    /// <param name="From">The version it was made from; null: none.</param>
    /// <param name="Description">Free text.</param>
    public sealed record BeginImport(OperationId Operation, string Family, PodName Pod, SourceRef Source, VersionName? From, string Description) : VersionCommand;

    /// <summary>The source pod sealed the source.</summary>
    /// <param name="Operation">The import.</param>
    /// <param name="Content">What the bytes are.</param>
    /// <param name="Receipt">The proof of the read-back.</param>
    public sealed record Prepared(OperationId Operation, ContentDescription Content, Receipt Receipt) : VersionCommand;

    /// <summary>The source pod gave up.</summary>
    /// <param name="Operation">The import.</param>
    /// <param name="Fault">What went wrong, with the next step.</param>
    public sealed record PrepareFailed(OperationId Operation, ConnectorFault Fault) : VersionCommand;

    /// <summary>Stop an import that has not ended.</summary>
    /// <param name="Operation">The import.</param>
    public sealed record CancelImport(OperationId Operation) : VersionCommand;

    /// <summary>A failed import is tried again, from the same source.</summary>
    /// <param name="Operation">The import.</param>
    public sealed record RetryImport(OperationId Operation) : VersionCommand;

    /// <summary>Publish, or go on with a publish that is retried.</summary>
    /// <param name="Operation">The publish.</param>
    /// <param name="Targets">Its frozen targets.</param>
    /// <param name="Ordered">The generation of its order, when it is retried: refused when the version was imported anew since.</param>
    public sealed record BeginPublish(OperationId Operation, IReadOnlyList<PodName> Targets, Generation? Ordered = null) : VersionCommand;

    /// <summary>A publish has stored its order.</summary>
    /// <param name="Operation">The publish.</param>
    public sealed record PublishStarted(OperationId Operation) : VersionCommand;

    /// <summary>A publish tells how its targets stand.</summary>
    /// <param name="Operation">The publish.</param>
    /// <param name="Outcomes">How its targets stand.</param>
    public sealed record TargetsChanged(OperationId Operation, IReadOnlyDictionary<PodName, TargetOutcome> Outcomes) : VersionCommand;

    /// <summary>A publish ended; the last outcomes come with it.</summary>
    /// <param name="Operation">The publish.</param>
    /// <param name="WasCancelled">Whether somebody stopped it.</param>
    /// <param name="Outcomes">How its targets stand.</param>
    public sealed record PublishEnded(OperationId Operation, bool WasCancelled, IReadOnlyDictionary<PodName, TargetOutcome> Outcomes) : VersionCommand;

    /// <summary>Stop new use.</summary>
    public sealed record Disable : VersionCommand;

    /// <summary>Allow new use again.</summary>
    public sealed record Enable : VersionCommand;

    /// <summary>Remove every copy.</summary>
    /// <param name="Operation">The delete.</param>
    public sealed record BeginDelete(OperationId Operation) : VersionCommand;

    /// <summary>A pod removed its copy.</summary>
    /// <param name="Pod">Which pod.</param>
    public sealed record CopyRemoved(PodName Pod) : VersionCommand;

    /// <summary>The available copy of a target was found gone or damaged.</summary>
    /// <param name="Pod">Which target.</param>
    /// <param name="Revision">Of the copy: an older word than heard before changes nothing.</param>
    /// <param name="Ordered">The copy's generation: a word about a copy of an earlier import changes nothing.</param>
    public sealed record CopyLost(PodName Pod, long Revision, Generation Ordered) : VersionCommand;

    /// <summary>A lost copy was repaired, or made anew.</summary>
    /// <param name="Pod">Which target.</param>
    /// <param name="Revision">Of the copy, as above.</param>
    /// <param name="Ordered">As above.</param>
    public sealed record CopyRestored(PodName Pod, long Revision, Generation Ordered) : VersionCommand;

    /// <summary>A lost copy was to be made anew, and nobody wants it any more.</summary>
    /// <param name="Pod">Which target.</param>
    /// <param name="Revision">Of the copy, as above.</param>
    /// <param name="Ordered">As above.</param>
    public sealed record CopyLetGo(PodName Pod, long Revision, Generation Ordered) : VersionCommand;
}

/// <summary>What happened to a version.</summary>
public abstract record VersionEvent
{
    private VersionEvent()
    {
    }

    /// <summary>An import was registered.</summary>
    /// <param name="Operation">The import.</param>
    /// <param name="Family">What kind of pod can run it.</param>
    /// <param name="Pod">The source pod.</param>
    /// <param name="Source">What is taken on the source pod.</param>
    /// <param name="From">The version it was made from; null: none.</param>
    /// <param name="Description">Free text.</param>
    public sealed record ImportBegan(OperationId Operation, string Family, PodName Pod, SourceRef Source, VersionName? From, string Description) : VersionEvent;

    /// <summary>It is prepared and can be published.</summary>
    /// <param name="Content">What the bytes are.</param>
    /// <param name="Receipt">The proof of the read-back.</param>
    public sealed record BecameComplete(ContentDescription Content, Receipt Receipt) : VersionEvent;

    /// <summary>The import failed.</summary>
    /// <param name="Fault">What went wrong, with the next step.</param>
    public sealed record ImportFailed(ConnectorFault Fault) : VersionEvent;

    /// <summary>The import was stopped.</summary>
    public sealed record ImportCancelled : VersionEvent;

    /// <summary>The import begins again.</summary>
    public sealed record ImportRetried : VersionEvent;

    /// <summary>A publish was accepted, or goes on after a retry.</summary>
    /// <param name="Operation">The publish.</param>
    /// <param name="Targets">The target pods.</param>
    public sealed record PublishBegan(OperationId Operation, IReadOnlyList<PodName> Targets) : VersionEvent;

    /// <summary>A publish has a record of its own from now on.</summary>
    /// <param name="Operation">The publish.</param>
    public sealed record PublishStored(OperationId Operation) : VersionEvent;

    /// <summary>Targets stand in another way.</summary>
    /// <param name="Outcomes">How its targets stand.</param>
    public sealed record OutcomesChanged(IReadOnlyDictionary<PodName, TargetOutcome> Outcomes) : VersionEvent;

    /// <summary>A publish ended.</summary>
    /// <param name="Operation">The publish.</param>
    /// <param name="WasCancelled">Whether somebody stopped it.</param>
    public sealed record PublishClosed(OperationId Operation, bool WasCancelled) : VersionEvent;

    /// <summary>New use was stopped.</summary>
    public sealed record WasDisabled : VersionEvent;

    /// <summary>New use was allowed again.</summary>
    public sealed record WasEnabled : VersionEvent;

    /// <summary>A delete was asked.</summary>
    /// <param name="Operation">The delete.</param>
    public sealed record DeleteBegan(OperationId Operation) : VersionEvent;

    /// <summary>A pod has no copy any more.</summary>
    /// <param name="Pod">Which pod.</param>
    public sealed record CopyGone(PodName Pod) : VersionEvent;

    /// <summary>A target's copy was found gone or damaged: it counts as failed until it is repaired.</summary>
    /// <param name="Pod">Which target.</param>
    /// <param name="Revision">Of the copy.</param>
    public sealed record CopyWasLost(PodName Pod, long Revision) : VersionEvent;

    /// <summary>A lost copy is available again.</summary>
    /// <param name="Pod">Which target.</param>
    /// <param name="Revision">Of the copy.</param>
    public sealed record CopyIsBack(PodName Pod, long Revision) : VersionEvent;

    /// <summary>A lost copy is wanted no more: the pod is no target, unless an open publish still says so.</summary>
    /// <param name="Pod">Which target.</param>
    /// <param name="Revision">Of the copy.</param>
    public sealed record CopyWasLetGo(PodName Pod, long Revision) : VersionEvent;

    /// <summary>What had failed in a publish that is open is tried again.</summary>
    /// <param name="Pods">Which targets.</param>
    public sealed record TargetsReopened(IReadOnlyList<PodName> Pods) : VersionEvent;
}

/// <summary>What to do next about a version.</summary>
public abstract record VersionStep
{
    private VersionStep()
    {
    }

    /// <summary>Nothing, until somebody asks.</summary>
    public sealed record Rest : VersionStep;

    /// <summary>Ask the source pod to prepare; repeated until it reports.</summary>
    /// <param name="Pod">The source pod.</param>
    /// <param name="Source">What is taken on the source pod.</param>
    public sealed record Prepare(PodName Pod, SourceRef Source) : VersionStep;

    /// <summary>Make sure that these publishes are at work.</summary>
    /// <param name="Publishes">Their operations.</param>
    public sealed record DrivePublishes(IReadOnlyList<OperationId> Publishes) : VersionStep;

    /// <summary>Ask these pods to remove their copies; repeated until they report.</summary>
    /// <param name="Pods">Which pods.</param>
    public sealed record RemoveCopies(IReadOnlyList<PodName> Pods) : VersionStep;
}
