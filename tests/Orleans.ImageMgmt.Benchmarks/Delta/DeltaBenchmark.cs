using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Benchmarks.Delta;

/// <summary>The next version of an image for a pod that holds v1.0: ours against the public tools, on the disks of <c>eng/make-images.sh</c>.</summary>
internal static class DeltaBenchmark
{
    private const string Windows = "ImageMgmt as for 100 Mbit/s (similar windows, level 3)";
    private const string Middle = "ImageMgmt as for 1 Gbit/s (level 3)";
    private const string Fast = "ImageMgmt as for 10 Gbit/s (level 1)";
    private const string SlowLink = "12500000";
    private const string MiddleLink = "125000000";
    private const string FastLink = "1250000000";

    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        if (arguments.Text("--images") is not { } images || !File.Exists(Path.Combine(images, "v1.0.raw")))
        {
            Console.Error.WriteLine("--images FOLDER: the disks that eng/make-images.sh makes.");
            return 2;
        }

        var folder = Directory.CreateDirectory(Path.Combine(arguments.Text("--folder") ?? Path.GetTempPath(), $"imagemgmt-delta-{Environment.ProcessId}")).FullName;
        try
        {
            var rounds = arguments.Number("--rounds", 3);
            var table = new DeltaTable(rounds);
            var old = Path.Combine(images, "v1.0.raw");
            Prepare(folder, images, "1.0");
            ShellRun.Own("delta-child", "base", "--folder", folder, "--version", "1.0");
            foreach (var version in (arguments.Text("--versions") ?? "1.0p,1.1,1.0c").Split(','))
            {
                Measure(table, folder, images, old, version, rounds, arguments);
            }

            var text = table.Render();
            Console.WriteLine(text);
            if (arguments.Has("--write"))
            {
                await File.WriteAllTextAsync(Path.Combine(ProjectFolder(), "DELTA.md"), text);
            }

            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Measure(DeltaTable table, string folder, string images, string old, string version, int rounds, Arguments arguments)
    {
        var image = Path.Combine(images, $"v{version}.raw");
        var room = Directory.CreateDirectory(Path.Combine(folder, "room")).FullName;
        var only = arguments.Text("--only") ?? "0123456789";
        Warm(image);
        table.Add(version, "making the manifest (import: read, hash, sealed copy, read back)", Prepare(folder, images, version));
        table.AddChanged(version, ChangedBlocks.Count(old, image));
        for (var round = 0; round < rounds; round++)
        {
            (string Who, Func<DeltaCost> Run)[] contenders =
            [
                (Windows, () => Deliver(folder, version, SlowLink)),
                (Fast, () => Deliver(folder, version, FastLink)),
                ("rsync --inplace --no-whole-file -z zstd", () => Rivals.Rsync(old, image, room)),
                ("casync make + extract", () => Rivals.Casync(old, image, room, folder)),
                ("desync make + extract", () => Rivals.Desync(old, image, room, folder)),
                ("cp --sparse=auto + sync", () => Rivals.Copy(image, room)),
                ("cp --sparse=auto + sync + sha256sum", () => Rivals.CopyAndHash(image, room)),
                ("qemu-img convert + sync", () => Rivals.Convert(image, room)),
                ("ImageMgmt, local source (whole chunks)", () => Deliver(folder, version, null)),
                (Middle, () => Deliver(folder, version, MiddleLink)),
            ];
            for (var i = 0; i < contenders.Length; i++)
            {
                var (who, run) = contenders[(i + round) % contenders.Length];
                if (!only.Contains((char)('0' + ((i + round) % contenders.Length)), StringComparison.Ordinal) || (who.StartsWith("desync", StringComparison.Ordinal) && !Rivals.Has("desync")))
                {
                    continue;
                }

                Warm(old);
                Warm(image);
                table.Add(version, who, run());
                ShellRun.Run($"rm -rf '{room}'/*; sync");
            }
        }
    }

    /// <summary>The clock runs for the import of a version, which no other tool needs a copy for; it is a row of its own.</summary>
    private static DeltaCost Prepare(string folder, string images, string version)
    {
        var (words, _) = ShellRun.Own("delta-child", "prepare", "--folder", folder, "--images", images, "--version", version, "--image", $"v{version}.raw");
        return new DeltaCost(words[0], words[1], (long)words[2], null);
    }

    /// <summary>Nothing is left of the round before: neither the copy nor the side files with digests.</summary>
    private static DeltaCost Deliver(string folder, string version, string? link)
    {
        ShellRun.Run($"rm -rf '{folder}/target/content-library/golden/{version}'; find '{folder}' -name blocks.bin -delete; sync");
        Warm(Path.Combine(folder, "source", "content-library", "golden", version, "disk.raw"));
        var (words, _) = link is null
            ? ShellRun.Own("delta-child", "base", "--folder", folder, "--version", version)
            : ShellRun.Own("delta-child", "deliver", "--folder", folder, "--version", version, "--link", link);
        return new DeltaCost(words[0], words[1], (long)words[2], (long)words[3]);
    }

    /// <summary>Everybody reads the source from memory.</summary>
    private static void Warm(string path) => FirstCopyBenchmark.Warm(path);

    private static string ProjectFolder([CallerFilePath] string here = "") => Path.GetDirectoryName(Path.GetDirectoryName(here))!;
}

/// <summary>4 KiB blocks of an image that differ from the same place of the old one: raw, and packed one behind the other.</summary>
internal sealed record ChangedBlocks(long Blocks, long PackedBytes)
{
    public static ChangedBlocks Count(string old, string image)
    {
        using var before = File.OpenHandle(old);
        using var after = File.OpenHandle(image);
        using var packer = new ZstdSharp.Compressor(3);
        var (left, right, changed) = (new byte[1 << 20], new byte[1 << 20], new byte[1 << 20]);
        long blocks = 0;
        long packed = 0;
        var filled = 0;
        for (long at = 0; at < RandomAccess.GetLength(after); at += left.Length)
        {
            left.AsSpan().Clear();
            right.AsSpan().Clear();
            RandomAccess.Read(before, left, at);
            RandomAccess.Read(after, right, at);
            for (var block = 0; block < right.Length; block += 4096)
            {
                var bytes = right.AsSpan(block, 4096);
                if (bytes.SequenceEqual(left.AsSpan(block, 4096)) || !bytes.ContainsAnyExcept((byte)0))
                {
                    continue;
                }

                blocks++;
                bytes.CopyTo(changed.AsSpan(filled));
                filled += 4096;
                if (filled == changed.Length)
                {
                    packed += packer.Wrap(changed).Length;
                    filled = 0;
                }
            }
        }

        return new ChangedBlocks(blocks, packed + (filled == 0 ? 0 : packer.Wrap(changed.AsSpan(0, filled)).Length));
    }
}

/// <summary>Collects costs and prints medians and ratios as markdown.</summary>
internal sealed class DeltaTable(int rounds)
{
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
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{version} {who}: {cost.Wall:0.00} s, {cost.Cpu:0.00} CPU s, {cost.Memory / 1048576.0:0} MiB, wire {cost.Wire / 1e6:0.0} MB"));
    }

