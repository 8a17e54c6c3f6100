using System.Globalization;

namespace Orleans.ImageMgmt.Simulation;

/// <summary>One fixed-column line per state change, the last ones kept, all of them hashed (FNV-1a, 64 bits).</summary>
internal sealed class Trace(bool verbose)
{
    private const int Kept = 40;

    private readonly Queue<string> last = new();

    internal ulong Hash { get; private set; } = 14695981039346656037;

    internal IReadOnlyList<string> Last => [.. last];

    internal void Line(TimeSpan at, int step, string who, string what)
    {
        var line = string.Create(CultureInfo.InvariantCulture, $"{step,6} {at.TotalSeconds,9:0.000} {who,-34} {what}");
        foreach (var c in line)
        {
            Hash = (Hash ^ c) * 1099511628211;
        }

        last.Enqueue(line);
        if (last.Count > Kept)
        {
            last.Dequeue();
        }

        if (verbose)
        {
            Console.WriteLine(line);
        }
    }
}
