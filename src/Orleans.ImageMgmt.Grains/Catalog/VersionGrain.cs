using System.Text.Json;
using Orleans.Concurrency;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Grains;

internal sealed class StoredVersion : Recorded
{
    public Version? Version { get; init; }

    /// <summary>Publishes whose grain has not confirmed its order yet: the order is durable here before anybody is told.</summary>
    public IReadOnlyList<PublishOrder> Unconfirmed { get; init; } = [];

    protected override IEnumerable<CatalogRow> Rows()
    {
        if (Version is not { Exists: true } version)
        {
            yield break;
        }

        var body = new VersionBody(version.Id, version.Status, version.IsUsable, version.Content, version.SourcePod, version.From, version.Generation,
            TotalsOf(version), version.Fault, version.CreatedAt, version.Description);
        yield return new CatalogRow(CatalogKind.Version, version.Id.Value, version.Id.Version.Value, version.Status.ToString(), version.CreatedAt, version.ChangedAt,
            JsonSerializer.Serialize(body, StateJson.Options))
        {
            Sort = version.Id.Value,
            Family = version.Family,
            Image = version.Id.Image.Value,
            Version = version.Id.Version.Value,
        };
        yield return new OperationBody(version.Import!.Value, OperationBody.Import, version.ImportState, version.Id, null,
            version.ImportState == OperationState.Succeeded ? null : version.Fault).ToRow(version.CreatedAt, version.ChangedAt, !version.ImportState.IsEnded());
        if (version.Delete is { } delete)
        {
            yield return new OperationBody(delete, OperationBody.Delete, version.IsDeleted ? OperationState.Succeeded : OperationState.Running, version.Id, null, null)
                .ToRow(version.ChangedAt, version.ChangedAt, !version.IsDeleted);
        }

        foreach (var order in Unconfirmed)
        {
            // Until its own grain has stored it, so that a restart finds it.
            yield return new OperationBody(order.Operation, OperationBody.Publish, OperationState.Accepted, version.Id, new TargetTotals(order.Targets.Count, 0, 0, 0), null)
                .ToRow(version.ChangedAt, version.ChangedAt, isUnfinished: true);
        }
    }

    private static TargetTotals TotalsOf(Version version) => new(version.Targets.Count, version.Targets.Values.Count(t => t == TargetOutcome.Available),
        version.Targets.Values.Count(t => t == TargetOutcome.Failed), version.Targets.Values.Count(t => t == TargetOutcome.Cancelled));
}

/// <summary>A version as lists show it.</summary>
public sealed record VersionBody(VersionId Id, VersionStatus Status, bool IsUsable, ContentDescription? Content, PodName? SourcePod, VersionName? From,
    Generation Generation, TargetTotals Targets, ConnectorFault? Fault, DateTimeOffset CreatedAt, string Description);

[GrainType("version"), Reentrant]
internal sealed class VersionGrain(PublishTargets publishTargets, ImageMgmtOptions options) : DrivenGrain, IVersionGrain
{
    private StateCell<StoredVersion> cell = null!;
    private (VersionStatus, bool)? imageKnows;

    private VersionId Id => GrainKeys.VersionOf(this.GetPrimaryKeyString());

