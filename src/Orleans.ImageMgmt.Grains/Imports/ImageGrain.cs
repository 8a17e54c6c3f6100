using System.Text.Json;
using Orleans.Concurrency;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Grains;

internal sealed class StoredImage : Recorded
{
    public Image? Image { get; init; }

    protected override IEnumerable<CatalogRow> Rows()
    {
        if (Image is not { Exists: true } image)
        {
            yield break;
        }

        yield return new CatalogRow(CatalogKind.Image, image.Name.Value, image.Name.Value, image.Status.ToString(), image.CreatedAt, image.ChangedAt,
            JsonSerializer.Serialize(new ImageBody(image.Name, image.Status, image.Family, image.SourcePod, image.Description, image.Versions.Count, image.CreatedAt), StateJson.Options))
        {
            Family = image.Family,
            Image = image.Name.Value,
        };
        if (image is { Delete: { } delete, DeleteBeganAt: { } began })
        {
            var totals = new TargetTotals(image.Versions.Count, image.Versions.Count(v => v.Status == VersionStatus.Deleted), 0, 0);
            var state = image.Status == ImageStatus.Deleted ? OperationState.Succeeded : OperationState.Running;
            yield return new OperationBody(delete, OperationBody.Delete, state, null, totals, null, image.Name).ToRow(began, image.ChangedAt, !state.IsEnded());
        }
    }
}

/// <summary>An image as lists show it.</summary>
public sealed record ImageBody(ImageName Name, ImageStatus Status, string Family, PodName? SourcePod, string Description, int Versions, DateTimeOffset CreatedAt);

[GrainType("image"), Reentrant]
internal sealed class ImageGrain(OperationIds operations, SiloMeter meter, ImageMgmtOptions options) : DrivenGrain, IImageGrain
{
    private StateCell<StoredImage> cell = null!;
    private bool hasAskedVersions;

    protected override TimeSpan FirstBackOff => options.StepRetry;

