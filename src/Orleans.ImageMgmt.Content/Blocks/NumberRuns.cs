using System.Globalization;
using System.Text;

namespace Orleans.ImageMgmt.Content;

/// <summary>Numbers that follow each other.</summary>
/// <param name="First">The first of them.</param>
/// <param name="Count">How many, at least one.</param>
public readonly record struct NumberRun(long First, int Count)
{
    /// <summary>The number behind the last one.</summary>
    public long End => First + Count;
}

/// <summary>Some numbers of blocks or of pieces of one content, counted from its first byte, rising: what one request names.</summary>
/// <remarks>Its form on the wire is text: runs with commas between, each the gap to the end of the run before (to 0 for the first one) and, where it has more than
/// one number, a plus sign and how many more. <c>3,251</c> is 3 and 255; <c>10+2</c> is 10 to 12. Each set has this one form.</remarks>
public sealed class NumberRuns
{
    /// <summary>Numbers that one request may name: blocks of nearly 2 MiB, or pieces of as many MiB. One less than twice a piece's blocks: the answer with its head then fits 2 MiB,
    /// and costs a server, whose pool gives powers of two, no more memory than one piece and its head.</summary>
    public const int MaxCount = (2 * BlockLayout.BlocksPerPiece) - 1;

    /// <summary>Digits of the largest number that can stand on the wire: far more than any content has blocks.</summary>
    private const int MaxDigits = 15;

    private readonly List<NumberRun> runs = [];

    /// <summary>Rising; no two touch.</summary>
    public IReadOnlyList<NumberRun> Runs => runs;

    /// <summary>Numbers in all runs together.</summary>
    public int Count { get; private set; }

    /// <summary>The smallest of them.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is none.</exception>
    public long First => runs[0].First;

    /// <summary>All of them, rising.</summary>
    public IEnumerable<long> Numbers => runs.SelectMany(static run => Enumerable.Range(0, run.Count).Select(i => run.First + i));

    /// <summary>Of rising numbers.</summary>
    public static NumberRuns Of(IEnumerable<long> rising)
    {
        var made = new NumberRuns();
        foreach (var number in rising)
        {
            made.Add(number);
        }

        return made;
    }

    /// <summary>Appends a number that is larger than all others.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not, or there are too many.</exception>
    public void Add(long number)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(number, runs.Count == 0 ? 0 : runs[^1].End);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(Count, MaxCount);
        Count++;
        if (runs.Count > 0 && runs[^1].End == number)
        {
            runs[^1] = runs[^1] with { Count = runs[^1].Count + 1 };
        }
        else
        {
            runs.Add(new NumberRun(number, 1));
        }
    }

    /// <summary>There are some, and all of them are below <paramref name="end"/>.</summary>
    public bool FitsBelow(long end) => runs.Count > 0 && runs[^1].End <= end;

    /// <summary>Its form on the wire.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        long end = 0;
        foreach (var run in runs)
        {
            text.Append(text.Length > 0 ? "," : "").Append(CultureInfo.InvariantCulture, $"{run.First - end}");
            text.Append(CultureInfo.InvariantCulture, $"{(run.Count > 1 ? $"+{run.Count - 1}" : "")}");
            end = run.End;
        }

        return text.ToString();
    }

    /// <summary>Null for what is no such text, names nothing, or names more than <see cref="MaxCount"/> numbers.</summary>
    public static NumberRuns? TryParse(string text)
    {
        var made = new NumberRuns();
        long end = 0;
        foreach (var part in text.Split(',', MaxCount + 1))
        {
            var plus = part.IndexOf('+', StringComparison.Ordinal);
            if (!TryNumber(plus < 0 ? part : part.AsSpan(0, plus), out var gap) || (made.runs.Count > 0 && gap == 0))
            {
                return null;
            }

            long more = 0;
            if ((plus >= 0 && (!TryNumber(part.AsSpan(plus + 1), out more) || more == 0)) || more >= MaxCount - made.Count)
            {
                return null;
            }

            made.runs.Add(new NumberRun(end + gap, (int)more + 1));
            made.Count += (int)more + 1;
            end = made.runs[^1].End;
        }

        return made;
    }

    private static bool TryNumber(ReadOnlySpan<char> text, out long number)
    {
        number = 0;
        return text.Length is > 0 and <= MaxDigits && (text.Length == 1 || text[0] != '0') && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }
}
