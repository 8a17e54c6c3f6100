using System.Globalization;
using System.Text;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Benchmarks.FirstCopy;

/// <summary>Collects costs and prints medians and ratios as markdown.</summary>
internal sealed class Table(string image, int rounds)
{
    public const string Ours = "ImageMgmt, verified by read-back";
    public const string OursSampled = "ImageMgmt, `read-back` = `sampled`";
    public const string Copy = "cp --sparse=auto, neither made durable nor verified";
    public const string CopyAndSync = "cp --sparse=auto + sync -f, unverified";
    public const string CopyAndHash = "cp --sparse=auto + openssl dgst -sha256";
    public const string OutAndBack = "dd out and back past the cache, not hashed";

    private readonly SortedDictionary<(int Targets, string Who), List<Cost>> costs = [];

    public void Add(int targets, string who, Cost cost)
    {
        if (!costs.TryGetValue((targets, who), out var list))
        {
            costs[(targets, who)] = list = [];
        }

        list.Add(cost);
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{targets} {who}: {cost.Wall:0.00} s, {cost.Cpu:0.00} CPU s, {cost.Memory / 1048576.0:0} MiB"));
    }

    public string Render()
    {
        var text = new StringBuilder();
        text.AppendLine("# First copy to N local targets").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Machine: {Machine()}. Image: {image}.");
        text.AppendLine(CultureInfo.InvariantCulture, $"Medians of {rounds} rounds that alternate between the six and turn their order; source in the page cache; N copies run at once; targets are deleted");
        text.AppendLine("and synced between runs. Ours: the filesystem connector's receive and finalise, every chunk read back past the page cache after fdatasync and hashed with SHA-256, in a warm process;");
        text.AppendLine(CultureInfo.InvariantCulture, $"with `sampled` every chunk hashed before it is written, and one of {ReadBehind.SampleEvery} read back so; memory is the peak above idle. Sealing is done before and not timed. Lowest and highest wall seconds in brackets.").AppendLine();
        text.AppendLine("| targets | what | wall s | CPU s | peak MiB above idle | ours / this | sampled / this |");
        text.AppendLine("|---|---|---|---|---|---|---|");
        foreach (var ((targets, who), list) in costs)
        {
            var wall = Median(list.Select(cost => cost.Wall));
            var ratios = string.Join(" | ", new[] { Ours, OursSampled }.Select(
                own => who is not (Ours or OursSampled) && costs.TryGetValue((targets, own), out var ours) ? (Median(ours.Select(cost => cost.Wall)) / wall).ToString("0.00", CultureInfo.InvariantCulture) : ""));
            var memory = list[0].Memory is null ? "" : (list.Max(cost => cost.Memory)!.Value / 1048576.0).ToString("0", CultureInfo.InvariantCulture);
            text.AppendLine(CultureInfo.InvariantCulture, $"| {targets} | {who} | {wall:0.00} ({list.Min(cost => cost.Wall):0.00}–{list.Max(cost => cost.Wall):0.00}) | {Median(list.Select(cost => cost.Cpu)):0.00} | {memory} | {ratios} |");
        }

        return text.AppendLine().AppendLine("Run again: `dotnet run -c Release --project tests/Orleans.ImageMgmt.Benchmarks -- first-copy --write`").ToString();
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }

    internal static string Machine()
    {
        var model = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[^1].Trim() ?? "unknown";
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1 << 30);
        return $"{Environment.ProcessorCount} cores of {model}, {memory} GiB, Linux {Environment.OSVersion.Version}, .NET {Environment.Version}";
    }
}
