using Orleans.Concurrency;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Grains;

internal sealed class StoredShard : Recorded
{
    public Shard? Shard { get; init; }

    protected override IEnumerable<CatalogRow> Rows() => []; // the pods' own copies are what lists show
}

/// <summary>
/// Drives a slice of a publish. Reports are gathered for a short time and stored in one write; what was gathered and lost in a crash is asked
/// from the pods again.
/// </summary>
[GrainType("shard"), Reentrant]
internal sealed class ShardGrain(ImageMgmtOptions options) : DrivenGrain, IShardGrain
{
    private readonly Dictionary<PodName, CopyStanding> gathered = [];
    private StateCell<StoredShard> cell = null!;
    private TargetTotals? publishKnows;
    private bool isAsked;
    private string? trace;

    protected override TimeSpan FirstBackOff => options.StepRetry;

    private (OperationId Operation, int Index) Id => GrainKeys.ShardOf(this.GetPrimaryKeyString());

    private Shard Shard => cell.Current.Shard ?? ShardMachine.Initial(Id.Index);

    protected override bool UsesReminder => false; // its publish drives it

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        cell = new StateCell<StoredShard>(StateStorage, "shard", this.GetGrainId());
        await cell.ReadAsync();
    }

    public Task DriveAsync(PublishOrder order, int round, RetryScope? retries = null, int turn = 0) =>
        AskedAsync(new ShardCommand.Drive(order, round, retries, turn));

    public Task HoldAsync(PublishOrder order, int round, RetryScope? retries, int turn) =>
        AskedAsync(new ShardCommand.Hold(order, round, retries, turn));

    public Task CancelAsync(PublishOrder order, int round, RetryScope? retries = null) =>
        AskedAsync(new ShardCommand.Cancel(order, round, retries));

    private async Task AskedAsync(ShardCommand command)
    {
        await ApplyAsync([command]);
        (isAsked, trace) = (true, Spans.Here ?? trace);
        publishKnows = null; // it asks: tell it again
        Poke();
    }

    public Task ReportAsync(CopyStanding standing)
    {
        gathered[standing.Pod] = standing;
        ComeBack(options.ReportLinger);
        return Task.CompletedTask;
    }

    public Task<IReadOnlyDictionary<PodName, TargetOutcome>> GetOutcomesAsync() =>
        Task.FromResult<IReadOnlyDictionary<PodName, TargetOutcome>>(Shard.Targets.ToDictionary(t => t.Pod, t => t.Outcome));

    public async Task<IReadOnlyList<TargetView>> GetTargetsAsync()
    {
        var shard = Shard;
        var views = new List<TargetView>(shard.Targets.Count);
        foreach (var batch in shard.Targets.Chunk(options.EnsuresAtOnce))
        {
            views.AddRange(await Task.WhenAll(batch.Select(t => ViewAsync(shard, t))));
        }

        return views;
    }

    protected override async Task<TimeSpan?> DriveOnceAsync()
    {
        if (isAsked)
        {
            using var span = Spans.GoOn("imgmt.shard drive", trace);
            (isAsked, trace) = (false, null);
            await EnsureAsync();
        }

        await FlushAsync();
        await TellPublishAsync();
        return null; // asked again by its publish while targets are open; woken by what is reported
    }

    private async Task EnsureAsync()
    {
        var order = Shard.Order;
        switch (ShardMachine.Next(Shard))
        {
            case ShardStep.EnsureAt step:
                foreach (var batch in step.Targets.Chunk(options.EnsuresAtOnce))
                {
                    await Task.WhenAll(batch.Select(t => AskAsync(t.Pod, pod => pod.EnsureAsync(
                        new EnsureOrder(order!.Version, order.Generation, order.Operation, order.Content, order.From, Id.Index, t.IsRetryAsked ? t.Attempt : null, Shard.Turn, order.IsUrgent)))));
                }

                break;
            case ShardStep.CancelAt step:
                foreach (var batch in step.Pods.Chunk(options.EnsuresAtOnce))
                {
                    await Task.WhenAll(batch.Select(p => AskAsync(p, pod => pod.CancelCopyAsync(order!.Version, order.Operation, Shard.Turn))));
                }

                break;
            case ShardStep.HoldAt step:
                foreach (var batch in step.Pods.Chunk(options.EnsuresAtOnce))
                {
                    await Task.WhenAll(batch.Select(p => AskAsync(p, pod => pod.HoldCopyAsync(order!.Version, order.Operation, Shard.Turn))));
                }

                break;
            default:
                break; // every target has ended
        }
    }

    private async Task AskAsync(PodName pod, Func<IPodGrain, Task<Reply<CopyStanding>>> ask)
    {
        try
        {
            var reply = await ask(GrainFactory.GetPod(pod));
            if (reply.IsDone)
            {
                gathered[pod] = reply.Value;
            }
            else if (!CopyMachine.MayPass(reply.Refusal))
            {
                await ApplyAsync([new ShardCommand.Refused(pod, new ConnectorFault(FaultStage.Receive, FaultCause.Denied, reply.Refusal.Message, reply.Refusal.Hint))]);
            }
        }
        catch (Exception problem)
        {
            DrivingLog.ReportLost(Log, pod.Value, problem); // one pod's grain that fails delays no other; it is asked again
        }
    }

    /// <summary>Stores what was gathered, in one write.</summary>
    private async Task FlushAsync()
    {
        if (gathered.Count == 0)
        {
            return;
        }

        var taken = gathered.Values.ToList();
        await ApplyAsync([.. taken.Select(s => new ShardCommand.Reported(s.Pod, s.State, s.Fault, s.Tries, s.Attempt))]);
        foreach (var standing in taken.Where(s => ReferenceEquals(gathered[s.Pod], s)))
        {
            gathered.Remove(standing.Pod); // stored; what came meanwhile is next
        }
    }

    private async Task TellPublishAsync()
    {
        var totals = Shard.Totals;
        if (Shard.Order is not null && publishKnows != totals)
        {
            await GrainFactory.GetPublish(Id.Operation).ShardChangedAsync(Id.Index, totals, Shard.Round);
            publishKnows = totals;
        }
    }

    private async Task<TargetView> ViewAsync(Shard shard, ShardTarget target)
    {
        var view = await GrainFactory.GetPod(target.Pod).GetCopyAsync(shard.Order!.Version);
        var state = view.Copy.Revision == 0 ? CopyState.Pending : view.Copy.State; // the pod has not heard of it yet
        return new TargetView(target.Pod, target.Outcome, state, view.Copy.Fault ?? target.Fault, view.Copy.Tries, view.Copy.RetryAt, view.Progress, view.Copy.Receipt);
    }

    private Task<bool> ApplyAsync(IReadOnlyList<ShardCommand> commands) => ChangeAsync(cell, current =>
    {
        var before = current.Shard ?? ShardMachine.Initial(Id.Index);
        var after = commands.Aggregate(before, (shard, command) =>
            ShardMachine.Decide(shard, command).Events.Aggregate(shard, ShardMachine.Evolve));
        return ReferenceEquals(before, after) ? null : new StoredShard { Shard = after, UnknownFields = current.UnknownFields };
    });
}
