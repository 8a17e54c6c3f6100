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
internal sealed class PublishGrain(ImageMgmtOptions options) : DrivenGrain, IPublishGrain
{
    private StateCell<StoredPublish> cell = null!;

    private OperationId Id => GrainKeys.PublishOf(this.GetPrimaryKeyString());

    private Publish Publish => cell.Current.Publish ?? PublishMachine.Initial(Id);

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        cell = new StateCell<StoredPublish>(StateStorage, "publish", this.GetGrainId());
        await cell.ReadAsync();
    }

    public async Task<Reply<OperationId>> StartAsync(PublishOrder order)
    {
        await EnsureReminderAsync();
        var refusal = await ApplyAsync(new PublishCommand.Start(order), order.By, "publish.started");
        Poke();
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

    public Task<Reply<OperationState>> ResumeAsync(RequestedBy by) => CommandAsync(new PublishCommand.Resume(), by, "publish.resumed");

    public Task<Reply<OperationState>> CancelAsync(RequestedBy by) => CommandAsync(new PublishCommand.Cancel(), by, "publish.cancel-accepted");

    public async Task<Reply<OperationState>> RetryAsync(RequestedBy by)
    {
        if (Publish is { Order: { } order } publish && publish.State.IsEnded())
        {
            // The version opens its books again first: it must not hear outcomes of a publish that it holds for closed.
            List<PodName> failed = [];
            for (var shard = 0; shard < publish.Shards.Count; shard++)
            {
                var outcomes = await GrainFactory.GetShard(Id, shard).GetOutcomesAsync();
                failed.AddRange(outcomes.Where(o => o.Value == TargetOutcome.Failed).Select(o => o.Key));
            }

            var reopened = await GrainFactory.GetVersion(order.Version).ReopenPublishAsync(Id, failed, order.Generation);
            if (!reopened.IsDone)
            {
                return Reply.Refused<OperationState>(reopened.Refusal);
            }
        }

        await EnsureReminderAsync();
        return await CommandAsync(new PublishCommand.Retry(), by, "publish.retry-accepted");
    }

    public async Task ShardChangedAsync(int shard, TargetTotals totals, int round)
    {
        await ApplyAsync(new PublishCommand.ShardChanged(shard, totals, round), Activity.Service, null);
        Poke();
    }

    protected override async Task<TimeSpan?> DriveOnceAsync()
    {
        var publish = Publish;
        switch (PublishMachine.Next(publish))
        {
            case PublishStep.DriveShards step:
                await Task.WhenAll(step.Shards.Select(n => GrainFactory.GetShard(Id, n).DriveAsync(publish.Order!, publish.Round)));
                return options.EnsureInterval;
            case PublishStep.CancelShards step:
                await Task.WhenAll(step.Shards.Select(n => GrainFactory.GetShard(Id, n).CancelAsync(publish.Order!, publish.Round)));
                return options.EnsureInterval;
            case PublishStep.TellVersion:
                await TellVersionAsync(publish);
                return TimeSpan.Zero;
            default:
                return null;
        }
    }

    private async Task TellVersionAsync(Publish publish)
    {
        var outcomes = new Dictionary<PodName, TargetOutcome>();
        for (var shard = 0; shard < publish.Shards.Count; shard++)
        {
            foreach (var (pod, outcome) in await GrainFactory.GetShard(Id, shard).GetOutcomesAsync())
            {
                outcomes[pod] = outcome;
            }
        }

        await GrainFactory.GetVersion(publish.Order!.Version).PublishEndedAsync(Id, publish.State == OperationState.Cancelled, outcomes);
        await ApplyAsync(new PublishCommand.VersionTold(), Activity.Service, null);
    }

    private async Task<Reply<OperationState>> CommandAsync(PublishCommand command, RequestedBy by, string action)
    {
        var refusal = await ApplyAsync(command, by, action);
        Poke();
        return refusal is null ? Reply.Of(Publish.State) : Reply.Refused<OperationState>(refusal);
    }

    private async Task<Refusal?> ApplyAsync(PublishCommand command, RequestedBy by, string? action)
    {
        Refusal? refusal = null;
        await ChangeAsync(cell, current =>
        {
            var now = Now;
            var publish = current.Publish ?? PublishMachine.Initial(Id);
            var decision = PublishMachine.Decide(publish, command);
            refusal = decision.Refusal;
            if (decision.Events.Count == 0)
            {
                return null;
            }

            var next = decision.Events.Aggregate(publish, (p, e) => PublishMachine.Evolve(p, e, now));
            return new StoredPublish
            {
                Publish = next,
                UnknownFields = current.UnknownFields,
                ThisWriteOnly = action is null ? [] : [Activity.Line(now, by, action, $"Publish {Id} of {next.Order?.Version}", next.Order?.Version, operation: Id)],
            };
        });
        return refusal;
    }
}