    public void AddChanged(string version, ChangedBlocks blocks) => changed[version] = blocks;

    public string Render()
    {
        var text = new StringBuilder();
        text.AppendLine("# The next version for a pod that holds v1.0").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Machine: {Table.Machine()}. Images: Debian 12 root disks of `eng/make-images.sh`, 4 GiB raw. Medians of {rounds} rounds whose order turns; all sources in the");
        text.AppendLine("page cache; every copy synced. Ours: two filesystem pods in one warm process, blocks asked as from another machine, every chunk read back past the cache after fdatasync and");
        text.AppendLine("hashed; no side files from the round before. Wire: manifest, digests and packed blocks, as the receipt states them; for casync and desync new chunks and index; for rsync what it states.");
        text.AppendLine("Memory: peak above idle for ours, the largest process for the others.").AppendLine();
        text.AppendLine("| version | what | wire MB | wall s | CPU s | peak MiB |");
        text.AppendLine("|---|---|---|---|---|---|");
        foreach (var (version, who, costs) in rows)
        {
            var wire = costs[0].Wire is null ? "" : (Median(costs.Select(cost => (double)cost.Wire!)) / 1e6).ToString("0.0", CultureInfo.InvariantCulture);
            text.AppendLine(CultureInfo.InvariantCulture, $"| {version} | {who} | {wire} | {Median(costs.Select(cost => cost.Wall)):0.00} ({costs.Min(cost => cost.Wall):0.00}–{costs.Max(cost => cost.Wall):0.00}) | {Median(costs.Select(cost => cost.Cpu)):0.00} | {costs.Max(cost => cost.Memory) / 1048576.0:0} |");
        }

        text.AppendLine();
        foreach (var (version, blocks) in changed)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"{version}: {blocks.Blocks:n0} blocks of 4 KiB differ from the same place in v1.0 and are not zeros; packed one behind the other at level 3 they are {blocks.PackedBytes / 1e6:0.00} MB.");
        }

        return text.AppendLine().AppendLine("Run again: `dotnet run -c Release --project tests/Orleans.ImageMgmt.Benchmarks -- delta --images FOLDER --write`").ToString();
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}
