using System.Globalization;
using System.Text;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;

namespace Orleans.ImageMgmt.Benchmarks.Delta;

/// <summary>Collects costs and prints medians and ratios as markdown.</summary>
internal sealed class DeltaTable(int rounds)
{
    public const string Windows = "ImageMgmt as for 100 Mbit/s (similar windows, level 3)";
    public const string Tight = "ImageMgmt as for 500 Mbit/s (level 5)";
    public const string Middle = "ImageMgmt as for 1 Gbit/s (level 3)";
    public const string Fast = "ImageMgmt as for 10 Gbit/s (level 1)";
    public const string MiddleInMemory = "ImageMgmt as for 1 Gbit/s (level 3), the pod's own v1.0 in memory too";
    public const string FastInMemory = "ImageMgmt as for 10 Gbit/s (level 1), the pod's own v1.0 in memory too";
    public const string Rsync = "rsync --inplace --no-whole-file -z zstd";
    public const string Casync = "casync make + extract";
    public const string Desync = "desync make + extract";
    public const string Manifest = "making the manifest alone (read, hash chunks and content)";
    public const string Import = "import (manifest, sealed copy, flush, read back, digests of blocks)";
    public const string Verified = "a verified local copy (ImageMgmt, to an empty pod)";
    public const string VerifiedCold = "a verified local copy of a source that is not in memory, as the pod's own v1.0 is not in the other rows";
    public const string Read = "one read of the source from its disk (dd, direct)";
    public const string Hash = "one read of the source from memory (openssl, SHA-256)";

    private readonly List<(string Version, string Who, List<DeltaCost> Costs)> rows = [];
    private readonly Dictionary<string, ChangedBlocks> changed = [];

    public void Add(string version, string who, DeltaCost cost)
    {
        var at = rows.FindIndex(row => row.Version == version && row.Who == who);
        if (at < 0)
        {
            rows.Add((version, who, []));
            at = rows.Count - 1;
        }

        rows[at].Costs.Add(cost);
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{version} {who}: {cost.Wall:0.00} s, {cost.Cpu:0.00} CPU s, {cost.Memory / 1048576.0:0} MiB, wire {cost.Wire / 1e6:0.00} MB"));
    }

    public void AddChanged(string version, ChangedBlocks blocks) => changed[version] = blocks;

