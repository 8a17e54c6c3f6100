using System.Globalization;
using System.Text;

namespace Orleans.ImageMgmt.Host;

/// <summary>
/// Writes the Prometheus text format, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/): a family's HELP and TYPE once, then its samples together. Names become those that
/// OpenTelemetry gives them there (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/): dots are underscores, the unit is a word at the end, counters end in <c>_total</c>.
/// </summary>
internal sealed class PrometheusText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private static readonly Dictionary<string, string> Units = new(StringComparer.Ordinal)
    {
        ["s"] = "seconds", ["ms"] = "milliseconds", ["us"] = "microseconds", ["ns"] = "nanoseconds", ["min"] = "minutes", ["h"] = "hours", ["d"] = "days",
        ["By"] = "bytes", ["KiBy"] = "kibibytes", ["MiBy"] = "mebibytes", ["MB"] = "megabytes", ["bytes"] = "bytes", ["%"] = "percent", ["By/s"] = "bytes_per_second",
    };

    private readonly StringBuilder text = new();

    /// <summary>The name of an instrument's family.</summary>
    /// <param name="name">As the instrument is called.</param>
    /// <param name="unit">In UCUM, as the instrument says; words in braces are no unit.</param>
    /// <param name="isCounter">It only rises.</param>
    public static string NameOf(string name, string? unit, bool isCounter)
    {
        var made = new StringBuilder(name.Length + 16);
        made.Append(char.IsAsciiDigit(name[0]) ? "_" : "");
        foreach (var character in name)
        {
            if (char.IsAsciiLetterOrDigit(character) || character == ':')
            {
                made.Append(character);
            }
            else if (made.Length > 0 && made[^1] != '_')
            {
                made.Append('_');
            }
        }

        if (unit is { Length: > 0 } && Units.GetValueOrDefault(unit) is { } word && !EndsWithWord(made, word))
        {
            made.Append('_').Append(word);
        }

        return isCounter && !EndsWithWord(made, "total") ? made.Append("_total").ToString() : made.ToString();
    }

    /// <summary>The name of a label.</summary>
    public static string LabelOf(string attribute) => NameOf(attribute, null, isCounter: false).Replace(':', '_');

    public static string Labels(params IReadOnlyList<(string Name, string Value)> labels) =>
        labels.Count == 0 ? "" : $"{{{string.Join(',', labels.Select(l => $"{l.Name}=\"{Escape(l.Value)}\""))}}}";

    public PrometheusText Family(string name, string type, string help)
    {
        text.Append("# HELP ").Append(name).Append(' ').Append(help.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)).Append('\n');
        text.Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n');
        return this;
    }

    /// <param name="name">Of the family, or with the ending of a part of a histogram.</param>
    /// <param name="labels">As <see cref="Labels"/> writes them.</param>
    /// <param name="value">Any number, also one that is none.</param>
    public PrometheusText Sample(string name, string labels, double value)
    {
        text.Append(name).Append(labels).Append(' ').Append(Number(value)).Append('\n');
        return this;
    }

    /// <summary>The buckets of one histogram, cumulative, with its sum and count.</summary>
    /// <param name="name">Of the family.</param>
    /// <param name="labels">As <see cref="Labels"/> writes them.</param>
    /// <param name="bounds">Upper bounds, ascending, without infinity.</param>
    /// <param name="counts">Of each bucket alone; one more than bounds.</param>
    /// <param name="sum">Of all values.</param>
    public PrometheusText Histogram(string name, string labels, IReadOnlyList<double> bounds, IReadOnlyList<long> counts, double sum)
    {
        var below = 0L;
        var open = labels.Length == 0 ? "{" : labels[..^1] + ",";
        for (var i = 0; i < counts.Count; i++)
        {
            below += counts[i];
            Sample($"{name}_bucket", $"{open}le=\"{(i < bounds.Count ? Number(bounds[i]) : "+Inf")}\"}}", below);
        }

        return Sample($"{name}_sum", labels, sum).Sample($"{name}_count", labels, below);
    }

    public override string ToString() => text.ToString();

    private static string Number(double value) => double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    private static bool EndsWithWord(StringBuilder name, string word)
    {
        var at = name.Length - word.Length;
        return at >= 0 && name.ToString(at, word.Length) == word && (at == 0 || name[at - 1] == '_');
    }

    private static string Escape(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
