using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

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
    /// <summary>The sealed copy on the pod the image was imported from; no target.</summary>
    Source,

    /// <summary>A publish wants it here.</summary>
    Target,
}

/// <summary>One version on one pod. The pod grain's record of it is the truth.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.Copy)]
public sealed record Copy
{
    /// <summary>Of which version.</summary>
    [Id(0)] public required VersionId Version { get; init; }

    /// <summary>On which pod.</summary>
    [Id(1)] public required PodName Pod { get; init; }

    /// <summary>Why the pod holds it.</summary>
    [Id(2)] public CopyRole Role { get; init; }

    /// <summary>How it stands.</summary>
    [Id(3)] public CopyState State { get; init; }

    /// <summary>The newest intent; never falls.</summary>
    [Id(4)] public Generation Generation { get; init; }

    /// <summary>Rises with every try and every retry by a person, over all generations; results of an older one are ignored.</summary>
    [Id(5)] public int Attempt { get; init; }

    /// <summary>Tries that count against the limit: since the last intent or the last retry by a person.</summary>
    [Id(6)] public int Tries { get; init; }

    /// <summary>From when the retry limit in time is counted.</summary>
    [Id(7)] public DateTimeOffset WantedAt { get; init; }

    /// <summary>When the next try may begin, UTC; null: none waits.</summary>
    [Id(8)] public DateTimeOffset? RetryAt { get; init; }

    /// <summary>Why the last try failed; null: it did not.</summary>
    [Id(9)] public ConnectorFault? Fault { get; init; }

    /// <summary>The proof of the final copy; null until there is one.</summary>
    [Id(10)] public Receipt? Receipt { get; init; }

    /// <summary>What its bytes have to be; null on the source pod until the source is sealed.</summary>
    [Id(11)] public ContentDescription? Content { get; init; }

    /// <summary>What to prepare, on the source pod.</summary>
    [Id(12)] public SourceRef? Source { get; init; }

    /// <summary>From which pod the content comes.</summary>
    [Id(13)] public PodName? From { get; init; }

    /// <summary>Operations that want this copy and hear how it ends.</summary>
    [Id(14)] public IReadOnlyList<OperationId> WantedBy { get; init; } = [];

    /// <summary>When this record last changed, UTC.</summary>
    [Id(15)] public DateTimeOffset ChangedAt { get; init; }

    /// <summary>The removal takes a final copy too, not only what is staged.</summary>
    [Id(16)] public bool DeletesFinal { get; init; }

    /// <summary>Operations that were cancelled here: a late order of one of them must not bring the copy back.</summary>
    [Id(17)] public IReadOnlyList<OperationId> LetGo { get; init; } = [];

    /// <summary>The generation at which the version was last deleted here: an order from before it is stale.</summary>
    [Id(18)] public Generation DeletedGeneration { get; init; }

    /// <summary>Counts every change, so that of two stored records of this copy the newer one is known.</summary>
    [Id(19)] public long Revision { get; init; }

    /// <summary>What the read-back that quarantined it found; null for any other copy.</summary>
    [Id(20)] public ContentDamage? Damage { get; init; }

    /// <summary>When the damage was found.</summary>
    [Id(21)] public DateTimeOffset? DamagedAt { get; init; }

    /// <summary>The last read-back that was asked for, by a person or by the scrub.</summary>
    [Id(22)] public CopyCheck? Check { get; init; }

    /// <summary>Quarantined, and being made whole.</summary>
    [Id(23)] public bool IsRepairing { get; init; }

    /// <summary>The version has to hear of a loss or a repair; repeated until it answers.</summary>
    [Id(24)] public bool IsUntold { get; init; }

    /// <summary>Operations that were paused here or went on after a pause; of each the newest word.</summary>
    [Id(25)] public IReadOnlyList<CopyHold> Holds { get; init; } = [];

    /// <summary>Somebody who wants it is in a hurry.</summary>
    [Id(26)] public bool IsUrgent { get; init; }

