using System.Globalization;
using System.Text.RegularExpressions;

namespace Orleans.ImageMgmt.Host;

/// <summary>In what an option is measured.</summary>
internal enum OptionUnit
{
    Text,
    Words,
    YesOrNo,
    Count,
    Bytes,
    Duration,
}

/// <summary>Values of options as people write and read them: <c>90s</c>, <c>1h30m</c>, <c>16MiB</c>, <c>true</c>.</summary>
internal static partial class OptionText
{
    private static readonly (string Suffix, long Factor)[] Sizes =
        [("TiB", 1L << 40), ("GiB", 1L << 30), ("MiB", 1L << 20), ("KiB", 1L << 10), ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000), ("B", 1)];

    private static readonly (string Suffix, TimeSpan Length)[] Durations =
        [("d", TimeSpan.FromDays(1)), ("h", TimeSpan.FromHours(1)), ("m", TimeSpan.FromMinutes(1)), ("s", TimeSpan.FromSeconds(1)), ("ms", TimeSpan.FromMilliseconds(1))];

    /// <summary>Options in bytes whose name does not end in Bytes.</summary>
    private static readonly string[] OtherSizes = ["ImageMgmt:Scrub:BytesPerSecond", "Store:PayloadLimit"];

    public static bool IsValue(Type type)
    {
        var plain = Nullable.GetUnderlyingType(type) ?? type;
        return plain.IsEnum || plain == typeof(string) || plain == typeof(bool) || plain == typeof(int) || plain == typeof(long) || plain == typeof(double)
            || plain == typeof(TimeSpan) || IsList(plain);
    }

    /// <summary>The type of a map's values, or null when the type is no map.</summary>
    public static Type? MapValue(Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Dictionary<,>) && type.GetGenericArguments()[0] == typeof(string) ? type.GetGenericArguments()[1] : null;

    public static OptionUnit UnitOf(OptionEntry entry)
    {
        var type = MapValue(entry.Property.PropertyType) ?? Nullable.GetUnderlyingType(entry.Property.PropertyType) ?? entry.Property.PropertyType;
        return type switch
        {
            _ when type == typeof(TimeSpan) => OptionUnit.Duration,
            _ when type == typeof(bool) => OptionUnit.YesOrNo,
            _ when type.IsEnum => OptionUnit.Words,
            _ when type == typeof(int) || type == typeof(long) || type == typeof(double) =>
                entry.Property.Name.EndsWith("Bytes", StringComparison.Ordinal) || OtherSizes.Contains(entry.Key) ? OptionUnit.Bytes : OptionUnit.Count,
            _ => OptionUnit.Text,
        };
    }

    /// <summary>The words that an option of words takes; empty for every other.</summary>
    public static IReadOnlyList<string> WordsOf(OptionEntry entry)
    {
        var type = MapValue(entry.Property.PropertyType) ?? Nullable.GetUnderlyingType(entry.Property.PropertyType) ?? entry.Property.PropertyType;
        return type.IsEnum ? Enum.GetNames(type) : [];
    }

    /// <summary>Reads a value; when it cannot be read, <paramref name="expected"/> says what would have been.</summary>
    public static bool TryParse(Type type, OptionUnit unit, string text, out object? value, out string expected)
    {
        var plain = Nullable.GetUnderlyingType(type) ?? type;
        value = null;
        expected = "";
        if (plain != type && text.Length == 0)
        {
            return true; // an empty text unsets what may be unset
        }

        (value, expected) = plain switch
        {
            _ when plain == typeof(string) => (text, ""),
            _ when IsList(plain) => (ToList(plain, text), ""),
            _ when plain == typeof(bool) => (bool.TryParse(text, out var yes) ? yes : null, "true or false"),
            _ when plain == typeof(TimeSpan) => (ParseDuration(text), "a duration such as 250ms, 90s, 5m, 1h30m or 7d"),
            _ when plain.IsEnum => (Enum.GetNames(plain).Any(n => n.Equals(text, StringComparison.OrdinalIgnoreCase)) ? Enum.Parse(plain, text, ignoreCase: true) : null,
                string.Join(", ", Enum.GetNames(plain))),
            _ when plain == typeof(double) => (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null, "a number"),
            _ => (ParseWhole(plain, text, unit == OptionUnit.Bytes), unit == OptionUnit.Bytes ? "a size in bytes, or with a unit such as 64KiB or 16MiB" : "a whole number"),
        };
        return value is not null;
    }

    /// <summary>The shortest text that <see cref="TryParse"/> reads as the same value.</summary>
    public static string Show(object? value, OptionUnit unit) => value switch
    {
        null => "",
        TimeSpan time => ShowDuration(time),
        bool yes => yes ? "true" : "false",
        IFormattable number when unit == OptionUnit.Bytes && Convert.ToInt64(number, CultureInfo.InvariantCulture) is var bytes =>
            Sizes.FirstOrDefault(s => s.Suffix.EndsWith("iB", StringComparison.Ordinal) && bytes >= s.Factor && bytes % s.Factor == 0) is { Suffix: { } suffix, Factor: var factor }
                ? $"{bytes / factor}{suffix}" : bytes.ToString(CultureInfo.InvariantCulture),
        string text => text,
        IEnumerable<string> list => string.Join(",", list),
        IFormattable other => other.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    private static bool IsList(Type type) => type != typeof(string) && type.IsAssignableFrom(typeof(List<string>)) && type != typeof(object) || type == typeof(string[]);

    private static object ToList(Type type, string text)
    {
        string[] parts = text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return type == typeof(string[]) ? parts : parts.ToList();
    }

    private static object? ParseWhole(Type type, string text, bool isSize)
    {
        var factor = 1L;
        var digits = text.Trim();
        if (isSize && Sizes.FirstOrDefault(s => digits.EndsWith(s.Suffix, StringComparison.OrdinalIgnoreCase)) is { Suffix: { } suffix } size)
        {
            (factor, digits) = (size.Factor, digits[..^suffix.Length].TrimEnd());
        }

        if (!long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) || Math.Abs((double)number * factor) > long.MaxValue)
        {
            return null;
        }

        number *= factor;
        return type == typeof(long) ? number : number is >= int.MinValue and <= int.MaxValue ? (int)number : null;
    }

    private static object? ParseDuration(string text)
    {
        if (text.Contains(':', StringComparison.Ordinal))
        {
            return TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var clock) ? clock : null;
        }

        if (text is "0")
        {
            return TimeSpan.Zero;
        }

        var sum = 0.0;
        var match = DurationText().Match(text);
        for (var i = 0; match.Success && i < match.Groups["n"].Captures.Count; i++)
        {
            var unit = match.Groups["u"].Captures[i].Value;
            sum += double.Parse(match.Groups["n"].Captures[i].Value, CultureInfo.InvariantCulture) * Durations.First(d => d.Suffix == unit).Length.TotalMilliseconds;
        }

        return match.Success && sum < TimeSpan.MaxValue.TotalMilliseconds ? TimeSpan.FromMilliseconds(sum) : null;
    }

    private static string ShowDuration(TimeSpan time)
    {
        if (time == TimeSpan.Zero)
        {
            return "0s";
        }

        var (suffix, length) = Durations.FirstOrDefault(d => time.Ticks % d.Length.Ticks == 0);
        return suffix is null ? time.ToString("c", CultureInfo.InvariantCulture) : $"{time.Ticks / length.Ticks}{suffix}";
    }

    [GeneratedRegex(@"^(?:\s*(?<n>\d+(?:\.\d+)?)\s*(?<u>ms|d|h|m|s))+\s*$")]
    private static partial Regex DurationText();
}
