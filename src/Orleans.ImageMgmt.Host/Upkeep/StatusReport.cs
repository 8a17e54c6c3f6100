using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>How the service stands, in numbers.</summary>
internal sealed class StatusReport(Readiness readiness, SiloStore store, TransferCounters transfers, TimeProvider time)
{
    private readonly DateTimeOffset startedAt = time.GetUtcNow();

    public async Task<ServerStatus> MakeAsync(CancellationToken stop)
    {
        var notReady = await readiness.WhyNotAsync(stop);
        return new ServerStatus
        {
            IsReady = notReady is null,
            Version = ProgramVersion.Current,
            StartedAt = startedAt,
            UptimeSeconds = (long)(time.GetUtcNow() - startedAt).TotalSeconds,
            Checks = [.. await ChecksAsync(notReady, stop)],
            Pods = await CountAsync<Domain.PodState>(CatalogKind.Pod, stop),
            Images = await CountAsync<Domain.ImageStatus>(CatalogKind.Image, stop),
            Versions = await CountAsync<Domain.VersionStatus>(CatalogKind.Version, stop),
            Copies = await CountAsync<Domain.CopyState>(CatalogKind.Copy, stop),
            Operations = await CountAsync<Domain.OperationState>(CatalogKind.Operation, stop),
            TransfersUnderWay = transfers.UnderWay,
            WritesWaiting = store.Counters.Queued,
            StoreBytes = StoreBytes(),
            FreeBytes = new DriveInfo(store.DataDirectory).AvailableFreeSpace,
        };
    }

    /// <summary>Every state, those that nothing is in too, so that a graph has no gaps.</summary>
    public async Task<IReadOnlyDictionary<string, long>> CountAsync<TState>(CatalogKind kind, CancellationToken stop) where TState : struct, Enum
    {
        var counts = await store.Catalog.CountByStatusAsync(kind, stop);
        return Enum.GetNames<TState>().ToDictionary(JsonNamingPolicy.CamelCase.ConvertName, name => counts.GetValueOrDefault(name));
    }

    public long StoreBytes() => Directory.EnumerateFiles(store.DataDirectory, "*.db*").Sum(file => new FileInfo(file) is { Exists: true } there ? there.Length : 0);

    private async Task<IEnumerable<StatusCheck>> ChecksAsync(Domain.Refusal? notReady, CancellationToken stop)
    {
        var checks = new List<StatusCheck> { new() { Name = "ready", IsWell = notReady is null, Detail = notReady?.Message } };
        if (store.Broken.IsCompletedSuccessfully)
        {
            checks.Add(new StatusCheck { Name = "store", IsWell = false, Detail = (await store.Broken).Message });
        }

        if (await RestoreRecord.ReadAsync(store.Rows, stop) is { } restored)
        {
            checks.Add(new StatusCheck { Name = "restore", IsWell = restored.IsReconciled && restored.Lost == 0, Detail = Sentence(restored) });
        }

        return checks;
    }

    private static string Sentence(RestoreRecord restored) => string.Create(CultureInfo.InvariantCulture,
        $"Restored {restored.RestoredAt:yyyy-MM-dd HH:mm} UTC from a backup of {restored.BackupMadeAt:yyyy-MM-dd HH:mm} UTC; {(restored.IsReconciled ? "all pods were asked" : $"pods are being asked, {restored.Waiting.Count} do not answer yet")}: {restored.Checked} copies read back, {restored.Lost} lost, {restored.Unknown} unknown.");
}

internal static class StatusEndpoint
{
    public static void MapStatus(this WebApplication app) => app.MapGet(Routes.ServerStatus, async (StatusReport report, CancellationToken stop) =>
            Results.Json(await report.MakeAsync(stop), ImageMgmtJson.Options))
        .WithName("GetStatus").WithSummary("How the service stands: checks, and everything by state.").Produces<ServerStatus>().RequireAuthorization(Roles.Viewer);
}
