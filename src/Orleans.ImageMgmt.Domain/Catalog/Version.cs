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
    [Id(0)] public required VersionId Id { get; init; }

    /// <summary>False until an import registered it.</summary>
    [Id(1)] public bool Exists { get; init; }

    [Id(2)] public string Family { get; init; } = "";

    [Id(3)] public PodName? SourcePod { get; init; }

    [Id(4)] public SourceRef? Source { get; init; }

    /// <summary>The version it was made from, or null for the first.</summary>
    [Id(5)] public VersionName? From { get; init; }

    [Id(6)] public string Description { get; init; } = "";

    /// <summary>Rises with every new intent: import, publish, delete.</summary>
    [Id(7)] public Generation Generation { get; init; }

    [Id(8)] public OperationId? Import { get; init; }

    [Id(9)] public OperationState ImportState { get; init; }

    [Id(10)] public ContentDescription? Content { get; init; }

    [Id(11)] public Receipt? SourceReceipt { get; init; }

    /// <summary>Why it failed, where it did.</summary>
    [Id(12)] public ConnectorFault? Fault { get; init; }

    /// <summary>How each target stands, over all publishes.</summary>
    [Id(13)] public IReadOnlyDictionary<PodName, TargetOutcome> Targets { get; init; } = new Dictionary<PodName, TargetOutcome>();

    /// <summary>Publishes that have not ended.</summary>
    [Id(14)] public IReadOnlyList<OperationId> OpenPublishes { get; init; } = [];

    [Id(15)] public bool IsDisabled { get; init; }

    [Id(16)] public OperationId? Delete { get; init; }

    /// <summary>Pods that still have to remove their copy.</summary>
    [Id(17)] public IReadOnlyList<PodName> Removing { get; init; } = [];

    [Id(18)] public bool IsDeleted { get; init; }

    [Id(19)] public DateTimeOffset CreatedAt { get; init; }

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

    /// <summary>Targets whose copy was found damaged or gone, with the copy's revision when that, or its repair, was heard last.</summary>
    [Id(27)] public IReadOnlyDictionary<PodName, long> LostCopies { get; init; } = new Dictionary<PodName, long>();

    /// <summary>What is going on, derived from the rest.</summary>
    [JsonIgnore]
    public VersionStatus Status => VersionMachine.StatusOf(this);

    /// <summary>Not disabled, and at least one target holds an available copy. (Whether such a pod is connected is added by the catalog.)</summary>
    [JsonIgnore]
    public bool IsUsable => Exists && !IsDisabled && Delete is null && Targets.Values.Any(t => t == TargetOutcome.Available);
}

/// <summary>The frozen part of a publish that its version keeps until the publish has stored it.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.UnstartedPublish)]
public sealed record UnstartedPublish(
    [property: Id(0)] OperationId Operation, [property: Id(1)] Generation Generation, [property: Id(2)] IReadOnlyList<PodName> Targets);

public abstract record VersionCommand
{
    private VersionCommand()
    {
    }

    public sealed record BeginImport(OperationId Operation, string Family, PodName Pod, SourceRef Source, VersionName? From, string Description) : VersionCommand;

    public sealed record Prepared(OperationId Operation, ContentDescription Content, Receipt Receipt) : VersionCommand;

    public sealed record PrepareFailed(OperationId Operation, ConnectorFault Fault) : VersionCommand;

    public sealed record CancelImport(OperationId Operation) : VersionCommand;

    /// <summary>A failed import is tried again, from the same source.</summary>
    public sealed record RetryImport(OperationId Operation) : VersionCommand;

    /// <summary>Publish, or go on with a publish that is retried.</summary>
    /// <param name="Operation">The publish.</param>
    /// <param name="Targets">Its frozen targets.</param>
    /// <param name="Ordered">The generation of its order, when it is retried: refused when the version was imported anew since.</param>
    public sealed record BeginPublish(OperationId Operation, IReadOnlyList<PodName> Targets, Generation? Ordered = null) : VersionCommand;

    /// <summary>A publish has stored its order.</summary>
    public sealed record PublishStarted(OperationId Operation) : VersionCommand;

    /// <summary>A publish tells how its targets stand.</summary>
    public sealed record TargetsChanged(OperationId Operation, IReadOnlyDictionary<PodName, TargetOutcome> Outcomes) : VersionCommand;

    /// <summary>A publish ended; the last outcomes come with it.</summary>
    public sealed record PublishEnded(OperationId Operation, bool WasCancelled, IReadOnlyDictionary<PodName, TargetOutcome> Outcomes) : VersionCommand;

    public sealed record Disable : VersionCommand;

    public sealed record Enable : VersionCommand;

    /// <summary>Remove every copy.</summary>
    public sealed record BeginDelete(OperationId Operation) : VersionCommand;

    public sealed record CopyRemoved(PodName Pod) : VersionCommand;

    /// <summary>The available copy of a target was found gone or damaged.</summary>
    /// <param name="Pod">Which target.</param>
    /// <param name="Revision">Of the copy: an older word than heard before changes nothing.</param>
    public sealed record CopyLost(PodName Pod, long Revision) : VersionCommand;

    /// <summary>A lost copy was repaired.</summary>
    public sealed record CopyRestored(PodName Pod, long Revision) : VersionCommand;
}

public abstract record VersionEvent
{
    private VersionEvent()
    {
    }

    public sealed record ImportBegan(OperationId Operation, string Family, PodName Pod, SourceRef Source, VersionName? From, string Description) : VersionEvent;

    public sealed record BecameComplete(ContentDescription Content, Receipt Receipt) : VersionEvent;

    public sealed record ImportFailed(ConnectorFault Fault) : VersionEvent;

    public sealed record ImportCancelled : VersionEvent;

    public sealed record ImportRetried : VersionEvent;

    public sealed record PublishBegan(OperationId Operation, IReadOnlyList<PodName> Targets) : VersionEvent;

    public sealed record PublishStored(OperationId Operation) : VersionEvent;

    public sealed record OutcomesChanged(IReadOnlyDictionary<PodName, TargetOutcome> Outcomes) : VersionEvent;

    public sealed record PublishClosed(OperationId Operation, bool WasCancelled) : VersionEvent;

    public sealed record WasDisabled : VersionEvent;

    public sealed record WasEnabled : VersionEvent;

    public sealed record DeleteBegan(OperationId Operation) : VersionEvent;

    public sealed record CopyGone(PodName Pod) : VersionEvent;

    public sealed record CopyWasLost(PodName Pod, long Revision) : VersionEvent;

    public sealed record CopyIsBack(PodName Pod, long Revision) : VersionEvent;
}

public abstract record VersionStep
{
    private VersionStep()
    {
    }

    public sealed record Rest : VersionStep;

    /// <summary>Ask the source pod to prepare; repeated until it reports.</summary>
    public sealed record Prepare(PodName Pod, SourceRef Source) : VersionStep;

    /// <summary>Make sure that these publishes are at work.</summary>
    public sealed record DrivePublishes(IReadOnlyList<OperationId> Publishes) : VersionStep;

    /// <summary>Ask these pods to remove their copies; repeated until they report.</summary>
    public sealed record RemoveCopies(IReadOnlyList<PodName> Pods) : VersionStep;
}
