using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>How the targets of one shard, or of a whole publish, stand in numbers.</summary>
/// <param name="All">All targets.</param>
/// <param name="Available">Targets with a verified copy.</param>
/// <param name="Failed">Targets that were given up.</param>
/// <param name="Cancelled">Targets that were stopped.</param>
[GenerateSerializer, Immutable, Alias(Aliases.TargetTotals)]
public readonly record struct TargetTotals([property: Id(0)] int All, [property: Id(1)] int Available, [property: Id(2)] int Failed, [property: Id(3)] int Cancelled)
{
    /// <summary>Targets that have not ended.</summary>
    [JsonIgnore]
    public int Open => All - Available - Failed - Cancelled;

    /// <summary>The sum of two, number by number.</summary>
    public static TargetTotals operator +(TargetTotals a, TargetTotals b) =>
        new(a.All + b.All, a.Available + b.Available, a.Failed + b.Failed, a.Cancelled + b.Cancelled);
}

/// <summary>A publish: one version, one frozen set of targets, in shards of at most <see cref="Limits.PodsPerShard"/> pods.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.Publish)]
public sealed record Publish
{
    /// <summary>Its id.</summary>
    [Id(0)] public required OperationId Operation { get; init; }

    /// <summary>Null until it was started.</summary>
    [Id(1)] public PublishOrder? Order { get; init; }

    /// <summary>How it stands.</summary>
    [Id(2)] public OperationState State { get; init; }

    /// <summary>How each shard stands; the number of shards is frozen at the start.</summary>
    [Id(3)] public IReadOnlyList<TargetTotals> Shards { get; init; } = [];

    /// <summary>Asked to stop; shards are being told.</summary>
    [Id(4)] public bool IsCancelling { get; init; }

    /// <summary>Counts retries asked by people, so that ended shards are driven again.</summary>
    [Id(5)] public int Round { get; init; }

    /// <summary>The version has stored how it ended.</summary>
    [Id(6)] public bool IsTold { get; init; }

    /// <summary>When it was started, UTC.</summary>
    [Id(7)] public DateTimeOffset StartedAt { get; init; }

    /// <summary>When it ended, UTC; null while it runs, and again after a retry.</summary>
    [Id(8)] public DateTimeOffset? EndedAt { get; init; }

    /// <summary>What the retries were about, by round.</summary>
    [Id(9)] public RetryScope Retries { get; init; } = RetryScope.None;

    /// <summary>Counts pauses and resumes, so that pods and shards know which order is the newer one.</summary>
    [Id(10)] public int Turn { get; init; }

    /// <summary>The sum of its shards.</summary>
    [JsonIgnore]
    public TargetTotals Totals => Shards.Aggregate(default(TargetTotals), (sum, shard) => sum + shard);
}

/// <summary>Which targets were asked to be tried again in which round, so that a shard which slept through rounds opens those, and no others.</summary>
/// <param name="AllRound">The last round in which everything that had failed was meant; 0 = never.</param>
/// <param name="PodRounds">The last later round in which a pod was meant alone.</param>
[GenerateSerializer, Immutable, Alias(Aliases.RetryScope)]
public sealed record RetryScope([property: Id(0)] int AllRound, [property: Id(1)] IReadOnlyDictionary<PodName, int> PodRounds)
{
    /// <summary>No retry was asked yet.</summary>
    public static RetryScope None { get; } = new(0, new Dictionary<PodName, int>());

    /// <summary>After one more retry: of a pod, or (null) of all that failed.</summary>
    public RetryScope With(PodName? pod, int round) => pod is { } one
        ? this with { PodRounds = new Dictionary<PodName, int>(PodRounds) { [one] = round } }
        : new RetryScope(round, new Dictionary<PodName, int>());

    /// <summary>Whether a pod was meant in a round after this one.</summary>
    public bool Means(PodName pod, int after) => AllRound > after || (PodRounds.TryGetValue(pod, out var round) && round > after);
}

