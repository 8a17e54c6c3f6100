using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Connectors;

internal sealed partial class FilesystemConnector : ISourceIntake
{
    private SourceIntake? Intake => field ??= settings.Sources is { } sources ? new SourceIntake(Pod, sources, settings.Reserve, time) : null;

    public Task<IntakeResult> BeginAsync(SourceParcel parcel, int limit, CancellationToken cancellationToken) =>
        IntakeAsync(intake => Task.FromResult(intake.Begin(parcel, limit)), cancellationToken);

    public Task<IntakeResult> FindAsync(string id, CancellationToken cancellationToken) => IntakeAsync(intake => Task.FromResult(intake.Find(id)), cancellationToken);

    public Task<IntakeResult> AppendAsync(string id, long offset, Stream piece, CancellationToken cancellationToken) =>
        IntakeAsync(intake => intake.AppendAsync(id, offset, piece, cancellationToken), CancellationToken.None);

    public Task<IntakeResult> DiscardAsync(string id, CancellationToken cancellationToken) => IntakeAsync(intake => Task.FromResult(intake.Discard(id)), cancellationToken);

    public Task ExpireAsync(DateTimeOffset before, CancellationToken cancellationToken) => Intake is { } intake
        ? Task.Run(() => intake.Expire(before), cancellationToken)
        : Task.CompletedTask;

    private async Task<IntakeResult> IntakeAsync(Func<SourceIntake, Task<IntakeResult>> work, CancellationToken cancellationToken)
    {
        if (Intake is not { } intake)
        {
            return IntakeResult.Refuse("pod.takes-no-uploads", $"Pod {Pod} has no sources folder.", "Set 'sources' of the pod, or use another one.");
        }

        try
        {
            return await Task.Run(() => work(intake), CancellationToken.None).WaitAsync(cancellationToken);
        }
        catch (Exception trouble) when (trouble is UnauthorizedAccessException || (trouble is IOException && IoTroubles.Classify(trouble) != IoTrouble.Other))
        {
            var isFull = IoTroubles.Classify(trouble) == IoTrouble.NoRoom;
            return IntakeResult.Refuse(isFull ? "upload.no-room" : "upload.storage", $"The sources folder of pod {Pod}: {trouble.Message}",
                isFull ? "Free room there; the upload goes on where it stopped." : "Check the folder and its share; the upload goes on where it stopped.");
        }
    }
}
