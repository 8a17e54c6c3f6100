using System.Globalization;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Reads amounts as people write them: <c>64MiB</c>, <c>20MB/s</c>, <c>500ms</c>, <c>40%</c>.</summary>
internal static class Quantity
{
    private static readonly (string Unit, long Factor)[] ByteUnits =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40),
        ("kB", 1_000), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1), ("", 1),
    ];

    private static readonly (string Unit, double Milliseconds)[] TimeUnits = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

    public static bool TryBytes(string text, out long bytes)
    {
        foreach (var (unit, factor) in ByteUnits)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal)
                && decimal.TryParse(text.AsSpan(0, text.Length - unit.Length).Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
                && number <= long.MaxValue / factor)
            {
                bytes = (long)(number * factor);
                return true;
            }
        }

        bytes = 0;
        return false;
    }

    /// <summary>Bytes in a second, written with <c>/s</c>; never zero.</summary>
    public static bool TryRate(string text, out long bytesPerSecond)
    {
        bytesPerSecond = 0;
        return text.EndsWith("/s", StringComparison.Ordinal) && TryBytes(text[..^2], out bytesPerSecond) && bytesPerSecond > 0;
    }

    /// <summary>Up to a day: nothing here waits longer.</summary>
    public static bool TryTime(string text, out TimeSpan time)
    {
        foreach (var (unit, milliseconds) in TimeUnits)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal)
                && double.TryParse(text.AsSpan(0, text.Length - unit.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
                && number * milliseconds <= TimeSpan.MillisecondsPerDay)
            {
                time = TimeSpan.FromMilliseconds(number * milliseconds);
                return true;
            }
        }

        time = default;
        return false;
    }

    public static bool TryPercent(string text, out double percent)
    {
        percent = 0;
        return text.EndsWith('%')
            && double.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out percent)
            && percent is >= 0 and <= 100;
    }

    public static bool TryCount(string text, out int count) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count);
}
