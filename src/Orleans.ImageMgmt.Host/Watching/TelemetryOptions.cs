namespace Orleans.ImageMgmt.Host;

/// <summary>Where metrics and traces are sent (section <c>Telemetry</c>). <c>/metrics</c> answers whatever stands here. What is not given here the standard variables of OpenTelemetry say,
/// such as OTEL_EXPORTER_OTLP_HEADERS and OTEL_RESOURCE_ATTRIBUTES.</summary>
internal sealed class TelemetryOptions
{
    /// <summary>How the collector is reached.</summary>
    public OtlpExport Otlp { get; set; } = new();

    /// <summary>Send metrics. Default: true, once a collector is named.</summary>
    public bool Metrics { get; set; } = true;

    /// <summary>Send traces. Default: true, once a collector is named.</summary>
    public bool Traces { get; set; } = true;

    /// <summary>Of how many requests the traces are kept, from 0 to 1; a request that is already traced by its caller keeps the caller's decision. Default: 1: requests of
    /// people and pipelines are few, and a publish is traced as a whole or not at all.</summary>
    public double TraceRatio { get; set; } = 1;

    /// <summary>How often metrics are sent. Default: 30 s.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Every fault of these settings, in one sentence each, beginning with the name of the option; empty when they are good.</summary>
    public IReadOnlyList<string> Faults()
    {
        List<string> faults = [];
        if (Otlp.Endpoint.Length > 0 && !(Uri.TryCreate(Otlp.Endpoint, UriKind.Absolute, out var endpoint) && endpoint.Scheme is "http" or "https"))
        {
            faults.Add($"{nameof(Otlp)}:{nameof(Otlp.Endpoint)} is '{Otlp.Endpoint}'; the address of a collector is expected, such as http://127.0.0.1:4317.");
        }

        if (TraceRatio is not (>= 0 and <= 1))
        {
            faults.Add($"{nameof(TraceRatio)} is {TraceRatio}; it must be from 0 to 1.");
        }

        if (Interval < TimeSpan.FromSeconds(1) || Interval > TimeSpan.FromHours(1))
        {
            faults.Add($"{nameof(Interval)} is {Interval}; it must be from 1 s to 1 h.");
        }

        return faults;
    }
}

/// <summary>A collector that speaks OTLP.</summary>
internal sealed class OtlpExport
{
    /// <summary>Address of the collector, such as <c>http://127.0.0.1:4317</c>. Default: empty: OTEL_EXPORTER_OTLP_ENDPOINT of the environment, and without that nothing is sent.</summary>
    public string Endpoint { get; set; } = "";

    /// <summary>How it is spoken to: Grpc (usually port 4317) or HttpProtobuf (usually 4318; the paths of OTLP are appended). Default: Grpc.</summary>
    public OtlpProtocol Protocol { get; set; } = OtlpProtocol.Grpc;
}

/// <summary>The two ways of OTLP.</summary>
internal enum OtlpProtocol
{
    Grpc,
    HttpProtobuf,
}
