using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Doors.Tests.Upkeep;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Watching;

/// <summary>Goal: a Prometheus server can read every line, every instrument is in docs/metrics.md with its unit and attributes and nothing else is, and the numbers are those of what happened.</summary>
public sealed partial class MetricsTests
{
    [Fact]
    public async Task Metrics_parse_strictly_and_count_what_happened()
    {
        await using var server = await UpkeepServer.StartAsync("ImageMgmt:Retry:FirstDelay=50ms", "ImageMgmt:Retry:MaxTries=2");
        var version = await LiveAsync(server);
        await server.Http.GetAsync("/nowhere", UpkeepServer.Stop);
        await server.Http.GetAsync(Routes.Liveness, UpkeepServer.Stop);

        using var answer = await server.Http.GetAsync(Routes.Metrics, UpkeepServer.Stop);

        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.Content.Headers.ContentType?.ToString());
        var samples = Parse(await answer.Content.ReadAsStringAsync(UpkeepServer.Stop)).SelectMany(f => f.Samples).ToDictionary(s => s.Name, s => s.Value);
        Assert.Equal((4, 0), (samples["imgmt_pod_count{imgmt_pod_state=\"connected\"}"], samples["imgmt_pod_count{imgmt_pod_state=\"unreachable\"}"]));
        Assert.Equal((3, 1), (samples["imgmt_copy_count{imgmt_copy_state=\"available\"}"], samples["imgmt_copy_count{imgmt_copy_state=\"failed\"}"]));
        Assert.Equal(1, samples["imgmt_operation_count{imgmt_operation_state=\"partiallySucceeded\"}"]);
        Assert.Equal((1, 1), (samples["imgmt_silo_ready"], samples["imgmt_silo_count{imgmt_silo_status=\"active\"}"]));
        Assert.Equal(4 << 20, samples["imgmt_transfer_io_bytes_total{imgmt_pod_name=\"a\"}"]);
        Assert.Equal(1, samples["imgmt_copy_retries_total{error_type=\"unreachable\",imgmt_fault_stage=\"receive\"}"]);
        Assert.Equal(1, samples["imgmt_copy_failures_total{error_type=\"denied\",imgmt_fault_stage=\"receive\"}"]);
        Assert.Equal(1, samples["imgmt_operation_duration_seconds_count{imgmt_operation_kind=\"import\",imgmt_operation_state=\"succeeded\"}"]);
        Assert.Equal(1, samples["imgmt_operation_duration_seconds_count{imgmt_operation_kind=\"publish\",imgmt_operation_state=\"partiallySucceeded\"}"]);
        Assert.Equal(2, samples["imgmt_transfer_rate_bytes_per_second_count"]);
        Assert.Equal(1, samples["imgmt_transfer_duration_seconds_count{imgmt_transfer_step=\"prepare\"}"]);
        Assert.Equal(1, samples["imgmt_transfer_duration_seconds_count{error_type=\"denied\",imgmt_transfer_step=\"receive\"}"]);
        Assert.Equal(samples["imgmt_store_commits_total{db_system_name=\"sqlite\"}"], samples["imgmt_store_commit_duration_seconds_count{db_system_name=\"sqlite\"}"], tolerance: 3);
        Assert.True(samples["imgmt_store_write_duration_seconds_count{db_system_name=\"sqlite\"}"] > 0 && samples["imgmt_store_read_duration_seconds_count{db_system_name=\"sqlite\"}"] > 0);
        Assert.True(samples["imgmt_certificate_remaining_seconds{imgmt_certificate_purpose=\"silo\"}"] > TimeSpan.FromDays(1).TotalSeconds);
        Assert.True(samples["imgmt_disk_limit_bytes"] > samples["imgmt_disk_free_bytes"] && samples["imgmt_store_size_bytes"] > 0);
        Assert.Contains(samples.Keys, name => name.StartsWith("http_server_request_duration_seconds_count{", StringComparison.Ordinal) && name.Contains("http_route=\"/livez\"", StringComparison.Ordinal));
        Assert.Contains(samples.Keys, name => name.StartsWith("http_server_request_duration_seconds_count{", StringComparison.Ordinal) && name.Contains("404", StringComparison.Ordinal) && !name.Contains("nowhere", StringComparison.Ordinal));
        Assert.True(samples["dotnet_process_memory_working_set_bytes"] > 1 << 20 && samples["process_uptime_seconds"] > 0);
        Assert.Single(samples.Keys, name => name.StartsWith("target_info{", StringComparison.Ordinal) && name.Contains("service_name=\"imgmt\"", StringComparison.Ordinal));
        Assert.Equal(new VersionName("1.0"), version.Version);
    }

    /// <summary>With IMGMT_ACCEPT_GOLDEN=1 the test writes the tables anew.</summary>
    [Fact]
    public async Task The_tables_in_the_documentation_are_the_instruments_that_exist()
    {
        await using var driver = NpgsqlDataSource.Create("Host=nowhere"); // its instruments are there once it is used
        await using var server = await UpkeepServer.StartAsync("ImageMgmt:Retry:FirstDelay=50ms", "ImageMgmt:Retry:MaxTries=2");
        var metrics = server.Services.GetRequiredService<Metrics>();
        using var attributes = new AttributeListener(metrics.Instruments);
        await LiveAsync(server);
        await server.Http.GetAsync(Routes.Metrics, UpkeepServer.Stop);
        attributes.Ask();

        var path = Path.Combine(Sources.Root, "docs", "metrics.md");
        var text = await File.ReadAllTextAsync(path, UpkeepServer.Stop);
        var instruments = metrics.Instruments.OrderBy(i => i.Name, StringComparer.Ordinal).ToList();
        var made = Replaced(text, "ours", string.Concat(instruments.Where(IsOurs).Select(i => $"| `{i.Name}` | {Kind(i)} | {Unit(i)} | {attributes.Of(i)} | `{Shown(i)}` | {i.Description}. |\n")));
        made = Replaced(made, "others", string.Concat(instruments.Where(i => !IsOurs(i)).DistinctBy(i => i.Name).Select(i => $"| `{i.Name}` | {i.Meter.Name} | {Kind(i)} | {Unit(i)} | `{Shown(i)}` |\n")));
        if (Environment.GetEnvironmentVariable("IMGMT_ACCEPT_GOLDEN") == "1")
        {
            await File.WriteAllTextAsync(path, made, UpkeepServer.Stop);
        }

        Assert.All(instruments.Where(IsOurs), i => Assert.False(string.IsNullOrWhiteSpace(i.Description), i.Name));
        Assert.True(made == await File.ReadAllTextAsync(path, UpkeepServer.Stop), $"docs/metrics.md is not what the program measures: run this test with IMGMT_ACCEPT_GOLDEN=1, look at the difference and commit it.\n{made}");
    }

    [Theory]
    [InlineData("imgmt.transfer.io", "By", true, "imgmt_transfer_io_bytes_total")]
    [InlineData("imgmt.transfer.rate", "By/s", false, "imgmt_transfer_rate_bytes_per_second")]
    [InlineData("imgmt.copy.count", "{copy}", false, "imgmt_copy_count")]
    [InlineData("orleans-app-requests-latency", "ms", false, "orleans_app_requests_latency_milliseconds")]
    [InlineData("x.seconds", "s", false, "x_seconds")]
    [InlineData("a..b--c", null, false, "a_b_c")]
    [InlineData("9lives", "", true, "_9lives_total")]
    public void Names_are_those_that_OpenTelemetry_gives_them_in_Prometheus(string name, string? unit, bool isCounter, string shown)
    {
        Assert.Equal(shown, PrometheusText.NameOf(name, unit, isCounter));
    }

    [Theory]
    [InlineData("a\"b", "a\\\"b")]
    [InlineData("a\\b", "a\\\\b")]
    [InlineData("a\nb", "a\\nb")]
    public void Values_of_labels_are_escaped(string value, string written)
    {
        using var meter = new Meter("test");
        using var reader = new MeterReader(m => m == meter);
        meter.CreateCounter<long>("x").Add(1, new KeyValuePair<string, object?>("the.name", value));

        Assert.Contains($"x_total{{the_name=\"{written}\"}} 1\n", Written(reader), StringComparison.Ordinal);
    }

    [Fact]
    public void A_histogram_is_cumulative_keeps_its_own_bounds_and_ends_in_its_count()
    {
        using var meter = new Meter("test");
        using var reader = new MeterReader(m => m == meter);
        var histogram = meter.CreateHistogram("x", "s", "Of x", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.0025, 10] });
        foreach (var seconds in (double[])[0.0005, 0.001, 0.002, 99])
        {
            histogram.Record(seconds);
        }

        var samples = Assert.Single(Parse(Written(reader))).Samples.ToDictionary(s => s.Name, s => s.Value);

        Assert.Equal((2, 3, 3, 4), (samples["x_seconds_bucket{le=\"0.001\"}"], samples["x_seconds_bucket{le=\"0.0025\"}"], samples["x_seconds_bucket{le=\"10\"}"], samples["x_seconds_bucket{le=\"+Inf\"}"]));
        Assert.Equal((4, 99.0035), (samples["x_seconds_count"], Math.Round(samples["x_seconds_sum"], 6)));
    }

    [Fact]
    public void Series_beyond_the_limit_are_added_to_one_that_says_so()
    {
        using var meter = new Meter("test");
        using var reader = new MeterReader(m => m == meter);
        var counter = meter.CreateCounter<long>("x");
        for (var i = 0; i < MeterReader.SeriesLimit + 5; i++)
        {
            counter.Add(1, new KeyValuePair<string, object?>("n", i));
        }

        var samples = Assert.Single(Parse(Written(reader))).Samples;

        Assert.Equal(MeterReader.SeriesLimit + 1, samples.Count);
        Assert.Equal(5, samples.Single(s => s.Name == "x_total" + MeterReader.OverflowLabels).Value);
    }

    [Fact]
    public void An_instrument_that_throws_takes_no_other_with_it_and_is_told()
    {
        using var meter = new Meter("test");
        using var reader = new MeterReader(m => m == meter);
        meter.CreateObservableGauge("bad", int () => throw new InvalidOperationException("broken"));
        meter.CreateObservableGauge("good", () => 7);
        var text = new PrometheusText();

        var faults = reader.Write(text);

        Assert.Equal("broken", Assert.Single(faults).Message);
        Assert.Contains("good 7\n", text.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_observed_series_that_is_gone_is_not_shown_any_more()
    {
        using var meter = new Meter("test");
        using var reader = new MeterReader(m => m == meter);
        var pods = new List<string> { "a", "b" };
        meter.CreateObservableGauge("x", () => pods.Select(p => new Measurement<int>(1, new KeyValuePair<string, object?>("pod", p))).ToList());
        Assert.Contains("pod=\"b\"", Written(reader), StringComparison.Ordinal);

        pods.Remove("b");

        Assert.DoesNotContain("pod=\"b\"", Written(reader), StringComparison.Ordinal);
    }

    [Fact]
    public void Pods_beyond_the_limit_share_a_name_that_no_pod_can_have()
    {
        Assert.False(PodName.TryCreate(TransferCounters.OtherPods, out _));
    }

    /// <summary>Four pods, one import, one publish that one target takes, one takes at the second try and one refuses.</summary>
    private static async Task<VersionId> LiveAsync(UpkeepServer server)
    {
        var version = new VersionId(new ImageName("win"), new VersionName("1.0"));
        await server.ConnectAsync("source");
        await server.ConnectAsync("a");
        await server.ConnectAsync("locked", ("fault-plan", "receive:refuse:cause=denied:times=99"));
        await server.ConnectAsync("flaky", ("fault-plan", "receive:refuse:cause=unreachable:times=1"));
        await server.ImportAsync(version, "source", mebibytes: 4);
        await server.PublishAsync(version, "first");
        return version;
    }

    private static string Written(MeterReader reader)
    {
        var text = new PrometheusText();
        Assert.Empty(reader.Write(text));
        return text.ToString();
    }

    private static bool IsOurs(Instrument instrument) => instrument.Meter.Name is SiloMeter.Name or StoreCounters.MeterName;

    private static string Kind(Instrument instrument) => instrument.GetType().Name.Split('`')[0].Replace("Observable", "", StringComparison.Ordinal) switch
    {
        nameof(Counter<>) => "counter",
        nameof(Histogram<>) => "histogram",
        nameof(UpDownCounter<>) => "up-down counter",
        nameof(Gauge<>) => "gauge",
        var other => throw new NotSupportedException(other),
    };

    private static string Unit(Instrument instrument) => instrument.Unit is { Length: > 0 } unit ? $"`{unit}`" : "";

    private static string Shown(Instrument instrument) => PrometheusText.NameOf(instrument.Name, instrument.Unit, Kind(instrument) == "counter");

    /// <summary>The document with other rows behind a table's mark.</summary>
    private static string Replaced(string document, string mark, string rows)
    {
        var begin = document.IndexOf($"<!-- {mark} -->\n", StringComparison.Ordinal);
        var end = document.IndexOf($"<!-- end of {mark} -->", StringComparison.Ordinal);
        Assert.True(begin >= 0 && end > begin, $"docs/metrics.md has lost the mark of the table '{mark}'.");
        var first = document.IndexOf("|---", begin, StringComparison.Ordinal);
        var body = document.IndexOf('\n', first) + 1;
        return document[..body] + rows + document[end..];
    }

    /// <summary>The attributes that instruments are measured with.</summary>
    private sealed class AttributeListener : IDisposable
    {
        private readonly MeterListener listener = new();
        private readonly Dictionary<Instrument, SortedSet<string>> found = [];

        public AttributeListener(IReadOnlyList<Instrument> instruments)
        {
            listener.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Note(instrument, tags));
            listener.SetMeasurementEventCallback<int>((instrument, _, tags, _) => Note(instrument, tags));
            listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Note(instrument, tags));
            foreach (var instrument in instruments.Where(IsOurs))
            {
                listener.EnableMeasurementEvents(instrument);
            }

            listener.Start();
        }

        public void Ask() => listener.RecordObservableInstruments();

        public string Of(Instrument instrument)
        {
            lock (found)
            {
                return string.Join(", ", found.GetValueOrDefault(instrument, []).Select(a => $"`{a}`"));
            }
        }

        public void Dispose() => listener.Dispose();

        private void Note(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            lock (found)
            {
                if (!found.TryGetValue(instrument, out var names))
                {
                    found[instrument] = names = new SortedSet<string>(StringComparer.Ordinal);
                }

                foreach (var (name, _) in tags)
                {
                    names.Add(name);
                }
            }
        }
    }

    /// <summary>The text format, taken by its word: HELP, then TYPE, then this family's samples and no other's; nothing twice; a line end at the end.</summary>
    internal static List<Family> Parse(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var families = new List<Family>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        string? help = null;
        foreach (var line in text[..^1].Split('\n'))
        {
            if (Help().Match(line) is { Success: true } h)
            {
                help = h.Groups[1].Value;
                families.Add(new Family(help, "", h.Groups[2].Value, []));
                Assert.True(seen.Add($"# {help}"), $"{help} comes twice");
            }
            else if (TypeLine().Match(line) is { Success: true } t)
            {
                Assert.True(t.Groups[1].Value == help && families[^1].Type.Length == 0, $"TYPE without its HELP: {line}");
                families[^1] = families[^1] with { Type = t.Groups[2].Value };
            }
            else
            {
                var sample = SampleLine().Match(line);
                Assert.True(sample.Success, $"This is no line of the format: {line}");
                var (family, name) = (families[^1], sample.Groups["name"].Value);
                string[] allowed = family.Type == "histogram" ? [$"{family.Name}_bucket", $"{family.Name}_sum", $"{family.Name}_count"] : [family.Name];
                Assert.Contains(name, allowed);
                Assert.True(seen.Add(name + sample.Groups["labels"].Value), $"{line} comes twice");
                family.Samples.Add((name + sample.Groups["labels"].Value, double.Parse(sample.Groups["value"].Value, CultureInfo.InvariantCulture)));
            }
        }

        Assert.All(families, family =>
        {
            Assert.NotEmpty(family.Type);
            Assert.NotEmpty(family.Help);
            Assert.True((family.Type == "counter") == family.Name.EndsWith("_total", StringComparison.Ordinal), $"{family.Name}: counters end in _total, others do not");
        });
        return families;
    }

    internal sealed record Family(string Name, string Type, string Help, List<(string Name, double Value)> Samples);

    [GeneratedRegex(@"^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$")]
    private static partial Regex Help();

    [GeneratedRegex(@"^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$")]
    private static partial Regex TypeLine();

    [GeneratedRegex("""^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?<labels>\{[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\["\\n])*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\["\\n])*")*\})? (?<value>-?[0-9.]+(?:E[+-]?[0-9]+)?|NaN|[+-]Inf)$""")]
    private static partial Regex SampleLine();
}
