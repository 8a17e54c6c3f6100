using Orleans.Concurrency;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

internal sealed class StoredPublish : Recorded
{
    public Publish? Publish { get; init; }

    protected override IEnumerable<CatalogRow> Rows() => Publish is not { Order: { } order } publish ? [] :
    [
        new OperationBody(publish.Operation, OperationBody.Publish, publish.State, order.Version, publish.Totals, null)
            .ToRow(publish.StartedAt, publish.EndedAt ?? publish.StartedAt, isUnfinished: !(publish.State.IsEnded() && publish.IsTold)),
    ];
}

[GrainType("publish"), Reentrant]
internal sealed class PublishGrain(SiloMeter meter, ImageMgmtOptions options) : DrivenGrain, IPublishGrain
{
    private readonly Gate books = new(); // the end of one round and the retry that opens the next must not overlap at the version
    private StateCell<StoredPublish> cell = null!;
    private readonly Dictionary<int, PublishCommand.ShardChanged> told = []; // by shard
    private bool isEndAsked;
    private (DateTimeOffset At, int Round, int Turn, bool IsCancelling)? asked;
    private (DateTimeOffset At, TargetTotals Totals)? versionKnows;

    protected override TimeSpan FirstBackOff => options.StepRetry;

    private OperationId Id => GrainKeys.PublishOf(this.GetPrimaryKeyString());

