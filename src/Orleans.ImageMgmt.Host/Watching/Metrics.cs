using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Host;

/// <summary>The instruments that only the host can fill, and what <c>/metrics</c> shows. An endpoint of our own, because the exporter for ASP.NET has no stable release.</summary>
internal sealed class Metrics : IDisposable
{
    /// <summary>Meters that are shown and exported: ours, those of Orleans, HTTP, .NET, and of the driver of PostgreSQL.</summary>
    public static readonly string[] Meters =
    [
        SiloMeter.Name, StoreCounters.MeterName, "Microsoft.Orleans", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "Npgsql", "System.Runtime",
    ];

    private readonly HostSettings settings;
    private readonly EstateCounts estate;
    private readonly StatusReport report;
    private readonly SiloStore store;
    private readonly ISiloStatusOracle? silos;
    private readonly SiloTrust trust;
    private readonly ServerCertificate? certificate;
    private readonly TimeProvider time;
    private readonly ILogger<Metrics> log;
    private readonly DateTimeOffset startedAt;
    private readonly MeterReader reader;

    public Metrics(HostSettings settings, EstateCounts estate, StatusReport report, SiloStore store, SiloMeter silo, SiloTrust trust, ServedCertificate served, IMeterFactory meters,
        TimeProvider time, ILogger<Metrics> log, ISiloStatusOracle? silos = null)
    {
        (this.settings, this.estate, this.report, this.store, this.silos, this.trust, this.time, this.log) = (settings, estate, report, store, silos, trust, time, log);
        certificate = served.Certificate;
        startedAt = time.GetUtcNow();
        CountEstate(silo.Meter);
        CountSilo(silo.Meter);
        CountProcess(silo.Meter);
        reader = new MeterReader(meter => Meters.Contains(meter.Name) && (meter.Name == StoreCounters.MeterName ? meter == store.Counters.Meter : meter.Scope is null || meter.Scope == meters));
    }

    /// <summary>Every instrument there is, for the test of the table.</summary>
    public IReadOnlyList<Instrument> Instruments => reader.Instruments;

    public void Dispose() => reader.Dispose();

    public async Task<string> WriteAsync(CancellationToken stop)
    {
        await estate.LookAsync(stop);
        var text = new PrometheusText();
        text.Family("target_info", "gauge", "Who sends this, as labels; always 1.").Sample("target_info", PrometheusText.Labels(
            [.. Telemetry.ResourceOf(settings, silos?.SiloAddress).Select(a => (PrometheusText.LabelOf(a.Key), a.Value)).OrderBy(a => a.Item1, StringComparer.Ordinal)]), 1);
        foreach (var fault in reader.Write(text))
        {
            WatchingLog.InstrumentFailed(log, fault);
        }

        return text.ToString();
    }

    /// <summary>What all silos see alike: gauges, because their sum over silos means nothing.</summary>
    private void CountEstate(Meter meter)
    {
        Gauge("imgmt.pod.count", "{pod}", CatalogKind.Pod, "imgmt.pod.state", "Pods of the estate by state; every silo says the same");
        Gauge("imgmt.image.count", "{image}", CatalogKind.Image, "imgmt.image.status", "Images of the estate by status; every silo says the same");
        Gauge("imgmt.version.count", "{version}", CatalogKind.Version, "imgmt.version.status", "Versions of the estate by status; every silo says the same");
        Gauge("imgmt.copy.count", "{copy}", CatalogKind.Copy, "imgmt.copy.state", "Copies of the estate by state; every silo says the same");
        Gauge("imgmt.operation.count", "{operation}", CatalogKind.Operation, "imgmt.operation.state", "Operations of the estate by state; every silo says the same");

        void Gauge(string name, string unit, CatalogKind kind, string attribute, string description) => meter.CreateObservableGauge(
            name, () => estate.ByKind.GetValueOrDefault(kind)?.Select(c => new Measurement<long>(c.Value, new KeyValuePair<string, object?>(attribute, c.Key))) ?? [], unit, description);
    }

