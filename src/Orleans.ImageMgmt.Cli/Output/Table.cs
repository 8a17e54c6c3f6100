namespace Orleans.ImageMgmt.Cli;

/// <summary>One column of a table.</summary>
/// <param name="Title">What stands above it.</param>
/// <param name="Rank">0 is never dropped; of the others the largest goes first when the width is short.</param>
/// <param name="Least">Columns that it keeps when it is shortened; 0: it is shown in whole or not at all.</param>
/// <param name="IsNumber">Stands to the right.</param>
internal sealed record Column(string Title, int Rank = 0, int Least = 0, bool IsNumber = false);

/// <summary>
/// Rows that fit a width: columns are dropped by rank, cells are shortened with <c>…</c>, and a line is never broken. Where there is no width, as in a
/// pipe, everything is shown in whole.
/// </summary>
internal sealed class Table(params Column[] columns)
{
    private const int Gap = 2;
    private readonly List<string[]> rows = [];

    public int Count => rows.Count;

    public void Add(params string?[] cells)
    {
        if (cells.Length != columns.Length)
        {
            throw new ArgumentException($"{cells.Length} cells for {columns.Length} columns.", nameof(cells));
        }

        rows.Add([.. cells.Select(Plain.Line)]);
    }

    public IEnumerable<string> Render(int width, Paint paint)
    {
        var widths = Widths(width);
        yield return paint.Dim(Line([.. columns.Select(column => column.Title)], widths, Paint.None));
        foreach (var row in rows)
        {
            yield return Line(row, widths, paint);
        }
    }

    /// <summary>The width of each column; 0 for one that is dropped.</summary>
    private int[] Widths(int width)
    {
        var natural = columns.Select((column, i) => rows.Select(row => Plain.Width(row[i])).Append(Plain.Width(column.Title)).Max()).ToArray();

        // A column without a single value says nothing.
        var shown = Enumerable.Range(0, columns.Length).Where(i => columns[i].Rank == 0 || rows.Any(row => row[i].Length > 0)).ToList();
        while (Total(shown.Select(i => Least(i, natural))) > width && shown.Where(i => columns[i].Rank > 0).Select(i => (int?)i).MaxBy(i => columns[i!.Value].Rank) is { } dropped)
        {
            shown.Remove(dropped);
        }

        var widths = new int[columns.Length];
        foreach (var i in shown)
        {
            widths[i] = natural[i];
        }

        // The widest that can give, gives; when nothing may give any more, everything must.
        while (Total(shown.Select(i => widths[i])) > width)
        {
            var candidates = shown.Where(i => widths[i] > Least(i, natural)).DefaultIfEmpty(shown.MaxBy(i => widths[i])).ToList();
            var widest = candidates.MaxBy(i => widths[i]);
            if (widths[widest] <= 1)
            {
                break;
            }

            widths[widest]--;
        }

        return widths;
    }

    private int Least(int column, int[] natural) => columns[column].Least == 0 ? natural[column] : Math.Min(natural[column], columns[column].Least);

    private static long Total(IEnumerable<int> widths) => widths.Sum(width => (long)width + Gap) - Gap;

    private string Line(string[] cells, int[] widths, Paint paint)
    {
        var last = Array.FindLastIndex(widths, width => width > 0);
        var parts = from i in Enumerable.Range(0, cells.Length)
                    where widths[i] > 0
                    let text = Plain.Fit(cells[i], widths[i])
                    let padded = i == last && !columns[i].IsNumber ? text : Plain.Pad(text, widths[i], columns[i].IsNumber)
                    select paint.State(cells[i], padded);
        return string.Join("  ", parts).TrimEnd();
    }
}
