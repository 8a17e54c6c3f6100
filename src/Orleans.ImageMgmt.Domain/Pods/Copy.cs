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
    [Id(0)] public required VersionId Version { get; init; }

    [Id(1)] public required PodName Pod { get; init; }

    [Id(2)] public CopyRole Role { get; init; }

    [Id(3)] public CopyState State { get; init; }

    /// <summary>The newest intent; never falls.</summary>
    [Id(4)] public Generation Generation { get; init; }

    /// <summary>Rises with every try and every retry by a person, over all generations; results of an older one are ignored.</summary>
    [Id(5)] public int Attempt { get; init; }

    /// <summary>Tries that count against the limit: since the last intent or the last retry by a person.</summary>
    [Id(6)] public int Tries { get; init; }

    /// <summary>From when the retry limit in time is counted.</summary>
    [Id(7)] public DateTimeOffset WantedAt { get; init; }

    [Id(8)] public DateTimeOffset? RetryAt { get; init; }

    [Id(9)] public ConnectorFault? Fault { get; init; }

    [Id(10)] public Receipt? Receipt { get; init; }

    [Id(11)] public ContentDescription? Content { get; init; }

    /// <summary>What to prepare, on the source pod.</summary>
    [Id(12)] public SourceRef? Source { get; init; }

    /// <summary>From which pod the content comes.</summary>
    [Id(13)] public PodName? From { get; init; }

    /// <summary>Operations that want this copy and hear how it ends.</summary>
    [Id(14)] public IReadOnlyList<OperationId> WantedBy { get; init; } = [];

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

    [Id(21)] public DateTimeOffset? DamagedAt { get; init; }

    /// <summary>The last read-back that was asked for, by a person or by the scrub.</summary>
    [Id(22)] public CopyCheck? Check { get; init; }

    /// <summary>Quarantined, and being made whole.</summary>
    [Id(23)] public bool IsRepairing { get; init; }

    /// <summary>The version has to hear of a loss or a repair; repeated until it answers.</summary>
    [Id(24)] public bool IsUntold { get; init; }

    /// <summary>Somebody works on it or will: the hot part of a pod's state.</summary>
    [JsonIgnore]
    public bool IsHot => IsMoving || IsUntold || Check is { IsOpen: true } || (State == CopyState.Quarantined && (IsRepairing || RetryAt is not null));

    /// <summary>In the queue or at work, with no final copy to show.</summary>
    [JsonIgnore]
    public bool IsMoving => State is CopyState.Pending or CopyState.Preparing or CopyState.Replicating or CopyState.Finalising
        or CopyState.RetryPending or CopyState.Deleting;

    /// <summary>Takes up one of the pod's slots.</summary>
    [JsonIgnore]
    public bool HoldsSlot => State is CopyState.Preparing or CopyState.Replicating or CopyState.Finalising || IsRepairing;
}

/// <summary>One read-back of a final copy that was asked for.</summary>
/// <param name="Operation">What a person asked; null for the scrub.</param>
/// <param name="AskedAt">When.</param>
/// <param name="State">How it stands.</param>
/// <param name="Fault">Why it failed.</param>
/// <param name="EndedAt">When it ended.</param>
[GenerateSerializer, Immutable, Alias(Aliases.CopyCheck)]
public sealed record CopyCheck(
    [property: Id(0)] OperationId? Operation,
    [property: Id(1)] DateTimeOffset AskedAt,
    [property: Id(2)] OperationState State,
    [property: Id(3)] ConnectorFault? Fault = null,
    [property: Id(4)] DateTimeOffset? EndedAt = null)
{
    [JsonIgnore]
    public bool IsOpen => !State.IsEnded();
}

/// <summary>What is asked of a copy, and what the world reports about it.</summary>
public abstract record CopyCommand
{
    private CopyCommand()
    {
    }

    /// <summary>An operation wants this content here.</summary>
    public sealed record Ensure(Generation Generation, OperationId Operation, ContentDescription Content, PodName From) : CopyCommand;

    /// <summary>An import wants this source sealed here.</summary>
    public sealed record EnsurePrepared(Generation Generation, OperationId Operation, SourceRef Source) : CopyCommand;

    /// <summary>A slot is free for it.</summary>
    public sealed record Start : CopyCommand;

    /// <summary>All chunks are staged.</summary>
    public sealed record Staged(int Attempt) : CopyCommand;

    /// <summary>The connector returned a receipt for it.</summary>
    public sealed record Finalised(int Attempt, Receipt Receipt) : CopyCommand;

    /// <summary>The connector sealed the source.</summary>
    public sealed record Prepared(int Attempt, ContentDescription Content, Receipt Receipt) : CopyCommand;

    /// <summary>The connector returned a fault.</summary>
    public sealed record Faulted(int Attempt, ConnectorFault Fault) : CopyCommand;

    /// <summary>The time for retries is over.</summary>
    public sealed record GiveUp : CopyCommand;

    /// <summary>A person asks to try again.</summary>
    /// <param name="Operation">The operation that was retried.</param>
    /// <param name="FailedAttempt">The attempt whose failure the retry is about, so that a request that comes twice retries once; null for any.</param>
    public sealed record Retry(OperationId Operation, int? FailedAttempt = null) : CopyCommand;

    /// <summary>An operation no longer wants it.</summary>
    public sealed record Cancel(OperationId Operation) : CopyCommand;