    private Publish Publish => cell.Current.Publish ?? PublishMachine.Initial(Id);

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        cell = new StateCell<StoredPublish>(StateStorage, "publish", this.GetGrainId());
        await cell.ReadAsync();
    }

    public async Task<Reply<OperationId>> StartAsync(PublishOrder order)
    {
        var refusal = await AcceptAsync(() => ApplyAsync([new PublishCommand.Start(order)], order.By, "publish.started"));
        return refusal is null ? Reply.Of(Id) : Reply.Refused<OperationId>(refusal);
    }

    public async Task<PublishView> GetAsync(int? shard)
    {
        var publish = Publish;
        return shard is { } n && n >= 0 && n < publish.Shards.Count
            ? new PublishView(publish, await GrainFactory.GetShard(Id, n).GetTargetsAsync())
            : new PublishView(publish, []);
    }

    public Task<Reply<OperationState>> PauseAsync(RequestedBy by) => CommandAsync(new PublishCommand.Pause(), by, "publish.paused");

    public Task<Reply<OperationState>> ResumeAsync(RequestedBy by) => IntendAsync(new PublishCommand.Resume(), by, "publish.resumed");

    public Task<Reply<OperationState>> CancelAsync(RequestedBy by) => IntendAsync(new PublishCommand.Cancel(), by, "publish.cancel-accepted");

    public Task<Reply<OperationState>> RetryAsync(RequestedBy by, PodName? pod = null) => books.PassAsync(async () =>
    {
        await cell.SettledAsync();
        var publish = Publish;
        if (PublishMachine.Decide(publish, new PublishCommand.Retry(pod)).Refusal is { } early)
        {
            return Reply.Refused<OperationState>(early);
        }

        // Only the shard knows whether this very pod failed.
        if (pod is { } one && !(await OutcomesAsync(publish)).Contains(new(one, TargetOutcome.Failed)))
        {
            return Reply.Refused<OperationState>("operation.target-not-failed", $"Pod {one} is no failed target of operation {Id}.", "List the operation's targets to see how each stands.");
        }

        // The version opens its books again first: it must not hear outcomes of a publish that it holds for closed, or of targets that it holds for failed.
        var failed = (await OutcomesAsync(publish)).Where(o => o.Value == TargetOutcome.Failed && (pod ?? o.Key) == o.Key).Select(o => o.Key).ToList();
        if (failed.Count == 0)
        {
            return Reply.Of(publish.State); // nothing to try again
        }

        var reopened = await GrainFactory.GetVersion(publish.Order!.Version).ReopenPublishAsync(Id, failed, publish.Order.Generation);
        return !reopened.IsDone ? Reply.Refused<OperationState>(reopened.Refusal) : await AcceptAsync(() => CommandAsync(new PublishCommand.Retry(pod), by, "publish.retry-accepted"));
    });

    public Task ShardChangedAsync(int shard, TargetTotals totals, int round)
    {
        told[shard] = new PublishCommand.ShardChanged(shard, totals, round);

        // Many come together, and are stored together; what a crash loses is asked again. Each write is as long as the publish is wide, so a
        // wide one gathers longer, until a shard is done.
        ComeBack(totals.Open == 0 ? options.ReportLinger : options.ReportLinger * Math.Max(1, Publish.Shards.Count));
        return Task.CompletedTask;
    }

    /// <summary>Asked by the version that holds it for open, or after a start: an end that was told may have got lost with a retry that was not stored.</summary>
    public override Task DriveAsync()
    {
        isEndAsked = true;
        return base.DriveAsync();
    }

    protected override async Task<TimeSpan?> DriveOnceAsync()
    {
        await FlushAsync();
        var publish = Publish;
        if (publish.State.IsEnded())
        {
            return await EndAsync();
        }

        if (PublishMachine.Next(publish) is PublishStep.Rest)
        {
            return null;
        }

        await books.PassAsync(TellProgressAsync);

        // Shards are asked at once and then in intervals, however often they tell something in between.
        if (asked is { } last && last.Round == publish.Round && last.Turn == publish.Turn && last.IsCancelling == publish.IsCancelling && last.At + options.EnsureInterval > Now)
        {
            return last.At + options.EnsureInterval - Now;
        }

        // What is only asked again, to heal what was lost, would swell the trace of a publish that takes hours.
        var isNews = asked is not { } before || before.Round != publish.Round || before.Turn != publish.Turn || before.IsCancelling != publish.IsCancelling;
        using var span = isNews ? Spans.GoOn("imgmt.publish drive", publish.Order?.By.Trace) : null;
        await AskAsync(publish);
        asked = (Now, publish.Round, publish.Turn, publish.IsCancelling);
        return options.EnsureInterval;
    }

    private Task AskAsync(Publish publish) => PublishMachine.Next(publish) switch
    {
        PublishStep.DriveShards step => Task.WhenAll(step.Shards.Select(n => GrainFactory.GetShard(Id, n).DriveAsync(PublishMachine.SliceOf(publish.Order!, n), publish.Round, publish.Retries, publish.Turn))),
        PublishStep.HoldShards step => Task.WhenAll(step.Shards.Select(n => GrainFactory.GetShard(Id, n).HoldAsync(PublishMachine.SliceOf(publish.Order!, n), publish.Round, publish.Retries, publish.Turn))),
        PublishStep.CancelShards step => Task.WhenAll(step.Shards.Select(n => GrainFactory.GetShard(Id, n).CancelAsync(PublishMachine.SliceOf(publish.Order!, n), publish.Round, publish.Retries))),
        var step => throw new NotSupportedException(step.ToString()),
    };

    private async Task FlushAsync()
    {
        List<PublishCommand.ShardChanged> taken = [.. told.Values];
        if (taken.Count > 0)
        {
            await ApplyAsync(taken, Activity.Service, null);
            foreach (var change in taken.Where(c => ReferenceEquals(told[c.Shard], c)))
            {
                told.Remove(change.Shard);
            }
        }
    }

    /// <summary>Tells the version how the publish ended, until it has stored that.</summary>
    private Task<TimeSpan?> EndAsync() => books.PassAsync<TimeSpan?>(async () =>
    {
        var publish = Publish; // a retry may have opened it again meanwhile
        if (!publish.State.IsEnded())
        {
            return TimeSpan.Zero;
        }

        if (!publish.IsTold || isEndAsked)
        {
            isEndAsked = false;
            await GrainFactory.GetVersion(publish.Order!.Version).PublishEndedAsync(Id, publish.State == OperationState.Cancelled, await OutcomesAsync(publish));
            await ApplyAsync([new PublishCommand.VersionTold()], Activity.Service, null);
            versionKnows = null;
        }

        return null;
    });

    /// <summary>While it runs: the version becomes usable with the first copy, and hears of more in intervals; each telling rewrites its whole record.</summary>
    private async Task<bool> TellProgressAsync()
    {
        var publish = Publish;
        if (publish.State.IsEnded() || asked?.Round != publish.Round)
        {
            return false; // the shards have not heard of this round yet: what they say is about the one before
        }

        var totals = publish.Totals;
        var isFirst = totals.Available > 0 && versionKnows is not { Totals.Available: > 0 };
        if (isFirst || (versionKnows is { } known && known.Totals != totals && known.At + options.EnsureInterval <= Now))
        {
            await GrainFactory.GetVersion(publish.Order!.Version).TargetsChangedAsync(Id, await OutcomesAsync(publish));
            versionKnows = (Now, totals);
        }

        return true;
    }

    private async Task<Dictionary<PodName, TargetOutcome>> OutcomesAsync(Publish publish)
    {
        var outcomes = new Dictionary<PodName, TargetOutcome>();
        foreach (var shard in await Task.WhenAll(Enumerable.Range(0, publish.Shards.Count).Select(n => GrainFactory.GetShard(Id, n).GetOutcomesAsync())))
        {
            foreach (var (pod, outcome) in shard)
            {
                outcomes[pod] = outcome;
            }
        }

        return outcomes;
    }

    /// <summary>What makes a resting publish go on: one that rests may have let its reminder go.</summary>
    private async Task<Reply<OperationState>> IntendAsync(PublishCommand command, RequestedBy by, string action)
    {
        await cell.SettledAsync();
        return PublishMachine.Decide(Publish, command).Refusal is { } early
            ? Reply.Refused<OperationState>(early)
            : await AcceptAsync(() => CommandAsync(command, by, action));
    }

    private async Task<Reply<OperationState>> CommandAsync(PublishCommand command, RequestedBy by, string action)
    {
        var refusal = await ApplyAsync([command], by, action);
        return refusal is null ? Reply.Of(Publish.State) : Reply.Refused<OperationState>(refusal);
    }

    private async Task<Refusal?> ApplyAsync(IReadOnlyList<PublishCommand> commands, RequestedBy by, string? action)
    {
        Refusal? refusal = null;
        Publish? was = null, became = null;
        var isChanged = await ChangeAsync(cell, current =>
        {
            var now = Now;
            refusal = null;
            var before = current.Publish ?? PublishMachine.Initial(Id);
            var next = before;
            foreach (var command in commands)
            {
                var decision = PublishMachine.Decide(next, command);
                refusal ??= decision.Refusal;
                next = decision.Events.Aggregate(next, (p, e) => PublishMachine.Evolve(p, e, now));
            }

            if (ReferenceEquals(before, next))
            {
                return null;
            }

            (was, became) = (before, next);

            return new StoredPublish
            {
                Publish = next,
                UnknownFields = current.UnknownFields,
                ThisWriteOnly = action is null ? [] : [Activity.Line(now, by, action, $"Publish {Id} of {next.Order?.Version}", next.Order?.Version, operation: Id)],
            };
        });
        if (isChanged)
        {
            if (became is { EndedAt: { } ended } && was is { EndedAt: null })
            {
                meter.OperationEnded(OperationBody.Publish, became.State, ended - became.StartedAt);
            }

            Poke();
        }

        return refusal;
    }
}