/// <summary>What a publish was asked to do; never changes.</summary>
/// <param name="Operation">The publish.</param>
/// <param name="Version">Which version.</param>
/// <param name="Generation">The generation of the order.</param>
/// <param name="Content">What every copy has to be.</param>
/// <param name="From">The source pod.</param>
/// <param name="Targets">The pods, frozen when it was accepted.</param>
/// <param name="By">Who asks, from where and why.</param>
/// <param name="IsUrgent">It goes before other publishes where slots or rates are short.</param>
[GenerateSerializer, Immutable, Alias(Aliases.PublishOrder)]
public sealed record PublishOrder(
    [property: Id(0)] OperationId Operation,
    [property: Id(1)] VersionId Version,
    [property: Id(2)] Generation Generation,
    [property: Id(3)] ContentDescription Content,
    [property: Id(4)] PodName From,
    [property: Id(5)] IReadOnlyList<PodName> Targets,
    [property: Id(6)] RequestedBy By,
    [property: Id(7)] bool IsUrgent = false);

/// <summary>What is asked of a publish, and what the world reports about it.</summary>
public abstract record PublishCommand
{
    private PublishCommand()
    {
    }

    /// <summary>Begin; the same order again changes nothing.</summary>
    /// <param name="Order">What was asked; frozen.</param>
    public sealed record Start(PublishOrder Order) : PublishCommand;

    /// <summary>A shard tells its sums.</summary>
    /// <param name="Shard">Its number, from 0.</param>
    /// <param name="Totals">How its targets stand, in numbers.</param>
    /// <param name="Round">The publish's retry round it is about, from 0.</param>
    public sealed record ShardChanged(int Shard, TargetTotals Totals, int Round) : PublishCommand;

    /// <summary>Begin nothing new.</summary>
    public sealed record Pause : PublishCommand;

    /// <summary>Go on.</summary>
    public sealed record Resume : PublishCommand;

    /// <summary>Stop what has not finished; keep what is available.</summary>
    public sealed record Cancel : PublishCommand;

    /// <summary>Try failed targets again.</summary>
    /// <param name="Pod">This one, or null for all. Whether it failed is the asker's to know: only sums are kept here.</param>
    public sealed record Retry(PodName? Pod = null) : PublishCommand;

    /// <summary>The version has stored how it ended.</summary>
    public sealed record VersionTold : PublishCommand;
}

/// <summary>What happened to a publish.</summary>
public abstract record PublishEvent
{
    private PublishEvent()
    {
    }

    /// <summary>It began.</summary>
    /// <param name="Order">What was asked; frozen.</param>
    public sealed record Started(PublishOrder Order) : PublishEvent;

    /// <summary>Targets of a shard ended.</summary>
    /// <param name="Shard">Its number, from 0.</param>
    /// <param name="Totals">How its targets stand, in numbers.</param>
    public sealed record ShardMoved(int Shard, TargetTotals Totals) : PublishEvent;

    /// <summary>Nothing new begins.</summary>
    public sealed record WasPaused : PublishEvent;

    /// <summary>It goes on.</summary>
    public sealed record WasResumed : PublishEvent;

    /// <summary>It is being stopped.</summary>
    public sealed record CancelBegan : PublishEvent;

    /// <summary>Every target has ended.</summary>
    /// <param name="State">How it ended.</param>
    public sealed record Ended(OperationState State) : PublishEvent;

    /// <summary>Failed targets are open again.</summary>
    /// <param name="Pod">Only this one; null: all.</param>
    public sealed record RetryBegan(PodName? Pod = null) : PublishEvent;

    /// <summary>Its version has stored how it ended.</summary>
    public sealed record WasTold : PublishEvent;
}

/// <summary>What to do next about a publish.</summary>
public abstract record PublishStep
{
    private PublishStep()
    {
    }

    /// <summary>Nothing, until somebody asks.</summary>
    public sealed record Rest : PublishStep;

    /// <summary>Make sure that these shards are at work.</summary>
    /// <param name="Shards">Their numbers, from 0.</param>
    public sealed record DriveShards(IReadOnlyList<int> Shards) : PublishStep;

    /// <summary>Have these shards stop; repeated until they have.</summary>
    /// <param name="Shards">Their numbers, from 0.</param>
    public sealed record CancelShards(IReadOnlyList<int> Shards) : PublishStep;

    /// <summary>Make sure that nothing runs for these shards; what is staged stays.</summary>
    /// <param name="Shards">Their numbers, from 0.</param>
    public sealed record HoldShards(IReadOnlyList<int> Shards) : PublishStep;

