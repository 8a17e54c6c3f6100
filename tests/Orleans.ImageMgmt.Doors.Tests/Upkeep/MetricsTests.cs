using System.Globalization;
using System.Text.RegularExpressions;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Goal: a Prometheus server can read every line, every family is in docs/metrics.md, and the numbers are those of what happened.</summary>
public sealed partial class MetricsTests
{
    [Fact]
    public async Task Metrics_parse_strictly_are_documented_and_count_what_happened()
    {
        await using var server = await UpkeepServer.StartAsync();
        var version = new VersionId(new ImageName("win"), new VersionName("1.0"));
        foreach (var pod in (string[])["source", "a"])
        {
            await server.ConnectAsync(pod);
        }

        await server.ImportAsync(version, "source", mebibytes: 4);
        await server.PublishAsync(version, "first");
        await server.Http.GetAsync("/nowhere", UpkeepServer.Stop);
        await server.Http.GetAsync(Routes.Liveness, UpkeepServer.Stop);

        using var answer = await server.Http.GetAsync(Routes.Metrics, UpkeepServer.Stop);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.Content.Headers.ContentType?.ToString());
        var families = Parse(await answer.Content.ReadAsStringAsync(UpkeepServer.Stop));

        Assert.Equal(Documented(), families.Select(f => (f.Name, f.Type, f.Help)).OrderBy(f => f.Name, StringComparer.Ordinal));
        var samples = families.SelectMany(f => f.Samples).ToDictionary(s => s.Name, s => s.Value);
        Assert.Equal(2, samples["imgmt_pods{state=\"connected\"}"]);
        Assert.Equal(0, samples["imgmt_pods{state=\"unreachable\"}"]);
        Assert.Equal(2, samples["imgmt_copies{state=\"available\"}"]);
        Assert.Equal(2, samples["imgmt_operations{state=\"succeeded\"}"]);
        Assert.Equal(1, samples["imgmt_ready"]);
        Assert.Equal(4 << 20, samples["imgmt_transfer_bytes_total"]);
        Assert.Equal(1, samples["imgmt_http_requests_total{method=\"GET\",route=\"/livez\",status=\"200\"}"]);
        Assert.Contains(samples.Keys, name => name.StartsWith("imgmt_http_requests_total{method=\"GET\",route=\"none\"", StringComparison.Ordinal));
        Assert.Equal(samples["imgmt_store_commits_total"], samples["imgmt_store_commit_duration_seconds_count"], tolerance: 3);
        Assert.True(samples["process_resident_memory_bytes"] > 1 << 20 && samples["process_cpu_seconds_total"] > 0 && samples["imgmt_store_size_bytes"] > 0);
    }

    [Theory]
    [InlineData("a\"b", "a\\\"b")]
    [InlineData("a\\b", "a\\\\b")]
    [InlineData("a\nb", "a\\nb")]
    public void Values_of_labels_are_escaped(string value, string written)
    {
        Assert.Equal($"{{name=\"{written}\"}}", Host.PrometheusText.Labels(("name", value)));
    }

    [Fact]
    public void A_histogram_is_cumulative_and_ends_in_its_count()
    {
        var histogram = new Host.DurationHistogram();
        foreach (var seconds in (double[])[0.0005, 0.003, 0.003, 99])
        {
            histogram.Add(seconds);
        }

        var family = Assert.Single(Parse(new Host.PrometheusText().Family("x", "histogram", "Of x.").Histogram("x", histogram).ToString()));

        var samples = family.Samples.ToDictionary(s => s.Name, s => s.Value);
        Assert.Equal((1, 1, 3, 3, 4), (samples["x_bucket{le=\"0.001\"}"], samples["x_bucket{le=\"0.0025\"}"], samples["x_bucket{le=\"0.005\"}"], samples["x_bucket{le=\"10\"}"], samples["x_bucket{le=\"+Inf\"}"]));
        Assert.Equal(4, samples["x_count"]);
    }

    /// <summary>The text format, taken by its word: HELP, then TYPE, then this family's samples and no other's; nothing twice; a line end at the end.</summary>
    private static List<Family> Parse(string text)
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

    private static IEnumerable<(string Name, string Type, string Help)> Documented() =>
        File.ReadAllLines(Path.Combine(Sources.Root, "docs", "metrics.md")).Where(line => line.StartsWith("| `", StringComparison.Ordinal))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries)).Select(cells => (cells[1].Trim('`'), cells[2], cells[4])).OrderBy(row => row.Item1, StringComparer.Ordinal);

    private sealed record Family(string Name, string Type, string Help, List<(string Name, double Value)> Samples);

    [GeneratedRegex(@"^# HELP ([a-z_][a-z0-9_]*) (.+)$")]
    private static partial Regex Help();

    [GeneratedRegex(@"^# TYPE ([a-z_][a-z0-9_]*) (counter|gauge|histogram)$")]
    private static partial Regex TypeLine();

    [GeneratedRegex("""^(?<name>[a-z_][a-z0-9_]*)(?<labels>\{[a-z_]+="(?:[^"\\]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\]|\\["\\n])*")*\})? (?<value>-?[0-9.]+(?:E[+-]?[0-9]+)?|NaN|[+-]Inf)$""")]
    private static partial Regex SampleLine();
}
