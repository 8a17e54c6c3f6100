using System.Globalization;
using System.Text.RegularExpressions;

namespace Orleans.ImageMgmt.Benchmarks.Delta;

/// <summary>The public tools on the same images and the same disk. Each gets the old version ready before its clock starts.</summary>
internal static partial class Rivals
{
    public static DeltaCost Rsync(string old, string image, string folder)
    {
        ShellRun.Run($"cp --sparse=always '{old}' '{folder}/rsync'; sync -f '{folder}'");
        var cost = ShellRun.Run($"rsync --inplace --no-whole-file -z --compress-choice=zstd --stats '{image}' '{folder}/rsync'; sync -f '{folder}'");
        return cost with { Wire = Sent().Matches(cost.Output!).Sum(match => long.Parse(match.Groups[1].Value.Replace(",", "", StringComparison.Ordinal), CultureInfo.InvariantCulture)) };
    }

    /// <summary>Chunks of the new version that its store did not hold, and the index.</summary>
    public static DeltaCost Casync(string old, string image, string folder, string keep)
    {
        var store = Path.Combine(keep, "casync-store");
        if (!Directory.Exists(store))
        {
            ShellRun.Run($"casync make --store='{store}' '{keep}/old.caibx' '{old}'");
        }

        var before = BytesIn(store);
        var made = ShellRun.Run($"casync make --store='{store}' '{folder}/new.caibx' '{image}'");
        var wire = BytesIn(store) - before + new FileInfo(Path.Combine(folder, "new.caibx")).Length;
        var applied = ShellRun.Run($"casync extract --store='{store}' --seed='{old}' '{folder}/new.caibx' '{folder}/casync'; sync -f '{folder}'");
        ShellRun.Run($"casync gc --store='{store}' '{keep}/old.caibx' >/dev/null"); // for the next one
        return new DeltaCost(made.Wall + applied.Wall, made.Cpu + applied.Cpu, Math.Max(made.Memory, applied.Memory), wire);
    }

    public static DeltaCost Desync(string old, string image, string folder, string keep)
    {
        var store = Path.Combine(keep, "desync-store");
        if (!Directory.Exists(store))
        {
            ShellRun.Run($"mkdir -p '{store}'; desync make -n 2 -s '{store}' '{keep}/old.desync.caibx' '{old}'");
        }

        var before = BytesIn(store);
        var made = ShellRun.Run($"desync make -n 2 -s '{store}' '{folder}/new.caibx' '{image}'");
        var wire = BytesIn(store) - before + new FileInfo(Path.Combine(folder, "new.caibx")).Length;
        var applied = ShellRun.Run($"cp '{keep}/old.desync.caibx' '{folder}/old.caibx'; ln -sf '{old}' '{folder}/old'; desync extract -n 2 -s '{store}' --seed '{folder}/old.caibx' '{folder}/new.caibx' '{folder}/desync'; sync -f '{folder}'");
        ShellRun.Run($"desync prune -y -s '{store}' '{keep}/old.desync.caibx'");
        return new DeltaCost(made.Wall + applied.Wall, made.Cpu + applied.Cpu, Math.Max(made.Memory, applied.Memory), wire);
    }

    public static DeltaCost Copy(string image, string folder) => ShellRun.Run($"cp --sparse=auto '{image}' '{folder}/cp'; sync -f '{folder}'");

    public static DeltaCost CopyAndHash(string image, string folder) =>
        ShellRun.Run($"cp --sparse=auto '{image}' '{folder}/cp'; sync -f '{folder}'; sha256sum '{folder}/cp' >/dev/null");

    public static DeltaCost Convert(string image, string folder) => ShellRun.Run($"qemu-img convert -f raw -O raw '{image}' '{folder}/qemu'; sync -f '{folder}'");

    /// <summary>One read of the source from its disk, past the page cache; holes cost nothing.</summary>
    public static DeltaCost Read(string image) => ShellRun.Run($"dd if='{image}' of=/dev/null bs=2M iflag=direct 2>/dev/null");

    /// <summary>One read of the source from memory by whoever wants its SHA-256.</summary>
    public static DeltaCost Hash(string image) => ShellRun.Run($"sha256sum '{image}' >/dev/null");

    public static bool Has(string tool) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, tool)));

    private static long BytesIn(string store) => new DirectoryInfo(store).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);

    [GeneratedRegex(@"Total bytes (?:sent|received): ([\d,]+)")]
    private static partial Regex Sent();
}