    private Version Version => cell.Current.Version ?? VersionMachine.Initial(Id);

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        cell = new StateCell<StoredVersion>(StateStorage, "version", this.GetGrainId());
        await cell.ReadAsync();
    }

    public Task<Version> GetAsync() => Task.FromResult(Version);

    public async Task<Reply<OperationId>> BeginImportAsync(ImportRequest request, string family)
    {
        await EnsureReminderAsync();
        var refusal = await ApplyAsync(
            new VersionCommand.BeginImport(request.Operation, family, request.Pod, request.Source, request.From, request.Description), _ => []);
        Poke();
        return refusal is null ? Reply.Of(request.Operation) : Reply.Refused<OperationId>(refusal);
    }

    public async Task<Reply<VersionStatus>> CancelImportAsync(OperationId operation, RequestedBy by)
    {
        var pod = Version.SourcePod;
        var reply = await CommandAsync(new VersionCommand.CancelImport(operation), by, "import.cancelled");
        if (reply.IsDone && pod is { } source)
        {
            await GrainFactory.GetPod(source).CancelCopyAsync(Id, operation);
        }

        return reply;
    }

    public async Task<Reply<OperationId>> PublishAsync(PublishRequest request)
    {
        var known = (await GrainFactory.GetPublish(request.Operation).GetAsync(null)).Publish;
        if (Version.OpenPublishes.Contains(request.Operation) || known.Order?.Version == Id)
        {
            Poke();
            return Reply.Of(request.Operation); // the same request again
        }

        if (known.Order is { } other)
        {
            return Reply.Refused<OperationId>("operation.id-in-use", $"Operation {request.Operation} publishes {other.Version}.", "Choose another operation id.");
        }

        var targets = await publishTargets.ChooseAsync(Version, request);
        if (!targets.IsDone)
        {
            return Reply.Refused<OperationId>(targets.Refusal);
        }

        await EnsureReminderAsync();
        var refusal = await ApplyAsync(new VersionCommand.BeginPublish(request.Operation, targets.Value), now =>
        [
            Activity.Line(now, request.By, "publish.accepted", $"Publish {Id} to {targets.Value.Count} pods", Id, operation: request.Operation),
        ],
        version => new PublishOrder(request.Operation, Id, version.Generation, version.Content!, version.SourcePod!.Value, targets.Value, request.By));
        Poke();
        return refusal is null ? Reply.Of(request.Operation) : Reply.Refused<OperationId>(refusal);
    }

    public async Task<Reply<OperationId>> ReopenPublishAsync(OperationId operation, IReadOnlyList<PodName> targets, Generation ordered)
    {
        await EnsureReminderAsync();
        var refusal = await ApplyAsync(new VersionCommand.BeginPublish(operation, targets, ordered), _ => []);
        Poke();
        return refusal is null ? Reply.Of(operation) : Reply.Refused<OperationId>(refusal);
    }

    public async Task TargetsChangedAsync(OperationId operation, IReadOnlyDictionary<PodName, TargetOutcome> outcomes)
    {
        await ApplyAsync(new VersionCommand.TargetsChanged(operation, outcomes), _ => []);
        Poke();
    }

    public async Task PublishEndedAsync(OperationId operation, bool wasCancelled, IReadOnlyDictionary<PodName, TargetOutcome> outcomes)
    {
        await ApplyAsync(new VersionCommand.PublishEnded(operation, wasCancelled, outcomes), now =>
            [Activity.Line(now, Activity.Service, "publish.ended", $"Publish {operation} of {Id} ended", Id, operation: operation)]);
        Poke();
    }

    public async Task CopyReportedAsync(CopyStanding standing)
    {
        if (standing.State is CopyState.Deleted && Version.Removing.Contains(standing.Pod))
        {
            await ApplyAsync(new VersionCommand.CopyRemoved(standing.Pod), now =>
                [Activity.Line(now, Activity.Service, "copy.deleted", $"The copy of {Id} on pod {standing.Pod} is gone", Id, pod: standing.Pod)]);
        }
        else if (standing.Role == CopyRole.Source && Version.Import is { } import && standing.Generation == Version.Generation)
        {
            await SourceReportedAsync(import, standing);
        }

        Poke();
    }

    public Task<Reply<VersionStatus>> DisableAsync(RequestedBy by) => CommandAsync(new VersionCommand.Disable(), by, "version.disabled");

    public Task<Reply<VersionStatus>> EnableAsync(RequestedBy by) => CommandAsync(new VersionCommand.Enable(), by, "version.enabled");

    public async Task<Reply<OperationId>> DeleteAsync(OperationId operation, RequestedBy by)
    {
        await EnsureReminderAsync();
        var reply = await CommandAsync(new VersionCommand.BeginDelete(operation), by, "version.delete-accepted");
        return reply.IsDone ? Reply.Of(Version.Delete ?? operation) : Reply.Refused<OperationId>(reply.Refusal);
    }

    protected override async Task<TimeSpan?> DriveOnceAsync()
    {
        await TellImageAsync();
        await ConfirmOrdersAsync();
        switch (VersionMachine.Next(Version))
        {
            case VersionStep.Prepare step:
                var ensured = await GrainFactory.GetPod(step.Pod).EnsurePreparedAsync(new PrepareOrder(Id, Version.Generation, Version.Import!.Value, step.Source));
                await CopyEnsuredAsync(ensured);
                return options.EnsureInterval;
            case VersionStep.DrivePublishes step:
                foreach (var publish in step.Publishes)
                {
                    await GrainFactory.GetPublish(publish).DriveAsync();
                }

                return options.EnsureInterval;
            case VersionStep.RemoveCopies step:
                await RemoveCopiesAsync(step.Pods);
                return options.EnsureInterval;
            default:
                return null;
        }
    }

    private async Task SourceReportedAsync(OperationId import, CopyStanding standing)
    {
        switch (standing)
        {
            case { State: CopyState.Available, Content: { } content, Receipt: { } receipt }:
                await ApplyAsync(new VersionCommand.Prepared(import, content, receipt), now =>
                    [Activity.Line(now, Activity.Service, "import.succeeded", $"{Id} is in the catalog with content {content.ContentDigest}", Id, pod: standing.Pod, operation: import)]);
                break;
            case { State: CopyState.Failed or CopyState.Deleted, Fault: { } fault }:
                await ApplyAsync(new VersionCommand.PrepareFailed(import, fault), now =>
                    [Activity.Line(now, Activity.Service, "import.failed", $"{Id}: {fault}", Id, pod: standing.Pod, operation: import)]);
                break;
            default:
                break; // still at work
        }
    }

    private async Task CopyEnsuredAsync(Reply<CopyStanding> ensured)
    {
        if (ensured.IsDone)
        {
            await CopyReportedAsync(ensured.Value);
            return;
        }

        if (CopyMachine.MayPass(ensured.Refusal))
        {
            return; // asked again at the next drive
        }

        var fault = new ConnectorFault(FaultStage.Prepare, FaultCause.Denied, ensured.Refusal.Message, ensured.Refusal.Hint);
        await ApplyAsync(new VersionCommand.PrepareFailed(Version.Import!.Value, fault), now =>
            [Activity.Line(now, Activity.Service, "import.failed", $"{Id}: {fault}", Id, operation: Version.Import)]);
        Poke();
    }

    private async Task RemoveCopiesAsync(IReadOnlyList<PodName> pods)
    {
        foreach (var batch in pods.Chunk(options.EnsuresAtOnce))
        {
            var standings = await Task.WhenAll(batch.Select(pod => GrainFactory.GetPod(pod).DeleteCopyAsync(Id, Version.Generation)));
            foreach (var standing in standings.Where(s => s.IsDone))
            {
                await CopyReportedAsync(standing.Value!);
            }
        }
    }

    private async Task TellImageAsync()
    {
        var now = (Version.Status, Version.IsUsable);
        if (Version.Exists && imageKnows != now)
        {
            await GrainFactory.GetImage(Id.Image).VersionChangedAsync(Id.Version, now.Status, now.IsUsable, Version.Revision);
            imageKnows = now;
        }
    }

    /// <summary>Hands each stored order to its publish grain, until that has stored it too.</summary>
    private async Task ConfirmOrdersAsync()
    {
        foreach (var order in cell.Current.Unconfirmed)
        {
            await GrainFactory.GetPublish(order.Operation).StartAsync(order);
            await ChangeAsync(cell, current => new StoredVersion
            {
                Version = VersionMachine.Decide(current.Version!, new VersionCommand.PublishStarted(order.Operation)).Events
                    .Aggregate(current.Version!, (v, e) => VersionMachine.Evolve(v, e, Now)),
                Unconfirmed = [.. current.Unconfirmed.Where(o => o.Operation != order.Operation)],
                UnknownFields = current.UnknownFields,
            });
        }
    }

    private async Task<Reply<VersionStatus>> CommandAsync(VersionCommand command, RequestedBy by, string action)
    {
        var refusal = await ApplyAsync(command, now => [Activity.Line(now, by, action, $"Version {Id}", Id)]);
        Poke();
        return refusal is null ? Reply.Of(Version.Status) : Reply.Refused<VersionStatus>(refusal);
    }

    private async Task<Refusal?> ApplyAsync(VersionCommand command, Func<DateTimeOffset, IReadOnlyList<Projection>> lines, Func<Version, PublishOrder>? order = null)
    {
        Refusal? refusal = null;
        await ChangeAsync(cell, current =>
        {
            var now = Now;
            var decision = VersionMachine.Decide(current.Version ?? VersionMachine.Initial(Id), command);
            refusal = decision.Refusal;
            if (decision.Events.Count == 0)
            {
                return null;
            }

            var version = decision.Events.Aggregate(current.Version ?? VersionMachine.Initial(Id), (v, e) => VersionMachine.Evolve(v, e, now));
            return new StoredVersion
            {
                Version = version,
                Unconfirmed = order is null ? current.Unconfirmed : [.. current.Unconfirmed, order(version)],
                UnknownFields = current.UnknownFields,
                ThisWriteOnly = lines(now),
            };
        });
        return refusal;
    }
}
