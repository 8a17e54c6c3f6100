using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>One target in a shard.</summary>
/// <param name="Pod">Which pod.</param>
/// <param name="Outcome">How it ended, or open.</param>
/// <param name="Fault">What went wrong last; null: nothing did.</param>
/// <param name="Tries">Tries of its copy so far.</param>
/// <param name="IsRetryAsked">A person asked to try again, and the pod has not heard of it yet.</param>
/// <param name="Attempt">The copy's attempt that was heard of last; 0: none.</param>
[GenerateSerializer, Immutable, Alias(Aliases.ShardTarget)]
public sealed record ShardTarget(
    [property: Id(0)] PodName Pod,
    [property: Id(1)] TargetOutcome Outcome,
    [property: Id(2)] ConnectorFault? Fault,
    [property: Id(3)] int Tries,
    [property: Id(4)] bool IsRetryAsked = false,
    [property: Id(5)] int Attempt = 0);

/// <summary>A slice of a publish's targets. Can always be rebuilt by asking the pods.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.Shard)]
public sealed record Shard
{
    /// <summary>Its number in the publish, from 0.</summary>
    [Id(0)] public required int Index { get; init; }

    /// <summary>What was asked; null until it was driven for the first time.</summary>
    [Id(1)] public PublishOrder? Order { get; init; }

    /// <summary>Its targets, in the order's order; at most <see cref="Limits.PodsPerShard"/>.</summary>
    [Id(2)] public IReadOnlyList<ShardTarget> Targets { get; init; } = [];

    /// <summary>Asked to stop.</summary>
    [Id(3)] public bool IsCancelling { get; init; }

    /// <summary>The retry round it is in, from 0.</summary>
    [Id(4)] public int Round { get; init; }

    /// <summary>Pauses and resumes of the publish up to the newest order that was heard.</summary>
    [Id(5)] public int Turn { get; init; }

    /// <summary>Nothing runs until a later turn.</summary>
    [Id(6)] public bool IsPaused { get; init; }

    /// <summary>Its targets in numbers.</summary>
    [JsonIgnore]
    public TargetTotals Totals => new(Targets.Count, Count(TargetOutcome.Available), Count(TargetOutcome.Failed), Count(TargetOutcome.Cancelled));

    private int Count(TargetOutcome outcome) => Targets.Count(t => t.Outcome == outcome);
}

/// <summary>What is asked of a shard, and what the world reports about it.</summary>
public abstract record ShardCommand
{
    private ShardCommand()
    {
    }

    /// <summary>Be at work on this slice; a higher round tries failed targets again: those that the retries mean, or all where none are given.</summary>
    /// <param name="Order">What was asked, as <see cref="PublishMachine.SliceOf"/> gives it to this shard; frozen.</param>
    /// <param name="Round">The publish's retry round it is about, from 0.</param>
    /// <param name="Retries">Which targets the retries are about; null: all that failed.</param>
    /// <param name="Turn">Pauses and resumes of the publish up to this order.</param>
    public sealed record Drive(PublishOrder Order, int Round, RetryScope? Retries = null, int Turn = 0) : ShardCommand;

    /// <summary>Nothing shall run until a later turn; what is staged stays.</summary>
    /// <param name="Order">What was asked; frozen.</param>
    /// <param name="Round">The publish's retry round it is about, from 0.</param>
    /// <param name="Retries">Which targets the retries are about; null: all that failed.</param>
    /// <param name="Turn">Pauses and resumes of the publish up to this order.</param>
    public sealed record Hold(PublishOrder Order, int Round, RetryScope? Retries, int Turn) : ShardCommand;

    /// <summary>Stop; the round is the publish's, so that the shard answers in it even when the cancel overtook the retry.</summary>
    /// <param name="Order">What was asked; frozen.</param>
    /// <param name="Round">The publish's retry round it is about, from 0.</param>
    /// <param name="Retries">Which targets the retries are about; null: all that failed.</param>
    public sealed record Cancel(PublishOrder Order, int Round = 0, RetryScope? Retries = null) : ShardCommand;

    /// <summary>A pod says how its copy stands.</summary>
    /// <param name="Pod">Which pod.</param>
    /// <param name="State">As <see cref="CopyMachine.StateFor"/> gives it for this operation.</param>
    /// <param name="Fault">The copy's fault.</param>
    /// <param name="Tries">The copy's tries.</param>
    /// <param name="Attempt">The copy's attempt: a word about an older one than heard before changes nothing; null where it is not known.</param>
    public sealed record Reported(PodName Pod, CopyState State, ConnectorFault? Fault, int Tries, int? Attempt = null) : ShardCommand;

