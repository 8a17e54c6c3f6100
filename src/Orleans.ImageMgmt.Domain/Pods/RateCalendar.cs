using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>
/// How many bytes a second may travel, by the pod's own wall clock. Written as <c>08:00-18:00 mon-fri 20Mbit/s; else 200Mbit/s</c>: the first rule
/// that fits counts; what no rule fits is not capped. A time that ends before it begins runs over midnight and belongs to the day on which it began.
/// Rules are about what the clock on the wall shows, so a day with a change of summer time is an hour longer or shorter, as people there expect.
/// </summary>
public sealed class RateCalendar
{
    /// <summary>Rules of one calendar: a week with a few times of day.</summary>
    public const int RulesLimit = 16;

    /// <summary>Longest text of one calendar.</summary>
    public const int LengthLimit = 512;

    private const int MinutesPerDay = 24 * 60;
    private static readonly string[] dayWords = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    private readonly IReadOnlyList<Rule> rules;
    private readonly string text;

    private RateCalendar(IReadOnlyList<Rule> rules, string text) => (this.rules, this.text) = (rules, text);

    /// <summary>The same at every time of every day.</summary>
    public bool IsConstant => rules.Count == 0 || rules[0] is { Days: Rule.EveryDay, From: 0, Until: MinutesPerDay };

    /// <summary>Reads a calendar; says what is wrong with it in one sentence.</summary>
    /// <param name="text">As a person wrote it.</param>
    /// <param name="calendar">What it means.</param>
    /// <param name="fault">Why it means nothing.</param>
    /// <returns>Whether it means something.</returns>
    public static bool TryParse(string text, [NotNullWhen(true)] out RateCalendar? calendar, [NotNullWhen(false)] out string? fault)
    {
        (calendar, fault) = (null, null);
        if (text.Length > LengthLimit)
        {
            fault = $"it has {text.Length} characters; at most {LengthLimit} are read";
            return false;
        }

        var parts = text.Split(';', StringSplitOptions.TrimEntries);
        if (parts.Length > RulesLimit)
        {
            fault = $"it has {parts.Length} rules; at most {RulesLimit} are kept";
            return false;
        }

        var rules = new List<Rule>();
        foreach (var part in parts)
        {
            if (rules is [.., { IsLast: true }])
            {
                fault = $"'{part}' is never reached: a rule before it fits at every time";
                return false;
            }

            if (!TryParseRule(part, out var rule, out fault))
            {
                return false;
            }

            rules.Add(rule);
        }

        calendar = new RateCalendar(rules, string.Join("; ", parts.Select(p => string.Join(' ', p.Split(' ', StringSplitOptions.RemoveEmptyEntries)))));
        return true;
    }

    /// <summary>Bytes a second that may travel at this moment; null: no cap.</summary>
    /// <param name="now">The moment.</param>
    /// <param name="zone">Where the pod's clock hangs.</param>
    /// <returns>Bytes a second, or null.</returns>
    public long? RateAt(DateTimeOffset now, TimeZoneInfo zone)
    {
        var local = TimeZoneInfo.ConvertTime(now, zone);
        var minute = (local.Hour * 60) + local.Minute;
        foreach (var rule in rules)
        {
            if (rule.Fits(local.DayOfWeek, minute))
            {
                return rule.BytesPerSecond;
            }
        }

        return null;
    }

    /// <summary>As it was written, with single spaces.</summary>
    public override string ToString() => text;

    private static bool TryParseRule(string part, [NotNullWhen(true)] out Rule? rule, [NotNullWhen(false)] out string? fault)
    {
        (rule, fault) = (null, null);
        var words = part.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0 || !ByteRate.TryParse(words[^1], out var rate))
        {
            fault = $"'{part}' does not end with a rate such as 20Mbit/s, 2.5MB/s or unlimited";
            return false;
        }

        if (rate is < ByteRate.Least or > ByteRate.Most)
        {
            fault = $"'{words[^1]}' is out of reach: a cap is {ByteRate.Shown(ByteRate.Least)} to {ByteRate.Shown(ByteRate.Most)}";
            return false;
        }

        var (from, until, days) = (0, MinutesPerDay, Rule.EveryDay);
        var (hasTime, hasDays) = (false, words is ["else", _]);
        foreach (var word in hasDays ? [] : words[..^1])
        {
            if (!hasTime && TryParseTimes(word, out from, out until))
            {
                hasTime = true;
            }
            else if (!hasDays && TryParseDays(word, out days))
            {
                hasDays = true;
            }
            else
            {
                fault = $"'{word}' in '{part}' is neither a time such as 08:00-18:00 nor days such as mon-fri or sat,sun";
                return false;
            }
        }