    public string Render()
    {
        var text = new StringBuilder();
        text.AppendLine("# The next version for a pod that holds v1.0").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Machine: {Table.Machine()}. Images: Debian 12 root disks of `eng/make-images.sh`, 4 GiB raw. Medians of {rounds} round(s) whose order turns; all sources in the");
        text.AppendLine("page cache; every copy synced. Ours: two filesystem pods in one warm process, blocks asked as from another machine, every chunk read back past the cache after fdatasync and");
        text.AppendLine("hashed; the digests of blocks that import and the receive of v1.0 have noted lie beside the copies. Wire: manifest, digests and packed blocks, as the receipt states them; for casync and");
        text.AppendLine("desync new chunks and index; for rsync what it states. Memory: peak above idle for ours, the largest process for the others.").AppendLine();
        text.AppendLine("| version | what | wire MB | wall s | CPU s | peak MiB |");
        text.AppendLine("|---|---|---|---|---|---|");
        foreach (var (version, who, costs) in rows)
        {
            var wire = costs[0].Wire is null ? "" : (Median(costs.Select(cost => (double)cost.Wire!)) / 1e6).ToString("0.00", CultureInfo.InvariantCulture);
            text.AppendLine(CultureInfo.InvariantCulture, $"| {version} | {who} | {wire} | {Median(costs.Select(cost => cost.Wall)):0.00} ({costs.Min(cost => cost.Wall):0.00}–{costs.Max(cost => cost.Wall):0.00}) | {Median(costs.Select(cost => cost.Cpu)):0.00} | {costs.Max(cost => cost.Memory) / 1048576.0:0} |");
        }

        text.AppendLine().AppendLine("## Ratios").AppendLine();
        text.AppendLine("The rival of a row is the best of casync, desync and rsync that ran: by bytes for the wire, by make and apply together for the whole way.").AppendLine();
        text.AppendLine("| version | what | ratio | mark |");
        text.AppendLine("|---|---|---|---|");
        foreach (var version in rows.Select(row => row.Version).Distinct())
        {
            Compare(text, version);
        }

        text.AppendLine();
        foreach (var (version, blocks) in changed)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"{version}: {blocks.Blocks:n0} blocks of 4 KiB differ from the same place in v1.0 and are not zeros; packed one behind the other at level 3 they are {blocks.PackedBytes / 1e6:0.00} MB.{Told(version)}").AppendLine();
        }

        return text.AppendLine("Run again: `dotnet run -c Release --project tests/Orleans.ImageMgmt.Benchmarks -- delta --images FOLDER --write`").ToString();
    }

    private void Compare(StringBuilder text, string version)
    {
        double?[] bytes = [WireOf(version, Casync), WireOf(version, Desync), WireOf(version, Rsync)];
        double?[] walls = [WallOf(version, Casync), WallOf(version, Desync), WallOf(version, Rsync)];
        (string Who, string Wire, string Wall)[] ways = [(Windows, "0.5", "0.5"), (Tight, "0.95", "0.25"), (Middle, "0.95", "0.25"), (Fast, "0.95", "0.25")];
        foreach (var (who, wire, wall) in ways)
        {
            Line(text, version, $"wire, {who}, to the smallest rival", WireOf(version, who) / bytes.Min(), wire);
            Line(text, version, $"making the manifest + {who}, to the fastest rival's whole way", (WallOf(version, Manifest) + WallOf(version, who)) / walls.Min(), wall);
            Line(text, version, $"import + {who}, to the fastest rival's whole way", (WallOf(version, Import) + WallOf(version, who)) / walls.Min(), wall);
            if (changed.TryGetValue(version, out var blocks) && ToldOf(version, who) is { } told)
            {
                Line(text, version, $"packed blocks, {who}, to the changed blocks packed one behind the other", (WireOf(version, who) - told.Manifest - told.Digests) / blocks.PackedBytes, "1.05");
            }

            Line(text, version, $"applying, {who}, to a verified local copy", WallOf(version, who) / WallOf(version, Verified), "1.1");
            Line(text, version, $"applying, {who}, to {VerifiedCold}", WallOf(version, who) / WallOf(version, VerifiedCold), "1.1");
        }

        foreach (var who in (string[])[MiddleInMemory, FastInMemory])
        {
            Line(text, version, $"applying, {who}, to a verified local copy", WallOf(version, who) / WallOf(version, Verified), "1.1");
        }

        Line(text, version, "making the manifest to one read of the source from its disk", WallOf(version, Manifest) / WallOf(version, Read), "1.5");
        Line(text, version, "making the manifest to one read of the source by openssl (SHA-256)", WallOf(version, Manifest) / WallOf(version, Hash), "1.5");
    }

    private static void Line(StringBuilder text, string version, string what, double? ratio, string mark)
    {
        if (ratio is { } known)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"| {version} | {what} | {known:0.00} | {mark} |");
        }
    }

    private string Told(string version) => (ToldOf(version, Fast) ?? ToldOf(version, Windows)) is { } told
        ? string.Create(CultureInfo.InvariantCulture, $" To say what there is travel {told.Manifest / 1e3:0.0} kB of manifest and {told.Digests / 1e3:0.0} kB of digests of blocks.")
        : "";

    private (long Manifest, long Digests)? ToldOf(string version, string who) => CostsOf(version, who)?[0].Told;

    private double? WireOf(string version, string who) => CostsOf(version, who) is { } costs ? Median(costs.Select(cost => (double)cost.Wire!)) : null;

    private double? WallOf(string version, string who) => CostsOf(version, who) is { } costs ? Median(costs.Select(cost => cost.Wall)) : null;

    private List<DeltaCost>? CostsOf(string version, string who) => rows.Find(row => row.Version == version && row.Who == who).Costs;

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}
