using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>What a person who helps from afar needs to know, as a zip. Settings of pods are left out: they may hold credentials.</summary>
internal sealed class SupportBundle(HostSettings settings, StatusReport report, Metrics metrics, SiloStore store, TimeProvider time)
{
    /// <summary>Unfinished operations and pods that are listed; the counts in the status say how many there are.</summary>
    private const int RowLimit = Domain.Limits.PageRows;

    private static readonly JsonSerializerOptions Json = new(ImageMgmtJson.Options) { WriteIndented = true };

    public string FileName => $"imgmt-support-{time.GetUtcNow().ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}.zip";

    public async Task WriteAsync(Stream target, CancellationToken stop)
    {
        await using var zip = await ZipArchive.CreateAsync(target, ZipArchiveMode.Create, leaveOpen: true, entryNameEncoding: null, stop);
        await AddAsync(zip, "version.json", JsonSerializer.Serialize(ProgramVersion.Current, Json), stop);
        await AddAsync(zip, "configuration.json", JsonSerializer.Serialize(settings.Effective, Json), stop);
        await AddAsync(zip, "status.json", JsonSerializer.Serialize(await report.MakeAsync(stop), Json), stop);
        await AddAsync(zip, "machine.json", JsonSerializer.Serialize(Machine(), Json), stop);
        await AddAsync(zip, "operations.json", JsonSerializer.Serialize(
            (await store.Catalog.ListUnfinishedOperationsAsync(null, RowLimit, stop)).Select(row => row.Read<OperationBody>())
                .Select(o => new { operation = o.Operation.Value, o.Kind, state = o.State.ToString(), about = o.Subject, o.Totals, fault = o.Fault?.ToString() }), Json), stop);
        await AddAsync(zip, "pods.json", JsonSerializer.Serialize(
            (await store.Catalog.ListPodsAsync(null, RowLimit, stop)).Rows.Select(row => row.Read<PodBody>())
                .Select(p => new { pod = p.Name.Value, state = p.State.ToString(), p.Family, p.Slots, fault = p.Fault?.ToString() }), Json), stop);
        await AddAsync(zip, "metrics.txt", await metrics.WriteAsync(stop), stop);
        await AddAsync(zip, "log.txt", string.Join('\n', settings.RecentLines.Snapshot()), stop);
    }

    private object Machine() => new
    {
        operatingSystem = RuntimeInformation.OSDescription.Trim(),
        architecture = RuntimeInformation.ProcessArchitecture.ToString(),
        processors = Environment.ProcessorCount,
        memoryBytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
        workingSetBytes = Environment.WorkingSet,
        machineUptimeSeconds = Environment.TickCount64 / 1_000,
        dataDirectory = store.DataDirectory,
        dataFileSystem = new DriveInfo(store.DataDirectory).DriveFormat,
    };

    /// <summary>Everything goes through the same sieve as the log lines, whatever made it.</summary>
    private static async Task AddAsync(ZipArchive zip, string name, string text, CancellationToken stop)
    {
        await using var entry = await zip.CreateEntry(name).OpenAsync(stop);
        await entry.WriteAsync(Encoding.UTF8.GetBytes(RecentLines.Scrub(text)), stop);
    }
}

internal static class SupportBundleEndpoint
{
    public static void MapSupportBundle(this WebApplication app) => app.MapGet(Routes.SupportBundle, async (SupportBundle bundle, CancellationToken stop) =>
        {
            var made = new MemoryStream(); // small: counts, one page of rows, a bounded log; a fault becomes a problem document, not half a file
            await bundle.WriteAsync(made, stop);
            made.Position = 0;
            return Results.File(made, "application/zip", bundle.FileName);
        })
        .WithName("GetSupportBundle").WithSummary("What a person who helps needs to know, without secrets, as a zip.")
        .Produces(StatusCodes.Status200OK, contentType: "application/zip").RequireAuthorization(Roles.Administrator);
}
