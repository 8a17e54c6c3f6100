using System.Globalization;
using System.Text;

namespace Orleans.ImageMgmt.Cli;

/// <summary>
/// Text that came from elsewhere, made harmless and measured. A description or a source's name may hold anything; printed as it is, an escape sequence
/// in it could repaint the terminal of an administrator.
/// </summary>
internal static class Plain
{
    private const char Mark = '\uFFFD';
    private const char Ellipsis = '…';

    /// <summary>One line without control characters.</summary>
    public static string Line(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return "";
        }

        if (!text.EnumerateRunes().Any(IsHarmful))
        {
            return text;
        }

        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            clean.Append(rune.Value is '\n' or '\r' or '\t' ? " " : IsHarmful(rune) ? Mark.ToString() : rune.ToString());
        }

        return clean.ToString();
    }

    /// <summary>Columns of a terminal that a text takes.</summary>
    public static int Width(string text) => text.EnumerateRunes().Sum(Width);

    /// <summary>The text in at most so many columns; what does not fit ends in <c>…</c>.</summary>
    public static string Fit(string text, int width)
    {
        if (Width(text) <= width)
        {
            return text;
        }

        if (width <= 0)
        {
            return "";
        }

        var kept = new StringBuilder(width);
        var used = 1;
        foreach (var rune in text.EnumerateRunes())
        {
            used += Width(rune);
            if (used > width)
            {
                break;
            }

            kept.Append(rune.ToString());
        }

        return kept.Append(Ellipsis).ToString();
    }

    /// <summary>The text in exactly so many columns.</summary>
    public static string Pad(string text, int width, bool toTheRight = false)
    {
        var fitted = Fit(text, width);
        var blank = new string(' ', Math.Max(0, width - Width(fitted)));
        return toTheRight ? blank + fitted : fitted + blank;
    }

    private static bool IsHarmful(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate;

    /// <summary>East Asian wide characters and emoji take two columns, combining marks none (Unicode Standard Annex 11, by range).</summary>
    private static int Width(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark ? 0
        : rune.Value is (>= 0x1100 and <= 0x115F) or (>= 0x2E80 and <= 0xA4CF) or (>= 0xAC00 and <= 0xD7A3) or (>= 0xF900 and <= 0xFAFF)
            or (>= 0xFE30 and <= 0xFE6F) or (>= 0xFF00 and <= 0xFF60) or (>= 0xFFE0 and <= 0xFFE6) or (>= 0x1F300 and <= 0x1FAFF)
            or (>= 0x20000 and <= 0x3FFFD) ? 2 : 1;
}
