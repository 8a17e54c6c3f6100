using System.Collections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Orleans.Hosting;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Grains;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Host;

/// <summary>Sends metrics and traces to a collector over OTLP, where one is named; else nothing of it is loaded, and no span is made.</summary>
internal static class Telemetry
{
    private const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>Probes and scrapes come every few seconds and say nothing.</summary>
    private static readonly string[] Untraced = [Routes.Liveness, Routes.Readiness, Routes.Startup, Routes.Metrics];

    /// <summary>Who sends: attributes of a resource, as the semantic conventions name them.</summary>
    public static IEnumerable<KeyValuePair<string, string>> ResourceOf(HostSettings settings, SiloAddress? silo) =>
    [
        KeyValuePair.Create("service.name", "imgmt"),
        KeyValuePair.Create("service.namespace", settings.Cluster.IsOn ? settings.Cluster.Name : "imgmt"),
        KeyValuePair.Create("service.version", ProgramVersion.Current.Version),
        KeyValuePair.Create("service.instance.id", silo?.ToParsableString() ?? $"{Environment.MachineName}:{Environment.ProcessId}"),
    ];

    public static void AddTelemetry(this IHostApplicationBuilder builder, HostSettings settings)
    {
        var options = settings.Telemetry;
        var variables = Variables(options);
        if (!variables.TryGetValue(EndpointVariable, out var endpoint) || endpoint is not { Length: > 0 } || variables.GetValueOrDefault("OTEL_SDK_DISABLED") == "true")
        {
            return;
        }

        builder.Configuration.AddInMemoryCollection(variables); // the exporter reads them there
        var telemetry = builder.Services.AddOpenTelemetry();
        builder.Services.ConfigureOpenTelemetryTracerProvider((services, traces) => traces.ConfigureResource(r => Describe(r, services, settings)));
        builder.Services.ConfigureOpenTelemetryMeterProvider((services, metrics) => metrics.ConfigureResource(r => Describe(r, services, settings)));
        if (options.Metrics)
        {
            telemetry.WithMetrics(metrics => metrics.AddMeter(Metrics.Meters)
                .AddOtlpExporter((_, reader) => reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = (int)options.Interval.TotalMilliseconds));
            builder.Services.AddHostedService<EstateLook>();
        }

        if (options.Traces)
        {
            if (builder.Services.Any(s => s.ServiceType == typeof(ILocalSiloDetails)))
            {
                builder.UseOrleans(silo => silo.AddActivityPropagation());
            }
            else
            {
                builder.UseOrleansClient(client => client.AddActivityPropagation());
            }

            telemetry.WithTracing(traces => traces
                .SetSampler(new ParentBasedSampler(new RequestSampler(options.TraceRatio)))
                .AddSource(Spans.Name, "Microsoft.Orleans.Application", "Microsoft.Orleans.Runtime") // Orleans takes our grains for its own, by their namespace
                .AddAspNetCoreInstrumentation(http => http.Filter = context => !Untraced.Contains(context.Request.Path.Value))
                .AddOtlpExporter());
        }

        string[] signals = [.. options.Metrics ? ["metrics"] : (string[])[], .. options.Traces ? ["traces"] : (string[])[]];
        builder.Services.AddHostedService(services => new TelemetryNote(services.GetRequiredService<ILoggerFactory>().CreateLogger("imgmt.telemetry"), Shown(endpoint), string.Join(" and ", signals)));
    }

    /// <summary>The standard variables of the environment; what our own options say goes before them.</summary>
    private static Dictionary<string, string?> Variables(TelemetryOptions options)
    {
        var variables = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            if (((string)variable.Key).StartsWith("OTEL_", StringComparison.Ordinal))
            {
                variables[(string)variable.Key] = (string?)variable.Value;
            }
        }

        if (options.Otlp.Endpoint.Length > 0)
        {
            variables[EndpointVariable] = options.Otlp.Endpoint;
            variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = options.Otlp.Protocol == OtlpProtocol.Grpc ? "grpc" : "http/protobuf";
        }

        return variables;
    }

    private static void Describe(ResourceBuilder resource, IServiceProvider services, HostSettings settings) => resource.AddAttributes(
        ResourceOf(settings, services.GetService<ILocalSiloDetails>()?.SiloAddress).Select(a => KeyValuePair.Create(a.Key, (object)a.Value)));

    /// <summary>An address without what may be a password in it.</summary>
    private static string Shown(string endpoint) => Uri.TryCreate(endpoint, UriKind.Absolute, out var uri) ? uri.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped) : "the collector";
}

/// <summary>
/// Traces begin with a request over HTTP, or with work that has a link to one. Grains call each other all the time, for probes and timers; without this each such call would be a
/// trace of its own.
/// </summary>
internal sealed class RequestSampler(double ratio) : Sampler
{
    /// <summary>As ASP.NET names its activity when it begins.</summary>
    private const string HttpRequest = "Microsoft.AspNetCore.Hosting.HttpRequestIn";

    private readonly TraceIdRatioBasedSampler some = new(ratio);

    public override SamplingResult ShouldSample(in SamplingParameters samplingParameters) =>
        samplingParameters.Links?.Any(l => l.Context.TraceFlags.HasFlag(System.Diagnostics.ActivityTraceFlags.Recorded)) == true
            ? new SamplingResult(SamplingDecision.RecordAndSample)
            : samplingParameters.Name == HttpRequest ? some.ShouldSample(samplingParameters) : new SamplingResult(SamplingDecision.Drop);
}

/// <summary>Looks at the estate as often as metrics are sent: the exporter asks instruments, and those cannot wait.</summary>
internal sealed class EstateLook(EstateCounts estate, HostSettings settings, TimeProvider time, ILogger<EstateLook> log) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var interval = settings.Telemetry.Interval;
        using var timer = new PeriodicTimer(interval, time);
        do
        {
            try
            {
                await estate.LookAsync(stoppingToken);
            }
            catch (Exception problem) when (!stoppingToken.IsCancellationRequested)
            {
                WatchingLog.LookFailed(log, interval.TotalSeconds, problem);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }
}

/// <summary>Says once where telemetry goes.</summary>
internal sealed class TelemetryNote(ILogger log, string endpoint, string signals) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        WatchingLog.Exporting(log, endpoint, signals.Length > 0 ? signals : "nothing");
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