    private Image Image => cell.Current.Image ?? ImageMachine.Initial(GrainKeys.ImageOf(this.GetPrimaryKeyString()));

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        cell = new StateCell<StoredImage>(StateStorage, "image", this.GetGrainId());
        await cell.ReadAsync();
    }

    public Task<Image> GetAsync() => Task.FromResult(Image);

    public async Task<Reply<OperationId>> ImportAsync(ImportRequest request)
    {
        if (Image.Versions.Any(v => v.Import == request.Operation))
        {
            return Reply.Of(request.Operation); // the same request again
        }

        var id = new VersionId(request.Image, request.Version);
        if (await operations.RefuseOtherAsync(request.Operation, OperationBody.Import, id) is { } taken)
        {
            return Reply.Refused<OperationId>(taken);
        }

        var pod = (await GrainFactory.GetPod(request.Pod).GetAsync()).Pod;
        if (pod is not { State: PodState.Connected, Spec: { } spec })
        {
            return Reply.Refused<OperationId>("pod.not-connected", $"Source pod {request.Pod} is {Words.Shown(pod.State)}.", "Connect it, or choose another source pod.");
        }

        // The version itself knows best whether a new import may take it over: this image's entry of it may be behind.
        var begin = new VersionCommand.BeginImport(request.Operation, spec.Family, request.Pod, request.Source, request.From, request.Description);
        if (VersionMachine.Decide(await GrainFactory.GetVersion(id).GetAsync(), begin).Refusal is { } early)
        {
            return Reply.Refused<OperationId>(early);
        }

        var command = new ImageCommand.Import(request.Operation, request.Version, request.From, spec.Family, request.Pod, request.Source, request.Description, request.By);
        var refusal = await AcceptAsync(() => ApplyAsync(command, now =>
        [
            Activity.Line(now, request.By, "import.accepted", $"Import {id} from {request.Source.Path} on pod {request.Pod}", id, pod: request.Pod, operation: request.Operation),
            new Projection.Upsert(new OperationBody(request.Operation, OperationBody.Import, OperationState.Accepted, id, null, null).ToRow(now, now, isUnfinished: true)),
        ]));
        return refusal is null ? Reply.Of(request.Operation) : Reply.Refused<OperationId>(refusal);
    }

    public async Task VersionChangedAsync(VersionName version, OperationId import, VersionStatus status, bool isUsable, long revision) =>
        await ApplyAsync(new ImageCommand.VersionChanged(version, status, isUsable, revision, import), _ => []);

    public Task<Reply<ImageStatus>> DisableAsync(RequestedBy by, Precondition? precondition = null) =>
        ChangeAsync(new ImageCommand.Disable(), by, "image.disabled", precondition);

    public Task<Reply<ImageStatus>> EnableAsync(RequestedBy by, Precondition? precondition = null) =>
        ChangeAsync(new ImageCommand.Enable(), by, "image.enabled", precondition);

    public async Task<Reply<OperationId>> DeleteAsync(OperationId operation, RequestedBy by, Precondition? precondition = null)
    {
        if (Image.Delete == operation)
        {
            return Reply.Of(operation); // the same request again, perhaps after it was done
        }

        if (await operations.RefuseOtherAsync(operation, OperationBody.Delete, null, Image.Name) is { } taken)
        {
            return Reply.Refused<OperationId>(taken);
        }

        var reply = await AcceptAsync(() => ChangeAsync(new ImageCommand.BeginDelete(operation), by, "image.delete-accepted", precondition, operation));
        return reply.IsDone ? Reply.Of(Image.Delete ?? operation) : Reply.Refused<OperationId>(reply.Refusal);
    }

    protected override async Task<TimeSpan?> DriveOnceAsync()
    {
        await AskVersionsAsync();
        if (ImageMachine.Next(Image) is ImageStep.DeleteVersions doomed)
        {
            await DeleteVersionsAsync(doomed.Versions);
            return options.EnsureInterval; // each version tells when it is gone; what it refused it is asked again
        }

        if (ImageMachine.Next(Image) is not ImageStep.BeginVersions step)
        {
            return null;
        }

        foreach (var entry in step.Entries)
        {
            using var span = Spans.GoOn("imgmt.image drive", entry.By.Trace);
            var request = new ImportRequest(entry.Import, Image.Name, entry.Name, entry.From, entry.Pod, entry.Source, entry.Description, entry.By);
            var begun = await GrainFactory.GetVersion(new VersionId(Image.Name, entry.Name)).BeginImportAsync(request, Image.Family);
            if (begun.IsDone)
            {
                await ApplyAsync(new ImageCommand.VersionBegun(entry.Name, entry.Import), _ => []);
            }
            else
            {
                await RefusedAsync(entry, begun.Refusal);
            }
        }

        return TimeSpan.Zero;
    }

    private async Task DeleteVersionsAsync(IReadOnlyList<VersionName> versions)
    {
        var (operation, image) = (Image.Delete!.Value, Image.Name);
        foreach (var version in versions.Select(v => new VersionId(image, v)))
        {
            var reply = await GrainFactory.GetVersion(version).DeleteAsync(OperationIds.PartOf(operation, version), Activity.Service);
            if (reply.Refusal is { Code: "version.unknown" })
            {
                await ApplyAsync(new ImageCommand.VersionChanged(version.Version, VersionStatus.Deleted, false), _ => []); // it never came to be
            }
        }
    }

    /// <summary>Once after an activation: a version that moved on while a crash kept it from telling tells again.</summary>
    private async Task AskVersionsAsync()
    {
        if (hasAskedVersions)
        {
            return;
        }

        foreach (var entry in Image.Versions.Where(v => v is { IsBegun: true, Status: not (VersionStatus.Available or VersionStatus.Disabled or VersionStatus.Deleted) }))
        {
            await GrainFactory.GetVersion(new VersionId(Image.Name, entry.Name)).DriveAsync();
        }

        hasAskedVersions = true;
    }

    /// <summary>The version refused after all. The operation ends as failed, and the entry shows how the version really stands.</summary>
    private async Task RefusedAsync(VersionEntry entry, Refusal refusal)
    {
        var id = new VersionId(Image.Name, entry.Name);
        var version = await GrainFactory.GetVersion(id).GetAsync();
        var fault = new ConnectorFault(FaultStage.Prepare, FaultCause.Denied, refusal.Message, refusal.Hint);
        await ApplyAsync(new ImageCommand.VersionRefused(entry.Name, entry.Import, version.Exists ? version.Status : null, version.IsUsable), now =>
        [
            Activity.Line(now, Activity.Service, "import.failed", $"{id}: {fault}", id, operation: entry.Import),
            new Projection.Upsert(new OperationBody(entry.Import, OperationBody.Import, OperationState.Failed, id, null, fault).ToRow(now, now, isUnfinished: false)),
        ]);
    }

    private async Task<Reply<ImageStatus>> ChangeAsync(ImageCommand command, RequestedBy by, string action, Precondition? precondition, OperationId? operation = null)
    {
        var refusal = await ApplyAsync(command, now => [Activity.Line(now, by, action, $"Image {Image.Name}", image: Image.Name, operation: operation)], precondition);
        return refusal is null ? Reply.Of(Image.Status) : Reply.Refused<ImageStatus>(refusal);
    }

    private async Task<Refusal?> ApplyAsync(ImageCommand command, Func<DateTimeOffset, IReadOnlyList<Projection>> lines, Precondition? precondition = null)
    {
        Refusal? refusal = null;
        ImageStatus? was = null;
        var isChanged = await ChangeAsync(cell, current =>
        {
            var now = Now;
            var image = current.Image ?? ImageMachine.Initial(GrainKeys.ImageOf(this.GetPrimaryKeyString()));
            was = image.Status;
            var decision = ImageMachine.Decide(image, command);
            refusal = Precondition.Check(precondition, RecordTags.Of(image), $"Image {image.Name}") ?? decision.Refusal;
            return refusal is not null || decision.Events.Count == 0 ? null : new StoredImage
            {
                Image = decision.Events.Aggregate(image, (i, e) => ImageMachine.Evolve(i, e, now)),
                UnknownFields = current.UnknownFields,
                ThisWriteOnly = lines(now),
            };
        });
        if (isChanged && was != ImageStatus.Deleted && Image is { Status: ImageStatus.Deleted, DeleteBeganAt: { } began })
        {
            meter.OperationEnded(OperationBody.Delete, OperationState.Succeeded, Now - began);
        }

        return refusal;
    }
}
