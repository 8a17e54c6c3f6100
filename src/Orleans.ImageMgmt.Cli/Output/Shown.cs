using System.Globalization;
using System.Text;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Values of the wire as people read them.</summary>
internal static class Shown
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    /// <summary><c>1.2 GiB</c>: three digits are enough to compare.</summary>
    public static string Bytes(long? bytes)
    {
        if (bytes is not { } count)
        {
            return "";
        }

        var unit = 0;
        double value = count;
        while (Math.Abs(value) >= 1000 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{value.ToString(unit == 0 || value >= 99.95 ? "0" : value >= 9.995 ? "0.0" : "0.00", CultureInfo.InvariantCulture)} {Units[unit]}");
    }

    public static string Rate(double? bytesPerSecond) => bytesPerSecond is { } rate and > 0 ? $"{Bytes((long)rate)}/s" : "";

    /// <summary><c>0:07</c>, <c>12:30</c>, <c>3:05:00</c>.</summary>
    public static string Clock(TimeSpan? time) => time is not { } span ? ""
        : span.TotalHours >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{(long)span.TotalHours}:{span.Minutes:00}:{span.Seconds:00}")
        : string.Create(CultureInfo.InvariantCulture, $"{span.Minutes}:{span.Seconds:00}");

    /// <summary>How long ago, in one unit: <c>42s</c>, <c>7m</c>, <c>3h</c>, <c>12d</c>.</summary>
    public static string Age(DateTimeOffset? then, DateTimeOffset now)
    {
        if (then is not { } at)
        {
            return "";
        }

        var age = now - at;
        return age < TimeSpan.Zero ? "0s"
            : age.TotalSeconds < 120 ? Whole(age.TotalSeconds, "s")
            : age.TotalMinutes < 120 ? Whole(age.TotalMinutes, "m")
            : age.TotalHours < 48 ? Whole(age.TotalHours, "h")
            : Whole(age.TotalDays, "d");
    }

    public static string Time(DateTimeOffset? time) => time?.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "";

    /// <summary><c>partiallyAvailable</c> on the wire is <c>Partially Available</c> on the screen.</summary>
    public static string State(string? word)
    {
        if (string.IsNullOrEmpty(word))
        {
            return "";
        }

        var shown = new StringBuilder(word.Length + 4);
        for (var i = 0; i < word.Length; i++)
        {
            if (i > 0 && char.IsUpper(word[i]) && char.IsLower(word[i - 1]))
            {
                shown.Append(' ');
            }

            shown.Append(i == 0 ? char.ToUpperInvariant(word[i]) : word[i]);
        }

        return Plain.Line(shown.ToString());
    }

    /// <summary>An enum of the wire, by the same words.</summary>
    public static string State<T>(T? value)
        where T : struct, Enum => State(value?.ToString());

    public static string Labels(IEnumerable<KeyValuePair<string, string>>? labels) =>
        labels is null ? "" : string.Join(',', labels.OrderBy(label => label.Key, StringComparer.Ordinal).Select(label => $"{label.Key}={label.Value}"));

    public static string Count(int number, string thing) => string.Create(CultureInfo.InvariantCulture, $"{number:N0} {thing}{(number == 1 ? "" : thing.EndsWith('y') ? "" : "s")}");

    private static string Whole(double value, string unit) => string.Create(CultureInfo.InvariantCulture, $"{(long)value}{unit}");
}
