using System.Globalization;
using Orleans.ImageMgmt.Content;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Reads the transfer trace, which outlives every kill: what was asked from the source, and what was staged. Of several processes one behind the other,
/// in the order in which they had the transfers.</summary>
internal sealed class TransferLedger(params IReadOnlyList<string> paths)
{
    /// <summary>Pieces of one transfer that may be on their way when it is cut.</summary>
    private static readonly int InFlight = new ReceiveOptions().Window;

    public int Staged => Read().Count(entry => entry.Kind == 'S');

    public int Requested => Read().Count(entry => entry.Kind == 'R');

    public int RequestedBy(string pod) => Read().Count(entry => entry.Kind == 'R' && entry.Pod == pod);

    public bool HasPlanned(string pod) => Read().Any(entry => entry.Kind == 'P' && entry.Pod == pod);

    /// <summary>Chunks asked from the source more than once, each of which has to be one that was in flight when a kill came.</summary>
    public int Repeated
    {
        get
        {
            var seen = new HashSet<Entry>();
            return Read().Count(entry => entry.Kind == 'R' && !seen.Add(entry));
        }
    }

    /// <summary>After a chunk was staged nobody asks for it again, and a kill costs no more than what was on its way.</summary>
    /// <param name="needed">Chunks with data in all versions, times the pods they went to.</param>
    /// <param name="kills">How often the server was killed.</param>
    /// <param name="transfers">Transfers that may have been under way at once.</param>
    public void AssertNothingWasSentTwice(int needed, int kills, int transfers)
    {
        var staged = new HashSet<(string Pod, string Version, int Chunk)>();
        foreach (var entry in Read())
        {
            var chunk = (entry.Pod, entry.Version, entry.Chunk);
            if (entry.Kind == 'S')
            {
                staged.Add(chunk);
            }
            else if (entry.Kind == 'R')
            {
                Assert.False(staged.Contains(chunk), $"Chunk {entry.Chunk} of {entry.Version} was asked again for pod {entry.Pod} after it was staged there.");
            }
        }

        Assert.InRange(Requested, 0, needed + (kills * InFlight * transfers));
        Assert.InRange(staged.Count, needed - (kills * InFlight * transfers), needed); // a kill may fall between a write and its line
    }

    private IEnumerable<Entry> Read() => paths.SelectMany(Read);

    private static IEnumerable<Entry> Read(string path)
    {
        if (!File.Exists(path))
        {
            yield break;
        }

        using var file = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        foreach (var line in file.ReadToEnd().Split('\n')[..^1])
        {
            var words = line.Split(' ');
            yield return new Entry(words[0][0], words[1], words[2], words[0] == "P" ? -1 : int.Parse(words[4], CultureInfo.InvariantCulture));
        }
    }

    private sealed record Entry(char Kind, string Pod, string Version, int Chunk);
}
