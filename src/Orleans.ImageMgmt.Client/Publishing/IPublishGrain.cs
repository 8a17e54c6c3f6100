using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>One target of a publish with the progress of its copy.</summary>
/// <param name="Pod">Which pod.</param>
/// <param name="Outcome">How it ended, or open.</param>
/// <param name="State">How its copy stands.</param>
/// <param name="Fault">What went wrong last; null: nothing did.</param>
/// <param name="Tries">Tries so far.</param>
/// <param name="RetryAt">When it is tried again, UTC; null: it is not.</param>
/// <param name="Progress">How far its try is; null when none runs.</param>
/// <param name="Receipt">The proof; null until it is available.</param>
[GenerateSerializer, Immutable, Alias(Aliases.TargetView)]
public sealed record TargetView(
    [property: Id(0)] PodName Pod,
    [property: Id(1)] TargetOutcome Outcome,
    [property: Id(2)] CopyState State,
    [property: Id(3)] ConnectorFault? Fault,
    [property: Id(4)] int Tries,
    [property: Id(5)] DateTimeOffset? RetryAt,
    [property: Id(6)] CopyProgress? Progress,
    [property: Id(7)] Receipt? Receipt);

/// <summary>A publish and how it stands.</summary>
/// <param name="Publish">As it is stored.</param>
/// <param name="Targets">Those that were asked for; empty when none were.</param>
[GenerateSerializer, Immutable, Alias(Aliases.PublishView)]
public sealed record PublishView([property: Id(0)] Publish Publish, [property: Id(1)] IReadOnlyList<TargetView> Targets);

/// <summary>Keeps one publish: its frozen targets and the sums of its shards.</summary>
[Alias(Aliases.PublishGrain)]
public interface IPublishGrain : IGrainWithStringKey
{
    /// <summary>Starts it; the same order again is the same publish.</summary>
    [Alias("Start")]
    Task<Reply<OperationId>> StartAsync(PublishOrder order);

    /// <summary>How it stands; with the targets of one shard (up to <see cref="Limits.PodsPerShard"/>) when a shard is named.</summary>
    [Alias("Get"), OpenTo(CallerRoles.Viewer)]
    Task<PublishView> GetAsync(int? shard);

    /// <summary>Begins nothing new until it is resumed; what runs, ends. Refused unless it runs.</summary>
    [Alias("Pause"), OpenTo(CallerRoles.Operator)]
    Task<Reply<OperationState>> PauseAsync(RequestedBy by);

    /// <summary>Goes on after a pause. Refused when it has ended.</summary>
    [Alias("Resume"), OpenTo(CallerRoles.Operator)]
    Task<Reply<OperationState>> ResumeAsync(RequestedBy by);

    /// <summary>Stops what has not finished; keeps copies that are available. Refused when it has ended.</summary>
    [Alias("Cancel"), OpenTo(CallerRoles.Operator)]
    Task<Reply<OperationState>> CancelAsync(RequestedBy by);

    /// <summary>Tries failed targets again: all, or one pod.</summary>
    [Alias("Retry"), OpenTo(CallerRoles.Operator)]
    Task<Reply<OperationState>> RetryAsync(RequestedBy by, PodName? pod = null);

    /// <summary>A shard tells its sums.</summary>
    [Alias("ShardChanged")]
    Task ShardChangedAsync(int shard, TargetTotals totals, int round);

    /// <summary>Goes on with whatever is unfinished; harmless at any time.</summary>
    [Alias("Drive")]
    Task DriveAsync();
}

/// <summary>Keeps a slice of a publish's targets and drives their pods.</summary>
[Alias(Aliases.ShardGrain)]
public interface IShardGrain : IGrainWithStringKey
{
    /// <summary>Be at work on this slice; harmless at any time.</summary>
    [Alias("Drive")]
    Task DriveAsync(PublishOrder order, int round, RetryScope? retries = null, int turn = 0);

    /// <summary>Nothing shall run until a later turn; what is staged stays.</summary>
    [Alias("Hold")]
    Task HoldAsync(PublishOrder order, int round, RetryScope? retries, int turn);

    /// <summary>Stop; repeated until every target has ended.</summary>
    [Alias("Cancel")]
    Task CancelAsync(PublishOrder order, int round, RetryScope? retries = null);

    /// <summary>A pod tells how its copy stands.</summary>
    [Alias("Report")]
    Task ReportAsync(CopyStanding standing);

    /// <summary>Targets with live progress, asked from the pods.</summary>
    [Alias("GetTargets")]
    Task<IReadOnlyList<TargetView>> GetTargetsAsync();

    /// <summary>How each target ended or stands, from the shard's own record.</summary>
    [Alias("GetOutcomes")]
    Task<IReadOnlyDictionary<PodName, TargetOutcome>> GetOutcomesAsync();
}