    private void CountSilo(Meter meter)
    {
        meter.CreateObservableGauge("imgmt.silo.ready", () => estate.IsReady is { } ready ? (Measurement<int>[])[new(ready)] : [], description: "Whether this silo takes work: 1 or 0");
        if (silos is not null)
        {
            meter.CreateObservableGauge("imgmt.silo.count", () => SilosByStatus(silos), "{silo}", "Silos of the cluster by status, as this silo sees them");
        }

        meter.CreateObservableGauge("imgmt.certificate.remaining", () => Certificates(), "s", "Time until a certificate of this silo ends, by what it is for; less than zero when it has ended");
        meter.CreateObservableGauge("imgmt.store.size", () => report.StoreBytes(), "By", "Length of the store's files on this machine");
        meter.CreateObservableGauge("imgmt.disk.free", () => new DriveInfo(store.DataDirectory).AvailableFreeSpace, "By", "Bytes free on the file system of the data folder");
        meter.CreateObservableGauge("imgmt.disk.limit", () => new DriveInfo(store.DataDirectory).TotalSize, "By", "Size of the file system of the data folder");
    }

    /// <summary>Beside what .NET measures itself.</summary>
    private void CountProcess(Meter meter)
    {
        meter.CreateObservableGauge("process.uptime", () => (time.GetUtcNow() - startedAt).TotalSeconds, "s", "Time since the service was started");
        meter.CreateObservableUpDownCounter("process.thread.count", () => Threads(), "{thread}", "Threads of the process");
        meter.CreateObservableUpDownCounter("process.unix.file_descriptor.count", () => Directory.EnumerateFileSystemEntries("/proc/self/fd").Count(), "{file_descriptor}", "Open files and sockets");
    }

    private static int Threads()
    {
        using var process = Process.GetCurrentProcess();
        return process.Threads.Count;
    }

    private static IEnumerable<Measurement<long>> SilosByStatus(ISiloStatusOracle silos)
    {
        var found = silos.GetApproximateSiloStatuses(onlyActive: false).Values.CountBy(s => s).ToDictionary();
        return ((SiloStatus[])[SiloStatus.Joining, SiloStatus.Active, SiloStatus.ShuttingDown, SiloStatus.Stopping, SiloStatus.Dead])
            .Select(s => new Measurement<long>(found.GetValueOrDefault(s), new KeyValuePair<string, object?>("imgmt.silo.status", SiloMeter.Word(s))));
    }

    private IEnumerable<Measurement<double>> Certificates()
    {
        yield return Of("silo", trust.Current().Own);
        if (certificate is not null)
        {
            yield return Of("http", certificate.Current);
        }

        Measurement<double> Of(string purpose, X509Certificate2 own) =>
            new((own.NotAfter.ToUniversalTime() - time.GetUtcNow().UtcDateTime).TotalSeconds, new KeyValuePair<string, object?>("imgmt.certificate.purpose", purpose));
    }
}

/// <summary>The certificate that HTTP is served with; none where it is served without TLS.</summary>
internal sealed record ServedCertificate(ServerCertificate? Certificate);

internal static class MetricsEndpoint
{
    public static void MapMetrics(this WebApplication app) => app.MapGet(Routes.Metrics, async (Metrics metrics, CancellationToken stop) =>
            Results.Text(await metrics.WriteAsync(stop), PrometheusText.ContentType))
        .WithName("GetMetrics").WithSummary("Metrics as Prometheus text.").Produces<string>(StatusCodes.Status200OK, "text/plain").RequireAuthorization(Roles.Viewer);
}

internal static partial class WatchingLog
{
    [LoggerMessage(EventId = 8220, Level = LogLevel.Warning, Message = "A metric could not be read")]
    internal static partial void InstrumentFailed(ILogger logger, Exception problem);

    [LoggerMessage(EventId = 8221, Level = LogLevel.Information, Message = "Telemetry goes to {Endpoint}: {Signals}")]
    internal static partial void Exporting(ILogger logger, string endpoint, string signals);

    [LoggerMessage(EventId = 8222, Level = LogLevel.Warning, Message = "The state of the estate could not be read for the metrics; it is tried again in {Seconds} s")]
    internal static partial void LookFailed(ILogger logger, double seconds, Exception problem);
}