    /// <summary>The version is being deleted.</summary>
    public sealed record Delete(Generation Generation) : CopyCommand;

    /// <summary>The connector removed it.</summary>
    public sealed record Removed(int Attempt) : CopyCommand;

    /// <summary>Read it back again; a damaged one is repaired again.</summary>
    /// <param name="Operation">What a person asked; null for the scrub.</param>
    public sealed record Verify(OperationId? Operation) : CopyCommand;

    /// <summary>A read-back ended with a receipt.</summary>
    public sealed record Verified(int Attempt, Receipt Receipt) : CopyCommand;

    /// <summary>A look from outside found it damaged or gone.</summary>
    public sealed record Quarantine(ConnectorFault Fault) : CopyCommand;

    /// <summary>A repair read it back whole.</summary>
    public sealed record Repaired(int Attempt, Receipt Receipt) : CopyCommand;

    /// <summary>The version has stored what it was told when the copy had this revision.</summary>
    public sealed record Told(long Revision) : CopyCommand;
}

/// <summary>What happened to a copy.</summary>
public abstract record CopyEvent
{
    private CopyEvent()
    {
    }

    public sealed record Wanted(Generation Generation, OperationId Operation, ContentDescription Content, PodName From) : CopyEvent;

    public sealed record WantedPrepared(Generation Generation, OperationId Operation, SourceRef Source) : CopyEvent;

    /// <summary>A newer intent for what is already here or on its way.</summary>
    public sealed record Joined(Generation Generation, OperationId Operation) : CopyEvent;

    public sealed record Started : CopyEvent;

    public sealed record AllStaged : CopyEvent;

    public sealed record BecameAvailable(Receipt Receipt, ContentDescription Content) : CopyEvent;

    public sealed record WillRetry(ConnectorFault Fault, DateTimeOffset At) : CopyEvent;

    public sealed record GaveUp(ConnectorFault Fault) : CopyEvent;

    public sealed record Rejoined(OperationId Operation) : CopyEvent;

    /// <summary>One of several operations let go.</summary>
    public sealed record Released(OperationId Operation) : CopyEvent;

    /// <summary>It has to go; <paramref name="Operation"/> let go of it, where a cancel was the reason.</summary>
    public sealed record Removing(Generation Generation, bool Final, OperationId? Operation = null) : CopyEvent;

    /// <summary>Removing did not work; it goes on until it does.</summary>
    public sealed record WillRemoveAgain(ConnectorFault Fault, DateTimeOffset At) : CopyEvent;

    public sealed record Gone : CopyEvent;

    /// <summary>Nothing is here to delete; orders from before the delete are stale all the same.</summary>
    public sealed record Fenced(Generation Generation) : CopyEvent;

    public sealed record VerifyBegan(OperationId? Operation) : CopyEvent;

    public sealed record ReadBackWhole(Receipt Receipt) : CopyEvent;

    /// <summary>The read-back could not be made; the copy counts as it did.</summary>
    public sealed record NotReadBack(ConnectorFault Fault) : CopyEvent;

    public sealed record WasQuarantined(ConnectorFault Fault) : CopyEvent;

    /// <summary>A person asks for the repair of what was given up, or joins it.</summary>
    public sealed record RepairWanted(OperationId Operation) : CopyEvent;

    public sealed record RepairBegan : CopyEvent;

    public sealed record WillRepairAgain(ConnectorFault Fault, DateTimeOffset At) : CopyEvent;

    /// <summary>It stays as it is until a person asks.</summary>
    public sealed record RepairGivenUp(ConnectorFault Fault) : CopyEvent;

    public sealed record WasRepaired(Receipt Receipt) : CopyEvent;

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
    public sealed record Wait(DateTimeOffset Until) : CopyStep;

    /// <summary>Give it a slot when one is free.</summary>
    public sealed record AwaitSlot : CopyStep;

    public sealed record GiveUp : CopyStep;

    public sealed record Prepare(SourceRef Source) : CopyStep;

    /// <summary>Receive what is missing, then finalise.</summary>
    public sealed record Receive(ContentDescription Content, PodName From) : CopyStep;

    public sealed record Finalise(ContentDescription Content) : CopyStep;

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

/// <summary>How often and how long a copy is tried again.</summary>
/// <param name="MaxTries">Tries before a copy is <see cref="CopyState.Failed"/>. Default: 8.</param>
/// <param name="MaxTime">Time from the intent after which no new try begins. Default: 24 hours: a site may be down for a working day.</param>
/// <param name="FirstDelay">Before the second try; doubles each time. Default: 2 s.</param>
/// <param name="MaxDelay">Longest wait between two tries. Default: 5 minutes.</param>
public sealed record RetryPolicy(int MaxTries, TimeSpan MaxTime, TimeSpan FirstDelay, TimeSpan MaxDelay)
{
    public static RetryPolicy Default { get; } = new(8, TimeSpan.FromHours(24), TimeSpan.FromSeconds(2), TimeSpan.FromMinutes(5));

    public TimeSpan DelayAfter(int tries)
    {
        var factor = Math.Pow(2, Math.Clamp(tries - 1, 0, 30));
        var delay = FirstDelay.TotalMilliseconds * factor;
        return delay >= MaxDelay.TotalMilliseconds ? MaxDelay : TimeSpan.FromMilliseconds(delay);
    }
}
