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

    protected override IEnumerable<CatalogRow> Rows() => Image is not { Exists: true } image ? [] :
    [
        new(CatalogKind.Image, image.Name.Value, image.Name.Value, image.Status.ToString(), image.CreatedAt, image.ChangedAt,
            JsonSerializer.Serialize(new ImageBody(image.Name, image.Status, image.Family, image.SourcePod, image.Description, image.Versions.Count, image.CreatedAt), StateJson.Options))
        {
            Family = image.Family,
            Image = image.Name.Value,
        },
    ];
}

/// <summary>An image as lists show it.</summary>
public sealed record ImageBody(ImageName Name, ImageStatus Status, string Family, PodName? SourcePod, string Description, int Versions, DateTimeOffset CreatedAt);

[GrainType("image"), Reentrant]
internal sealed class ImageGrain : DrivenGrain, IImageGrain
{
    private StateCell<StoredImage> cell = null!;

    private Image Image => cell.Current.Image ?? ImageMachine.Initial(GrainKeys.ImageOf(this.GetPrimaryKeyString()));

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        cell = new StateCell<StoredImage>(StateStorage, "image", this.GetGrainId());
        await cell.ReadAsync();
    }

    public Task<Image> GetAsync() => Task.FromResult(Image);

    public async Task<Reply<OperationId>> ImportAsync(ImportRequest request)
    {
        var pod = (await GrainFactory.GetPod(request.Pod).GetAsync()).Pod;
        if (!Image.Versions.Any(v => v.Import == request.Operation) && pod is not { State: PodState.Connected, Spec: not null })
        {
            return Reply.Refused<OperationId>("pod.not-connected", $"Source pod {request.Pod} is {Words.Shown(pod.State)}.", "Connect it, or choose another source pod.");
        }

        await EnsureReminderAsync();
        var command = new ImageCommand.Import(request.Operation, request.Version, request.From, pod.Spec?.Family ?? "", request.Pod, request.Source,
            request.Description, request.By);
        var id = new VersionId(request.Image, request.Version);
        var refusal = await ApplyAsync(command, now =>
        [
            Activity.Line(now, request.By, "import.accepted", $"Import {id} from {request.Source.Path} on pod {request.Pod}", id, pod: request.Pod, operation: request.Operation),
            new Projection.Upsert(new OperationBody(request.Operation, OperationBody.Import, OperationState.Accepted, id, null, null).ToRow(now, now, isUnfinished: true)),
        ]);
        Poke();
        return refusal is null ? Reply.Of(request.Operation) : Reply.Refused<OperationId>(refusal);
    }

    public async Task VersionChangedAsync(VersionName version, VersionStatus status, bool isUsable, long revision) =>
        await ApplyAsync(new ImageCommand.VersionChanged(version, status, isUsable, revision), _ => []);

    public Task<Reply<ImageStatus>> DisableAsync(RequestedBy by) => ChangeAsync(new ImageCommand.Disable(), by, "image.disabled");

    public Task<Reply<ImageStatus>> EnableAsync(RequestedBy by) => ChangeAsync(new ImageCommand.Enable(), by, "image.enabled");

    protected override async Task<TimeSpan?> DriveOnceAsync()
    {
        if (ImageMachine.Next(Image) is not ImageStep.BeginVersions step)
        {
            return null;
        }

        foreach (var entry in step.Entries)
        {
            var request = new ImportRequest(entry.Import, Image.Name, entry.Name, entry.From, entry.Pod, entry.Source, entry.Description, entry.By);
            var begun = await GrainFactory.GetVersion(new VersionId(Image.Name, entry.Name)).BeginImportAsync(request, Image.Family);
            await ApplyAsync(begun.IsDone ? new ImageCommand.VersionBegun(entry.Name, entry.Import) : await RefusedAsync(entry), _ => []);
        }

        return TimeSpan.Zero;
    }

    private async Task<ImageCommand> RefusedAsync(VersionEntry entry)
    {
        var version = await GrainFactory.GetVersion(new VersionId(Image.Name, entry.Name)).GetAsync();
        return new ImageCommand.VersionRefused(entry.Name, entry.Import, version.Exists ? version.Status : null, version.IsUsable);
    }

    private async Task<Reply<ImageStatus>> ChangeAsync(ImageCommand command, RequestedBy by, string action)
    {
        var refusal = await ApplyAsync(command, now => [Activity.Line(now, by, action, $"Image {Image.Name}", image: Image.Name)]);
        return refusal is null ? Reply.Of(Image.Status) : Reply.Refused<ImageStatus>(refusal);
    }

    private async Task<Refusal?> ApplyAsync(ImageCommand command, Func<DateTimeOffset, IReadOnlyList<Projection>> lines)
    {
        Refusal? refusal = null;
        await ChangeAsync(cell, current =>
        {
            var now = Now;
            var image = current.Image ?? ImageMachine.Initial(GrainKeys.ImageOf(this.GetPrimaryKeyString()));
            var decision = ImageMachine.Decide(image, command);
            refusal = decision.Refusal;
            return decision.Events.Count == 0 ? null : new StoredImage
            {
                Image = decision.Events.Aggregate(image, (i, e) => ImageMachine.Evolve(i, e, now)),
                UnknownFields = current.UnknownFields,
                ThisWriteOnly = lines(now),
            };
        });
        return refusal;
    }
}