    /// <summary>Tell the version how it ended; repeated until it has stored it.</summary>
    public sealed record TellVersion : PublishStep;
}

/// <summary>The rules of a publish.</summary>
public static class PublishMachine
{
    /// <summary>A publish of which nothing is known.</summary>
    public static Publish Initial(OperationId operation) => new() { Operation = operation };

    /// <summary>The frozen targets of one shard.</summary>
    public static IReadOnlyList<PodName> TargetsOf(PublishOrder order, int shard) =>
        [.. order.Targets.Skip(shard * Limits.PodsPerShard).Take(Limits.PodsPerShard)];

    /// <summary>The order as one shard gets it, with its own targets alone: what a shard stores and hears must not grow with the whole publish.</summary>
    public static PublishOrder SliceOf(PublishOrder order, int shard) => order with { Targets = TargetsOf(order, shard) };

    /// <summary>In which shard a pod is, or null when it is no target.</summary>
    public static int? ShardOf(PublishOrder order, PodName pod)
    {
        for (var at = 0; at < order.Targets.Count; at++)
        {
            if (order.Targets[at] == pod)
            {
                return at / Limits.PodsPerShard;
            }
        }

        return null;
    }

    /// <summary>How many shards an order needs.</summary>
    public static int ShardsOf(PublishOrder order) => (order.Targets.Count + Limits.PodsPerShard - 1) / Limits.PodsPerShard;

    /// <summary>What a command leads to. A command that comes again leads to nothing; one that breaks a rule is refused.</summary>
    public static Decision<PublishEvent> Decide(Publish publish, PublishCommand command) => command switch
    {
        PublishCommand.Start c => publish.Order is null ? Of(new PublishEvent.Started(c.Order)) : Nothing,
        PublishCommand.ShardChanged c => DecideShard(publish, c),
        PublishCommand.Pause => publish.State switch
        {
            OperationState.Paused => Nothing,
            OperationState.Running when !publish.IsCancelling => Of(new PublishEvent.WasPaused()),
            _ => NotNow(publish, "paused"),
        },
        PublishCommand.Resume => publish.State switch
        {
            OperationState.Paused => Of(new PublishEvent.WasResumed()),
            OperationState.Running => Nothing,
            _ => NotNow(publish, "resumed"),
        },
        PublishCommand.Cancel => publish switch
        {
            { Order: null } => NotNow(publish, "cancelled"),
            { IsCancelling: true } or { State: OperationState.Cancelled } => Nothing,
            _ when publish.State.IsEnded() => NotNow(publish, "cancelled"),
            _ => Of(new PublishEvent.CancelBegan()),
        },
        PublishCommand.Retry c => DecideRetry(publish, c.Pod),
        PublishCommand.VersionTold => publish.State.IsEnded() && !publish.IsTold ? Of(new PublishEvent.WasTold()) : Nothing,
        _ => throw new NotSupportedException(command.ToString()),
    };

    /// <summary>The record after something happened. Takes whatever was decided; refuses nothing.</summary>
    public static Publish Evolve(Publish publish, PublishEvent happened, DateTimeOffset now) => happened switch
    {
        PublishEvent.Started e => publish with
        {
            Order = e.Order, State = OperationState.Running, StartedAt = now,
            Shards = [.. Enumerable.Range(0, ShardsOf(e.Order)).Select(n => new TargetTotals(TargetsOf(e.Order, n).Count, 0, 0, 0))],
        },
        PublishEvent.ShardMoved e => publish with { Shards = [.. publish.Shards.Select((totals, n) => n == e.Shard ? e.Totals : totals)] },
        PublishEvent.WasPaused => publish with { State = OperationState.Paused, Turn = publish.Turn + 1 },
        PublishEvent.WasResumed => publish with { State = OperationState.Running, Turn = publish.Turn + 1 },
        PublishEvent.CancelBegan => publish with { IsCancelling = true, State = OperationState.Running },
        PublishEvent.Ended e => publish with { State = e.State, EndedAt = now, IsTold = false },
        PublishEvent.RetryBegan e => publish with
        {
            State = OperationState.Running, EndedAt = null, IsTold = false, IsCancelling = false, Round = publish.Round + 1,
            Turn = publish.Turn + 1, // it may have ended while it was paused
            Retries = publish.Retries.With(e.Pod, publish.Round + 1),
            Shards = [.. publish.Shards.Select((s, n) => s with { Failed = e.Pod is null ? 0 : ShardOf(publish.Order!, e.Pod.Value) == n ? s.Failed - 1 : s.Failed })],
        },
        PublishEvent.WasTold => publish with { IsTold = true },
        _ => throw new NotSupportedException(happened.ToString()),
    };

