using System.Globalization;
using System.Text;

namespace Orleans.ImageMgmt.Host;

/// <summary>Writes metrics in the Prometheus text format, version 0.0.4: a family's HELP and TYPE once, then its samples together.</summary>
internal sealed class PrometheusText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly StringBuilder text = new();

    public PrometheusText Gauge(string name, string help, double value) => Family(name, "gauge", help).Sample(name, "", value);

    public PrometheusText Counter(string name, string help, double value) => Family(name, "counter", help).Sample(name, "", value);

    /// <summary>One sample for each value of one label.</summary>
    public PrometheusText ByLabel(string name, string type, string help, string label, IEnumerable<KeyValuePair<string, long>> values)
    {
        Family(name, type, help);
        foreach (var (value, count) in values)
        {
            Sample(name, Labels((label, value)), count);
        }

        return this;
    }

    public PrometheusText Family(string name, string type, string help)
    {
        text.Append("# HELP ").Append(name).Append(' ').Append(help.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)).Append('\n');
        text.Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n');
        return this;
    }

    public PrometheusText Sample(string name, string labels, double value)
    {
        text.Append(name).Append(labels).Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
        return this;
    }

    public PrometheusText Histogram(string name, DurationHistogram histogram, params (string Name, string Value)[] labels)
    {
        var (buckets, count, sum) = histogram.Read();
        var below = 0L;
        for (var i = 0; i < buckets.Count; i++)
        {
            below += buckets[i];
            var bound = i < DurationHistogram.Bounds.Count ? DurationHistogram.Bounds[i].ToString("R", CultureInfo.InvariantCulture) : "+Inf";
            Sample($"{name}_bucket", Labels([.. labels, ("le", bound)]), below);
        }

        return Sample($"{name}_sum", Labels(labels), sum).Sample($"{name}_count", Labels(labels), count);
    }

    public static string Labels(params (string Name, string Value)[] labels) => labels.Length == 0 ? "" : $"{{{string.Join(',', labels.Select(l => $"{l.Name}=\"{Escape(l.Value)}\""))}}}";

    public override string ToString() => text.ToString();

    private static string Escape(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}

/// <summary>Counts durations by fixed bounds in seconds.</summary>
internal sealed class DurationHistogram
{
    private readonly Lock gate = new();
    private readonly long[] buckets = new long[Bounds.Count + 1];
    private long count;
    private double sum;

    /// <summary>From a commit on a fast disk to a request that waits for a slow one.</summary>
    public static IReadOnlyList<double> Bounds { get; } = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    public void Add(double seconds)
    {
        var bucket = 0;
        while (bucket < Bounds.Count && seconds > Bounds[bucket])
        {
            bucket++;
        }

        lock (gate)
        {
            buckets[bucket]++;
            count++;
            sum += seconds;
        }
    }

    public (IReadOnlyList<long> Buckets, long Count, double Sum) Read()
    {
        lock (gate)
        {
            return ([.. buckets], count, sum);
        }
    }
}