    /// <summary>Where the trace of the newest request for it goes on, as W3C <c>traceparent</c>; null: it was not traced. Nothing is decided by it.</summary>
    [Id(27), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Trace { get; init; }

    /// <summary>An import was given up here: when what a try of it may have left behind is removed next; null: nothing is.</summary>
    [Id(28), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? ClearAt { get; init; }

    /// <summary>Everybody who wants it has paused: it waits, with what is staged.</summary>
    [JsonIgnore]
    public bool IsHeld => WantedBy.Count > 0 && WantedBy.All(o => Holds.Any(h => h.Operation == o && h.IsHeld));

    /// <summary>Somebody works on it or will: the hot part of a pod's state.</summary>
    [JsonIgnore]
    public bool IsHot => IsMoving || IsUntold || ClearAt is not null || Check is { IsOpen: true } || (State == CopyState.Quarantined && (IsRepairing || RetryAt is not null));

    /// <summary>In the queue or at work, with no final copy to show.</summary>
    [JsonIgnore]
    public bool IsMoving => State is CopyState.Pending or CopyState.Preparing or CopyState.Replicating or CopyState.Finalising
        or CopyState.RetryPending or CopyState.Deleting;

    /// <summary>Takes up one of the pod's slots.</summary>
    [JsonIgnore]
    public bool HoldsSlot => State is CopyState.Preparing or CopyState.Replicating or CopyState.Finalising || IsRepairing;
}

/// <summary>What an operation last said about a pause.</summary>
/// <param name="Operation">Who.</param>
/// <param name="Turn">Counts the pauses and resumes of the operation, so that an order from before one that was heard changes nothing.</param>
/// <param name="IsHeld">Paused, or going on.</param>
[GenerateSerializer, Immutable, Alias(Aliases.CopyHold)]
public sealed record CopyHold([property: Id(0)] OperationId Operation, [property: Id(1)] int Turn, [property: Id(2)] bool IsHeld);

/// <summary>What happened to a copy.</summary>
public abstract record CopyEvent
{
    private CopyEvent()
    {
    }

    /// <summary>An operation wants this content here.</summary>
    /// <param name="Generation">The generation of the order.</param>
    /// <param name="Operation">The operation it belongs to.</param>
    /// <param name="Content">What the bytes are.</param>
    /// <param name="From">Where it comes from.</param>
    /// <param name="IsUrgent">It goes before others.</param>
    public sealed record Wanted(Generation Generation, OperationId Operation, ContentDescription Content, PodName From, bool IsUrgent = false) : CopyEvent;

    /// <summary>An import wants this source sealed here.</summary>
    /// <param name="Generation">The generation of the order.</param>
    /// <param name="Operation">The operation it belongs to.</param>
    /// <param name="Source">What is taken on the source pod.</param>
    public sealed record WantedPrepared(Generation Generation, OperationId Operation, SourceRef Source) : CopyEvent;

    /// <summary>A newer intent for what is already here or on its way.</summary>
    /// <param name="Generation">The generation of the order.</param>
    /// <param name="Operation">The operation it belongs to.</param>
    /// <param name="IsUrgent">It goes before others.</param>
    public sealed record Joined(Generation Generation, OperationId Operation, bool IsUrgent = false) : CopyEvent;

    /// <summary>An operation that wants it was paused.</summary>
    /// <param name="Operation">The operation it belongs to.</param>
    /// <param name="Turn">See <see cref="CopyHold"/>.</param>
    /// <param name="IsFinalising">All bytes were there and were being proved: that is left to end.</param>
    public sealed record WasHeld(OperationId Operation, int Turn, bool IsFinalising) : CopyEvent;

    /// <summary>An operation that wants it was resumed.</summary>
    /// <param name="Operation">The operation it belongs to.</param>
    /// <param name="Turn">See <see cref="CopyHold"/>.</param>
    public sealed record WentOn(OperationId Operation, int Turn) : CopyEvent;

    /// <summary>It got a slot; a try began.</summary>
    public sealed record Started : CopyEvent;

    /// <summary>Every chunk is here.</summary>
    public sealed record AllStaged : CopyEvent;

    /// <summary>It is final, and its read-back is proved.</summary>
    /// <param name="Receipt">The proof of the read-back.</param>
    /// <param name="Content">What the bytes are.</param>
    public sealed record BecameAvailable(Receipt Receipt, ContentDescription Content) : CopyEvent;

    /// <summary>A try failed; another follows.</summary>
    /// <param name="Fault">What went wrong, with the next step.</param>
    /// <param name="At">When the next try may begin.</param>
    public sealed record WillRetry(ConnectorFault Fault, DateTimeOffset At) : CopyEvent;

    /// <summary>No more tries.</summary>
    /// <param name="Fault">What went wrong, with the next step.</param>
    public sealed record GaveUp(ConnectorFault Fault) : CopyEvent;

    /// <summary>What a given-up import may have left here is gone.</summary>
    public sealed record Cleared : CopyEvent;

    /// <summary>It could not be removed; it goes on until it can.</summary>
    /// <param name="At">When.</param>
    public sealed record WillClearAgain(DateTimeOffset At) : CopyEvent;

    /// <summary>A person asked to try again.</summary>
    /// <param name="Operation">The operation it belongs to.</param>
    public sealed record Rejoined(OperationId Operation) : CopyEvent;

    /// <summary>One of several operations let go.</summary>
    /// <param name="Operation">The operation it belongs to.</param>
    /// <param name="Generation">Of the import that was cancelled; null: a publish.</param>
    public sealed record Released(OperationId Operation, Generation? Generation = null) : CopyEvent;

    /// <summary>It has to go; <paramref name="Operation"/> let go of it, where a cancel was the reason.</summary>
    /// <param name="Generation">The generation of the order.</param>
    /// <param name="Final">Takes a finished copy too, not only what is staged.</param>
    /// <param name="Operation">The operation that was cancelled; null: it was a delete.</param>
    public sealed record Removing(Generation Generation, bool Final, OperationId? Operation = null) : CopyEvent;

    /// <summary>Removing did not work; it goes on until it does.</summary>
    /// <param name="Fault">What went wrong, with the next step.</param>
    /// <param name="At">When the next try may begin.</param>
    public sealed record WillRemoveAgain(ConnectorFault Fault, DateTimeOffset At) : CopyEvent;

    /// <summary>Nothing of it is here any more.</summary>
    public sealed record Gone : CopyEvent;

    /// <summary>Nothing is here to delete; orders from before the delete are stale all the same.</summary>
    /// <param name="Generation">The generation of the order.</param>
    public sealed record Fenced(Generation Generation) : CopyEvent;

    /// <summary>It is read back again.</summary>
    /// <param name="Operation">Who asked; null for the scrub.</param>
    public sealed record VerifyBegan(OperationId? Operation) : CopyEvent;

    /// <summary>It was read back and is whole.</summary>
    /// <param name="Receipt">The proof of the read-back.</param>
    public sealed record ReadBackWhole(Receipt Receipt) : CopyEvent;

    /// <summary>The read-back could not be made; the copy counts as it did.</summary>
    /// <param name="Fault">What went wrong, with the next step.</param>
    public sealed record NotReadBack(ConnectorFault Fault) : CopyEvent;

    /// <summary>It was found damaged and is not used.</summary>
    /// <param name="Fault">What went wrong, with the next step.</param>
    public sealed record WasQuarantined(ConnectorFault Fault) : CopyEvent;

    /// <summary>A person asks for the repair of what was given up, or joins it.</summary>
    /// <param name="Operation">Who asked.</param>
    public sealed record RepairWanted(OperationId Operation) : CopyEvent;

    /// <summary>A try of the repair began.</summary>
    public sealed record RepairBegan : CopyEvent;

    /// <summary>A try of the repair failed; another follows.</summary>
    /// <param name="Fault">What went wrong, with the next step.</param>
    /// <param name="At">When.</param>
    public sealed record WillRepairAgain(ConnectorFault Fault, DateTimeOffset At) : CopyEvent;

    /// <summary>It stays as it is until a person asks.</summary>
    /// <param name="Fault">What went wrong, with the next step.</param>
    public sealed record RepairGivenUp(ConnectorFault Fault) : CopyEvent;

    /// <summary>It is whole again.</summary>
    /// <param name="Receipt">The proof of the read-back.</param>
    public sealed record WasRepaired(Receipt Receipt) : CopyEvent;

    /// <summary>The version has stored the loss or the repair.</summary>
    public sealed record VersionKnows : CopyEvent;
}

/// <summary>What to do next about a copy.</summary>
public abstract record CopyStep
{
    private CopyStep()
    {
    }

    /// <summary>Nothing, until somebody asks.</summary>
    public sealed record Rest : CopyStep;

    /// <summary>Nothing before that time.</summary>
    /// <param name="Until">The time, UTC.</param>
    public sealed record Wait(DateTimeOffset Until) : CopyStep;

    /// <summary>Give it a slot when one is free.</summary>
    public sealed record AwaitSlot : CopyStep;

    /// <summary>Stop trying: the time for retries is over.</summary>
    public sealed record GiveUp : CopyStep;

    /// <summary>Have the connector seal the source.</summary>
    /// <param name="Source">What is taken on the source pod.</param>
    public sealed record Prepare(SourceRef Source) : CopyStep;

    /// <summary>Receive what is missing, then finalise.</summary>
    /// <param name="Content">What the bytes are.</param>
    /// <param name="From">Where it comes from.</param>
    public sealed record Receive(ContentDescription Content, PodName From) : CopyStep;

    /// <summary>Make what is staged durable and read it back.</summary>
    /// <param name="Content">What the bytes are.</param>
    public sealed record Finalise(ContentDescription Content) : CopyStep;

    /// <summary>Have the connector remove it.</summary>
    /// <param name="Final">Takes a finished copy too, not only what is staged.</param>
    public sealed record Remove(bool Final) : CopyStep;

    /// <summary>Read a final copy back.</summary>
    /// <param name="IsScrub">Nobody waits for it: it yields to transfers and keeps to its rate.</param>
    public sealed record Verify(bool IsScrub) : CopyStep;

    /// <summary>Fetch what is damaged from another pod's copy, then read back.</summary>
    /// <param name="Content">What it has to be.</param>
    /// <param name="Tries">Which try it is: each begins with another pod.</param>
    public sealed record Repair(ContentDescription Content, int Tries) : CopyStep;

    /// <summary>Tell the version how it stands, until it has stored that.</summary>
    public sealed record Tell : CopyStep;
}