    /// <summary>A pod refused the order for good.</summary>
    /// <param name="Pod">Which pod.</param>
    /// <param name="Fault">What went wrong, with the next step.</param>
    public sealed record Refused(PodName Pod, ConnectorFault Fault) : ShardCommand;
}

/// <summary>What happened to a shard.</summary>
public abstract record ShardEvent
{
    private ShardEvent()
    {
    }

    /// <summary>It has its targets; all are open.</summary>
    /// <param name="Order">What was asked; frozen.</param>
    /// <param name="Round">The publish's retry round it is about, from 0.</param>
    public sealed record Began(PublishOrder Order, int Round) : ShardEvent;

    /// <summary>Failed targets are open again.</summary>
    /// <param name="Round">The publish's retry round it is about, from 0.</param>
    /// <param name="Retries">Which targets the retries are about; null: all that failed.</param>
    public sealed record RoundBegan(int Round, RetryScope? Retries = null) : ShardEvent;

    /// <summary>It is being stopped.</summary>
    public sealed record CancelBegan : ShardEvent;

    /// <summary>A newer order about pauses was heard.</summary>
    /// <param name="Turn">Which.</param>
    /// <param name="IsPaused">Whether it was a pause.</param>
    public sealed record TurnBegan(int Turn, bool IsPaused) : ShardEvent;

    /// <summary>A target stands in another way.</summary>
    /// <param name="Target">How the target stands now.</param>
    public sealed record TargetMoved(ShardTarget Target) : ShardEvent;
}

/// <summary>What to do next about a shard.</summary>
public abstract record ShardStep
{
    private ShardStep()
    {
    }

    /// <summary>Nothing, until somebody asks.</summary>
    public sealed record Rest : ShardStep;

    /// <summary>Give the order to these pods, or ask how it stands; idempotent.</summary>
    /// <param name="Targets">The target pods.</param>
    public sealed record EnsureAt(IReadOnlyList<ShardTarget> Targets) : ShardStep;

    /// <summary>Tell these pods that their copies are no longer wanted; repeated until each has ended.</summary>
    /// <param name="Pods">Which pods.</param>
    public sealed record CancelAt(IReadOnlyList<PodName> Pods) : ShardStep;

    /// <summary>Have these pods stop what runs for the publish alone; repeated while it is paused.</summary>
    /// <param name="Pods">Which.</param>
    public sealed record HoldAt(IReadOnlyList<PodName> Pods) : ShardStep;
}

/// <summary>The rules of a shard.</summary>
public static class ShardMachine
{
    /// <summary>A shard of which nothing is known.</summary>
    public static Shard Initial(int index) => new() { Index = index };

    /// <summary>What a command leads to. A command that comes again leads to nothing; one that breaks a rule is refused.</summary>
    public static Decision<ShardEvent> Decide(Shard shard, ShardCommand command) => command switch
    {
        ShardCommand.Drive c => DecideDrive(shard, c.Order, c.Round, c.Retries, c.Turn, isPaused: false),
        ShardCommand.Hold c => DecideDrive(shard, c.Order, c.Round, c.Retries, c.Turn, isPaused: true),
        ShardCommand.Cancel c when shard.Order is null => Decision<ShardEvent>.Of(new ShardEvent.Began(c.Order, c.Round), new ShardEvent.CancelBegan()),
        ShardCommand.Cancel c when c.Round > shard.Round => Decision<ShardEvent>.Of(new ShardEvent.RoundBegan(c.Round, c.Retries), new ShardEvent.CancelBegan()),
        ShardCommand.Cancel c => shard.IsCancelling || c.Round < shard.Round ? Nothing : Of(new ShardEvent.CancelBegan()),
        ShardCommand.Reported c => DecideReported(shard, c),
        ShardCommand.Refused c => Find(shard, c.Pod) is { Outcome: TargetOutcome.Open } target
            ? Of(new ShardEvent.TargetMoved(target with { Outcome = TargetOutcome.Failed, Fault = c.Fault, IsRetryAsked = false })) : Nothing,
        _ => throw new NotSupportedException(command.ToString()),
    };