        rule = new Rule(from, until, days, rate);
        return true;
    }

    private static bool TryParseTimes(string word, out int from, out int until)
    {
        (from, until) = (0, MinutesPerDay);
        var ends = word.Split('-');
        return ends.Length == 2 && TryParseMinute(ends[0], out from) && TryParseMinute(ends[1], out until) && from != until && from < MinutesPerDay;
    }

    private static bool TryParseMinute(string word, out int minute)
    {
        minute = 0;
        if (word is not [_, _, ':', _, _] || !int.TryParse(word[..2], NumberStyles.None, CultureInfo.InvariantCulture, out var hour)
            || !int.TryParse(word[3..], NumberStyles.None, CultureInfo.InvariantCulture, out var past))
        {
            return false;
        }

        minute = (hour * 60) + past;
        return past < 60 && minute <= MinutesPerDay;
    }

    private static bool TryParseDays(string word, out int days)
    {
        days = 0;
        foreach (var part in word.Split(','))
        {
            var ends = part.Split('-');
            var (first, last) = (Array.IndexOf(dayWords, ends[0]), Array.IndexOf(dayWords, ends[^1]));
            if (ends.Length > 2 || first < 0 || last < 0)
            {
                return false;
            }

            for (var day = first; ; day = (day + 1) % dayWords.Length)
            {
                days |= 1 << day;
                if (day == last)
                {
                    break;
                }
            }
        }

        return true;
    }

    private sealed record Rule(int From, int Until, int Days, long? BytesPerSecond)
    {
        public const int EveryDay = 0b111_1111;

        public bool IsLast => Days == EveryDay && From == 0 && Until == MinutesPerDay;

        public bool Fits(DayOfWeek day, int minute) => From < Until
            ? Has(day) && minute >= From && minute < Until
            : (Has(day) && minute >= From) || (Has((DayOfWeek)(((int)day + 6) % 7)) && minute < Until);

        private bool Has(DayOfWeek day) => (Days & (1 << (int)day)) != 0;
    }
}

/// <summary>Bytes a second as people write them: bits (<c>20Mbit/s</c>) or bytes (<c>2.5MB/s</c>), decimal units or binary ones of bytes.</summary>
public static class ByteRate
{
    /// <summary>256 kbit/s: below it even the smallest part that is let through at once (4 KiB) would be more than 5 % of what ten seconds allow by too much.</summary>
    public const long Least = 32_000;

    /// <summary>1 Tbit/s: more than any one machine moves.</summary>
    public const long Most = 125_000_000_000;

    private static readonly (string Unit, decimal Bytes)[] units =
    [
        ("kbit/s", 125m), ("Mbit/s", 125_000m), ("Gbit/s", 125_000_000m), ("Tbit/s", 125_000_000_000m), ("bit/s", 0.125m),
        ("KiB/s", 1024m), ("MiB/s", 1024m * 1024), ("GiB/s", 1024m * 1024 * 1024),
        ("kB/s", 1_000m), ("MB/s", 1_000_000m), ("GB/s", 1_000_000_000m), ("B/s", 1m),
    ];

    /// <summary>Reads a rate.</summary>
    /// <param name="text">Such as <c>20Mbit/s</c>.</param>
    /// <param name="bytesPerSecond">Bytes a second; null for <c>unlimited</c>.</param>
    /// <returns>Whether it is one.</returns>
    public static bool TryParse(string text, out long? bytesPerSecond)
    {
        bytesPerSecond = null;
        if (text == "unlimited")
        {
            return true;
        }

        foreach (var (unit, bytes) in units)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal))
            {
                if (!decimal.TryParse(text.AsSpan(0, text.Length - unit.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) || number > 1_000_000_000_000m)
                {
                    return false;
                }

                bytesPerSecond = (long)Math.Min(number * bytes, long.MaxValue);
                return true;
            }
        }

        return false;
    }

    /// <summary>As <see cref="TryParse"/> reads it.</summary>
    /// <param name="bytesPerSecond">Bytes a second.</param>
    /// <returns>Bits a second in the unit that fits.</returns>
    public static string Shown(long bytesPerSecond)
    {
        var bits = bytesPerSecond * 8m;
        var (size, unit) = bits switch
        {
            >= 1_000_000_000m => (1_000_000_000m, "Gbit/s"),
            >= 1_000_000m => (1_000_000m, "Mbit/s"),
            _ => (1_000m, "kbit/s"),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{bits / size:0.###}{unit}");
    }
}
