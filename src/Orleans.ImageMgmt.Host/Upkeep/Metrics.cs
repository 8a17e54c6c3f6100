using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>What <c>/metrics</c> shows. An endpoint of our own, because the exporter for ASP.NET has no stable release.</summary>
internal sealed class Metrics : IDisposable
{
    private readonly StatusReport report;
    private readonly Readiness readiness;
    private readonly SiloStore store;
    private readonly TransferCounters transfers;
    private readonly RequestCounters requests;
    private readonly TimeProvider time;
    private readonly DateTimeOffset startedAt;
    private readonly DurationHistogram commits = new();
    private readonly MeterListener listener;

    public Metrics(StatusReport report, Readiness readiness, SiloStore store, TransferCounters transfers, RequestCounters requests, TimeProvider time)
    {
        (this.report, this.readiness, this.store, this.transfers, this.requests, this.time) = (report, readiness, store, transfers, requests, time);
        startedAt = time.GetUtcNow();
        listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter == store.Counters.Meter && instrument is Histogram<double>)
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((_, seconds, _, _) => commits.Add(seconds));
        listener.Start();
    }

    public void Dispose() => listener.Dispose();

    public async Task<string> WriteAsync(CancellationToken stop)
    {
        var text = new PrometheusText();
        text.Family("imgmt_build_info", "gauge", "The program, as labels; always 1.")
            .Sample("imgmt_build_info", PrometheusText.Labels(("version", ProgramVersion.Current.Version)), 1);
        text.Gauge("imgmt_ready", "Whether the service takes work: 1 or 0.", await readiness.WhyNotAsync(stop) is null ? 1 : 0);
        text.Gauge("imgmt_uptime_seconds", "Seconds since the start.", (time.GetUtcNow() - startedAt).TotalSeconds);
        text.ByLabel("imgmt_pods", "gauge", "Pods by state.", "state", await report.CountAsync<Domain.PodState>(CatalogKind.Pod, stop));
        text.ByLabel("imgmt_images", "gauge", "Images by status.", "status", await report.CountAsync<Domain.ImageStatus>(CatalogKind.Image, stop));
        text.ByLabel("imgmt_versions", "gauge", "Versions by status.", "status", await report.CountAsync<Domain.VersionStatus>(CatalogKind.Version, stop));
        text.ByLabel("imgmt_copies", "gauge", "Copies by state.", "state", await report.CountAsync<Domain.CopyState>(CatalogKind.Copy, stop));
        text.ByLabel("imgmt_operations", "gauge", "Operations by state.", "state", await report.CountAsync<Domain.OperationState>(CatalogKind.Operation, stop));
        text.Gauge("imgmt_transfers_under_way", "Transfers, finalises and removals that run or wait for a slot.", transfers.UnderWay);
        text.Counter("imgmt_transfer_bytes_total", "Bytes staged on pods.", transfers.BytesMoved);
        text.Counter("imgmt_copies_read_back_total", "Available copies read back again, by the scrub or because somebody asked.", transfers.CopiesReadBack);
        text.Counter("imgmt_copies_damaged_total", "Of those, copies that were found damaged.", transfers.CopiesDamaged);
        text.Counter("imgmt_copies_repaired_total", "Damaged copies made whole.", transfers.CopiesRepaired);
        text.Counter("imgmt_repair_bytes_total", "Bytes that travelled for repairs.", transfers.RepairBytes);
        text.Counter("imgmt_peer_bytes_total", "Bytes that came from other pods than the source pod.", transfers.BytesFromPeers);
        text.Counter("imgmt_peer_chunks_wrong_total", "Chunks that came with wrong bytes from such pods.", transfers.ChunksWrong);
        text.Counter("imgmt_peers_set_aside_total", "Pods that were set aside because of that.", transfers.PeersSetAside);
        WriteStore(text);
        WriteRequests(text);
        WriteProcess(text);
        return text.ToString();
    }

    private void WriteStore(PrometheusText text)
    {
        var counters = store.Counters;
        text.Counter("imgmt_store_commits_total", "Transactions committed.", counters.Commits);
        text.Counter("imgmt_store_rows_total", "Row writes in committed transactions.", counters.Rows);
        text.Counter("imgmt_store_conflicts_total", "Writes refused because the row had changed.", counters.Conflicts);
        text.Counter("imgmt_store_failures_total", "Batches that could not be stored.", counters.Failures);
        text.Gauge("imgmt_store_queue_length", "Writes that wait for the store.", counters.Queued);
        text.Gauge("imgmt_store_size_bytes", "Length of the store's files.", report.StoreBytes());
        text.Gauge("imgmt_store_free_bytes", "Bytes free on the file system of the data directory.", new DriveInfo(store.DataDirectory).AvailableFreeSpace);
        text.Family("imgmt_store_commit_duration_seconds", "histogram", "Time of one commit, sync included.").Histogram("imgmt_store_commit_duration_seconds", commits);
    }

    private void WriteRequests(PrometheusText text)
    {
        text.Family("imgmt_http_requests_total", "counter", "Requests answered, by method, route and status.");
        foreach (var ((method, route, status), count) in requests.Counts.OrderBy(c => c.Key))
        {
            text.Sample("imgmt_http_requests_total", PrometheusText.Labels(("method", method), ("route", route), ("status", status)), count);
        }

        text.Family("imgmt_http_request_duration_seconds", "histogram", "Time to the end of an answer, event streams left out.")
            .Histogram("imgmt_http_request_duration_seconds", requests.Durations);
    }

    private static void WriteProcess(PrometheusText text)
    {
        using var process = Process.GetCurrentProcess();
        text.Gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.", process.WorkingSet64);
        text.Counter("process_cpu_seconds_total", "Processor time used, user and system.", process.TotalProcessorTime.TotalSeconds);
        text.Gauge("process_start_time_seconds", "Start of the process, seconds since 1970.", new DateTimeOffset(process.StartTime.ToUniversalTime()).ToUnixTimeMilliseconds() / 1000.0);
        text.Gauge("process_threads", "Threads of the process.", process.Threads.Count);
        text.Gauge("process_open_fds", "Open files and sockets.", Directory.EnumerateFileSystemEntries("/proc/self/fd").Count());
        text.Gauge("dotnet_gc_heap_bytes", "Bytes of managed objects.", GC.GetTotalMemory(forceFullCollection: false));
        text.ByLabel("dotnet_gc_collections_total", "counter", "Garbage collections by generation.", "generation",
            Enumerable.Range(0, GC.MaxGeneration + 1).Select(g => KeyValuePair.Create(g.ToString(System.Globalization.CultureInfo.InvariantCulture), (long)GC.CollectionCount(g))));
    }
}

internal static class MetricsEndpoint
{
    public static void MapMetrics(this WebApplication app) => app.MapGet(Routes.Metrics, async (Metrics metrics, CancellationToken stop) =>
            Results.Text(await metrics.WriteAsync(stop), PrometheusText.ContentType))
        .WithName("GetMetrics").WithSummary("Metrics as Prometheus text.").Produces<string>(StatusCodes.Status200OK, "text/plain").RequireAuthorization(Roles.Viewer);
}