    /// <summary>What to do now, from the record and the clock alone: so that a crash is just another start.</summary>
    public static PublishStep Next(Publish publish)
    {
        if (publish.State.IsEnded())
        {
            return publish.IsTold ? new PublishStep.Rest() : new PublishStep.TellVersion();
        }

        if (publish.Order is null)
        {
            return new PublishStep.Rest(); // never started
        }

        var open = Enumerable.Range(0, publish.Shards.Count).Where(n => publish.Shards[n].Open > 0).ToList();
        return publish switch
        {
            { IsCancelling: true } => new PublishStep.CancelShards(open),
            { State: OperationState.Paused } => new PublishStep.HoldShards(open),
            _ => new PublishStep.DriveShards(open),
        };
    }

    private static Decision<PublishEvent> DecideRetry(Publish publish, PodName? pod)
    {
        var isRunning = publish is { State: OperationState.Running, IsCancelling: false };
        if (publish.Order is null || !(isRunning || publish.State is OperationState.Failed or OperationState.PartiallySucceeded))
        {
            return NotNow(publish, "retried");
        }

        var failed = pod is null ? publish.Totals.Failed : ShardOf(publish.Order, pod.Value) is { } shard ? publish.Shards[shard].Failed : 0;
        return (failed, pod) switch
        {
            (> 0, _) => Of(new PublishEvent.RetryBegan(pod)),
            (_, null) => Nothing,
            _ => Decision<PublishEvent>.Refuse("operation.target-not-failed",
                $"Pod {pod} is no failed target of operation {publish.Operation}.", "List the operation's targets to see how each stands."),
        };
    }

    private static Decision<PublishEvent> DecideShard(Publish publish, PublishCommand.ShardChanged c)
    {
        if (publish.Order is null || publish.State.IsEnded() || c.Shard < 0 || c.Shard >= publish.Shards.Count
            || c.Round != publish.Round || publish.Shards[c.Shard] == c.Totals || publish.Shards[c.Shard].Open < c.Totals.Open)
        {
            return Nothing; // told before, or about an earlier round; inside a round targets only end, so more open ones are old news too
        }

        var moved = new PublishEvent.ShardMoved(c.Shard, c.Totals);
        var totals = publish.Totals + c.Totals;
        var before = publish.Shards[c.Shard];
        totals = new TargetTotals(totals.All - before.All, totals.Available - before.Available, totals.Failed - before.Failed, totals.Cancelled - before.Cancelled);
        return totals.Open > 0
            ? Of(moved)
            : Decision<PublishEvent>.Of(moved, new PublishEvent.Ended(EndOf(publish, totals)));
    }

    private static OperationState EndOf(Publish publish, TargetTotals totals) => totals switch
    {
        _ when publish.IsCancelling && totals.Cancelled > 0 => OperationState.Cancelled,
        var t when t.Available == t.All => OperationState.Succeeded,
        var t when t.Available > 0 => OperationState.PartiallySucceeded,
        var t when t.Failed == 0 => OperationState.Cancelled,
        _ => OperationState.Failed,
    };

    private static Decision<PublishEvent> NotNow(Publish publish, string verb) => publish.Order is null
        ? Decision<PublishEvent>.Refuse("operation.unknown", $"There is no operation {publish.Operation}.", "List the operations to see which exist.")
        : Decision<PublishEvent>.Refuse("operation.not-now", $"Operation {publish.Operation} is {Words.Shown(publish.State)} and cannot be {verb}.", "Watch it to see what it allows.");

    private static Decision<PublishEvent> Of(PublishEvent happened) => Decision<PublishEvent>.Of(happened);

    private static Decision<PublishEvent> Nothing => Decision<PublishEvent>.Nothing;
}