    /// <summary>The record after something happened. Takes whatever was decided; refuses nothing.</summary>
    public static Shard Evolve(Shard shard, ShardEvent happened) => happened switch
    {
        ShardEvent.Began e => shard with
        {
            Order = e.Order, Round = e.Round,
            Targets = [.. e.Order.Targets.Select(p => new ShardTarget(p, TargetOutcome.Open, null, 0))],
        },
        ShardEvent.RoundBegan e => shard with
        {
            Round = e.Round,
            IsCancelling = false,
            Targets = [.. shard.Targets.Select(t => t.Outcome == TargetOutcome.Failed && (e.Retries?.Means(t.Pod, shard.Round) ?? true) ? t with { Outcome = TargetOutcome.Open, IsRetryAsked = true } : t)],
        },
        ShardEvent.CancelBegan => shard with { IsCancelling = true },
        ShardEvent.TurnBegan e => shard with { Turn = e.Turn, IsPaused = e.IsPaused },
        ShardEvent.TargetMoved e => shard with { Targets = [.. shard.Targets.Select(t => t.Pod == e.Target.Pod ? e.Target : t)] },
        _ => throw new NotSupportedException(happened.ToString()),
    };

    /// <summary>What to do now, from the record and the clock alone: so that a crash is just another start.</summary>
    public static ShardStep Next(Shard shard)
    {
        var open = shard.Targets.Where(t => t.Outcome == TargetOutcome.Open).ToList();
        return (open.Count, shard.IsCancelling, shard.IsPaused) switch
        {
            (0, _, _) => new ShardStep.Rest(),
            (_, true, _) => new ShardStep.CancelAt([.. open.Select(t => t.Pod)]),
            (_, _, true) => new ShardStep.HoldAt([.. open.Select(t => t.Pod)]),
            _ => new ShardStep.EnsureAt(open),
        };
    }

    /// <summary>What a copy's state means for the publish that wants it.</summary>
    public static TargetOutcome OutcomeOf(CopyState state, bool isCancelling) => state switch
    {
        CopyState.Available => TargetOutcome.Available,
        CopyState.Failed or CopyState.Quarantined => TargetOutcome.Failed,

        // Without a cancel, a copy that is gone was deleted under the publish; it ends as cancelled too.
        CopyState.Deleted => TargetOutcome.Cancelled,
        CopyState.Deleting when !isCancelling => TargetOutcome.Cancelled,
        _ => TargetOutcome.Open,
    };

    private static Decision<ShardEvent> DecideDrive(Shard shard, PublishOrder order, int round, RetryScope? retries, int turn, bool isPaused)
    {
        var events = new List<ShardEvent>();
        if (shard.Order is null)
        {
            events.Add(new ShardEvent.Began(order, round));
        }
        else if (round > shard.Round)
        {
            events.Add(new ShardEvent.RoundBegan(round, retries));
        }

        if (turn > shard.Turn)
        {
            events.Add(new ShardEvent.TurnBegan(turn, isPaused));
        }

        return events.Count == 0 ? Nothing : Decision<ShardEvent>.Of([.. events]);
    }

    private static Decision<ShardEvent> DecideReported(Shard shard, ShardCommand.Reported c)
    {
        if (Find(shard, c.Pod) is not { } target)
        {
            return Nothing; // not one of ours
        }

        var outcome = OutcomeOf(c.State, shard.IsCancelling);
        if (target.Outcome != TargetOutcome.Open)
        {
            return Nothing; // the first end counts; a retry opens it again
        }

        if (c.Attempt < target.Attempt)
        {
            return Nothing; // overtaken on its way here
        }

        if (shard is { IsPaused: true, IsCancelling: false } && outcome == TargetOutcome.Cancelled)
        {
            return Nothing; // the pause may have come there before the order, or while an older copy is removed: the order says what it is when it goes on
        }

        var isNews = c.Attempt > target.Attempt && target.Attempt > 0;
        if (target.IsRetryAsked && outcome == TargetOutcome.Failed && !shard.IsCancelling && !isNews)
        {
            // The failure that the retry is about; the pod has not heard of the retry yet. Its number is what the retry has to name.
            return c.Attempt > target.Attempt ? Of(new ShardEvent.TargetMoved(target with { Attempt = c.Attempt.Value })) : Nothing;
        }

        if (shard.IsCancelling && c is { State: CopyState.Deleting, Tries: > 0 })
        {
            outcome = TargetOutcome.Cancelled; // removing what was staged did not work yet; the pod goes on alone, the cancel ends
        }

        var moved = target with
        {
            Outcome = outcome, Fault = outcome == TargetOutcome.Available ? null : c.Fault ?? target.Fault, Tries = c.Tries,
            IsRetryAsked = false, Attempt = c.Attempt ?? target.Attempt,
        };
        return moved == target ? Nothing : Of(new ShardEvent.TargetMoved(moved));
    }

    private static ShardTarget? Find(Shard shard, PodName pod) => shard.Targets.FirstOrDefault(t => t.Pod == pod);

    private static Decision<ShardEvent> Of(ShardEvent happened) => Decision<ShardEvent>.Of(happened);

    private static Decision<ShardEvent> Nothing => Decision<ShardEvent>.Nothing;
}
