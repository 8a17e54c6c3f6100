using Orleans.Concurrency;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Grains;

[GrainType("version"), Reentrant]
internal sealed partial class VersionGrain(PublishTargets publishTargets, OperationIds operations, SiloMeter meter, ImageMgmtOptions options, GenerationFloor floor) : DrivenGrain, IVersionGrain
{
    /// <summary>Removals stored in one write: each has a line in the activity log, and the store bounds the lines of a write.</summary>
    private const int GoneAtOnce = 500;

    private readonly HashSet<PodName> gone = [];
    private StateCell<StoredVersion> cell = null!;
    private (VersionStatus, bool)? imageKnows;
    private DateTimeOffset? askedAt;
    private string? trace;
    private Generation askedGeneration;

    protected override TimeSpan FirstBackOff => options.StepRetry;

    private VersionId Id => GrainKeys.VersionOf(this.GetPrimaryKeyString());

    private Version Version => cell.Current.Version ?? Unborn;

    private Version Unborn => VersionMachine.Initial(Id) with { Generation = floor.Generation };

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        cell = new StateCell<StoredVersion>(StateStorage, "version", this.GetGrainId());
        await cell.ReadAsync();
    }

    public Task<Version> GetAsync() => Task.FromResult(Version);

    public async Task<Reply<OperationId>> BeginImportAsync(ImportRequest request, string family)
    {
        trace = Spans.Here ?? trace;
        var refusal = await AcceptAsync(() => ApplyAsync(
            new VersionCommand.BeginImport(request.Operation, family, request.Pod, request.Source, request.From, request.Description), _ => []));
        return refusal is null ? Reply.Of(request.Operation) : Reply.Refused<OperationId>(refusal);
    }

    public async Task<Reply<VersionStatus>> CancelImportAsync(OperationId operation, RequestedBy by)
    {
        // The pod lets go first: a crash in between leaves an import that is still Importing and can be cancelled again.
        if (Version.Import == operation && Version.Status == VersionStatus.Importing && Version.SourcePod is { } source)
        {
            await GrainFactory.GetPod(source).CancelCopyAsync(Id, operation, generation: Version.Generation);
        }

        return await CommandAsync(new VersionCommand.CancelImport(operation), by, "import.cancelled", operation: operation);
    }

    public Task<Reply<VersionStatus>> RetryImportAsync(OperationId operation, RequestedBy by) =>
        AcceptAsync(() => CommandAsync(new VersionCommand.RetryImport(operation), by, "import.retry-accepted", operation: operation));

    public async Task<Reply<OperationId>> PublishAsync(PublishRequest request)
    {
        var known = (await GrainFactory.GetPublish(request.Operation).GetAsync(null)).Publish;
        if (Version.OpenPublishes.Contains(request.Operation) || known.Order?.Version == Id)
        {
            return Reply.Of(request.Operation); // the same request again
        }

        // What the version itself refuses is said before anything about its targets.
        await cell.SettledAsync();
        if (VersionMachine.Decide(Version, new VersionCommand.BeginPublish(request.Operation, [Version.SourcePod ?? default])).Refusal is { } early)
        {
            return Reply.Refused<OperationId>(early);
        }

        if (await operations.RefuseOtherAsync(request.Operation, OperationBody.Publish, Id) is { } taken)
        {
            return Reply.Refused<OperationId>(taken);
        }

        var targets = await publishTargets.ChooseAsync(Version, request);
        if (!targets.IsDone)
        {
            return Reply.Refused<OperationId>(targets.Refusal);
        }

        var refusal = await AcceptAsync(() => ApplyAsync(new VersionCommand.BeginPublish(request.Operation, targets.Value), now =>
        [
            Activity.Line(now, request.By, "publish.accepted", $"Publish {Id} to {targets.Value.Count} pods", Id, operation: request.Operation),
        ],
        version => new PublishOrder(request.Operation, Id, version.Generation, version.Content!, version.SourcePod!.Value, targets.Value, request.By, request.IsUrgent), request.Precondition));
        if (refusal is null)
        {
            await ConfirmSoonAsync();
        }

        return refusal is null ? Reply.Of(request.Operation) : Reply.Refused<OperationId>(refusal);
    }

    public async Task<Reply<OperationId>> ReopenPublishAsync(OperationId operation, IReadOnlyList<PodName> targets, Generation ordered)
    {
        var refusal = await AcceptAsync(() => ApplyAsync(new VersionCommand.BeginPublish(operation, targets, ordered), _ => []));
        return refusal is null ? Reply.Of(operation) : Reply.Refused<OperationId>(refusal);
    }

    public async Task TargetsChangedAsync(OperationId operation, IReadOnlyDictionary<PodName, TargetOutcome> outcomes) =>
        await ApplyAsync(new VersionCommand.TargetsChanged(operation, outcomes), _ => []);

    public async Task PublishEndedAsync(OperationId operation, bool wasCancelled, IReadOnlyDictionary<PodName, TargetOutcome> outcomes)
    {
        await ApplyAsync(new VersionCommand.PublishEnded(operation, wasCancelled, outcomes), now =>
            [Activity.Line(now, Activity.Service, "publish.ended", $"Publish {operation} of {Id} ended", Id, operation: operation)]);
        await TellImageAsync(); // before the publish counts as told: a crash in between finds it unfinished and tells again
    }

    public Task<Reply<VersionStatus>> DisableAsync(RequestedBy by, Precondition? precondition = null) =>
        CommandAsync(new VersionCommand.Disable(), by, "version.disabled", precondition);

    public Task<Reply<VersionStatus>> EnableAsync(RequestedBy by, Precondition? precondition = null) =>
        CommandAsync(new VersionCommand.Enable(), by, "version.enabled", precondition);

    public async Task<Reply<OperationId>> DeleteAsync(OperationId operation, RequestedBy by, Precondition? precondition = null)
    {
        if (Version.Delete == operation)
        {
            return Reply.Of(operation); // the same request again, perhaps after it was done
        }

        if (await operations.RefuseOtherAsync(operation, OperationBody.Delete, Id) is { } taken)
        {
            return Reply.Refused<OperationId>(taken);
        }

        var reply = await AcceptAsync(() => CommandAsync(new VersionCommand.BeginDelete(operation), by, "version.delete-accepted", precondition, operation));
        return reply.IsDone ? Reply.Of(Version.Delete ?? operation) : Reply.Refused<OperationId>(reply.Refusal);
    }

    /// <summary>Asked from outside: whoever it is may have lost what was told before.</summary>
    public override Task DriveAsync()
    {
        imageKnows = null;
        return base.DriveAsync();
    }

    protected override async Task<TimeSpan?> DriveOnceAsync()
    {
        await FlushGoneAsync();
        await TellImageAsync();
        await ConfirmOrdersAsync();
        var step = VersionMachine.Next(Version);
        if (step is VersionStep.Rest)
        {
            askedAt = null;
            return null;
        }

        // Below is asked at once and then in intervals, however often something is told here in between.
        if (askedAt is { } asked && asked + options.EnsureInterval is var next && next > Now && Version.Generation == askedGeneration)
        {
            return next - Now;
        }

        var generation = Version.Generation;
        await AskAsync(step);
        (askedAt, askedGeneration) = (Now, generation);
        return options.EnsureInterval;
    }

    private async Task AskAsync(VersionStep next)
    {
        switch (next)
        {
            case VersionStep.Prepare step:
                using (Spans.GoOn("imgmt.version drive", trace))
                {
                    await CopyEnsuredAsync(await GrainFactory.GetPod(step.Pod).EnsurePreparedAsync(new PrepareOrder(Id, Version.Generation, Version.Import!.Value, step.Source)));
                }

                trace = null; // asked again only to heal what was lost
                break;
            case VersionStep.DrivePublishes step:
                foreach (var publish in step.Publishes)
                {
                    await GrainFactory.GetPublish(publish).DriveAsync();
                }

                break;
            case VersionStep.RemoveCopies step:
                await RemoveCopiesAsync(step.Pods);
                break;
            default:
                throw new NotSupportedException(next.ToString());
        }
    }

    private async Task TellImageAsync()
    {
        var now = (Version.Status, Version.IsUsable);
        if (Version.Exists && imageKnows != now)
        {
            await GrainFactory.GetImage(Id.Image).VersionChangedAsync(Id.Version, Version.Import!.Value, now.Status, now.IsUsable, Version.Revision);
            imageKnows = now;
        }
    }

    /// <summary>So that whoever got the answer finds the publish at once. What does not work now the next drive does: the order is durable.</summary>
    private async Task ConfirmSoonAsync()
    {
        try
        {
            await ConfirmOrdersAsync();
        }
        catch (Exception problem)
        {
            DrivingLog.ReportLost(Log, this.GetGrainId().ToString(), problem);
        }
    }

    /// <summary>Hands each stored order to its publish grain, until that has stored it too.</summary>
    private async Task ConfirmOrdersAsync()
    {
        foreach (var order in cell.Current.Unconfirmed)
        {
            await GrainFactory.GetPublish(order.Operation).StartAsync(order);
            await ChangeAsync(cell, current => current.Unconfirmed.All(o => o.Operation != order.Operation) ? null : new StoredVersion
            {
                Version = VersionMachine.Decide(current.Version!, new VersionCommand.PublishStarted(order.Operation)).Events
                    .Aggregate(current.Version!, (v, e) => VersionMachine.Evolve(v, e, Now)),
                Unconfirmed = [.. current.Unconfirmed.Where(o => o.Operation != order.Operation)],
                UnknownFields = current.UnknownFields,
            });
        }
    }

    private async Task<Reply<VersionStatus>> CommandAsync(VersionCommand command, RequestedBy by, string action, Precondition? precondition = null, OperationId? operation = null)
    {
        var refusal = await ApplyAsync(command, now => [Activity.Line(now, by, action, $"Version {Id}", Id, operation: operation)], precondition: precondition);
        return refusal is null ? Reply.Of(Version.Status) : Reply.Refused<VersionStatus>(refusal);
    }

    private Task<Refusal?> ApplyAsync(VersionCommand command, Func<DateTimeOffset, IReadOnlyList<Projection>> lines, Func<Version, PublishOrder>? order = null,
        Precondition? precondition = null) => ApplyAsync([command], lines, order, precondition);

    /// <summary>Decides and stores; what changed is driven on.</summary>
    private async Task<Refusal?> ApplyAsync(IEnumerable<VersionCommand> commands, Func<DateTimeOffset, IReadOnlyList<Projection>> lines, Func<Version, PublishOrder>? order = null,
        Precondition? precondition = null)
    {
        Refusal? refusal = null;
        Version? was = null, became = null;
        var isChanged = await ChangeAsync(cell, current =>
        {
            var now = Now;
            refusal = null;
            var before = current.Version ?? Unborn;
            var version = before;
            refusal = Precondition.Check(precondition, RecordTags.Of(before), $"Version {Id}");
            if (refusal is not null)
            {
                return null;
            }

            foreach (var command in commands)
            {
                var decision = VersionMachine.Decide(version, command);
                refusal ??= decision.Refusal;
                version = decision.Events.Aggregate(version, (v, e) => VersionMachine.Evolve(v, e, now));
            }

            (was, became) = (before, version);
            return ReferenceEquals(version, before) ? null : new StoredVersion
            {
                Version = version,
                Unconfirmed = [.. current.Unconfirmed.Where(o => version.OpenPublishes.Contains(o.Operation)), .. order is null ? [] : (PublishOrder[])[order(version)]],
                UnknownFields = current.UnknownFields,
                ThisWriteOnly = lines(now),
            };
        });
        if (isChanged)
        {
            CountEnds(was!, became!);
            Poke();
        }

        return refusal;
    }

    private void CountEnds(Version was, Version became)
    {
        if (became.ImportState.IsEnded() && !was.ImportState.IsEnded())
        {
            meter.OperationEnded(OperationBody.Import, became.ImportState, (became.ImportEndedAt ?? Now) - became.CreatedAt);
        }

        if (became.IsDeleted && !was.IsDeleted && became.DeleteBeganAt is { } began)
        {
            meter.OperationEnded(OperationBody.Delete, OperationState.Succeeded, Now - began);
        }
    }
}
