using System.Runtime.CompilerServices;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Benchmarks.Delta;

/// <summary>The next version of an image for a pod that holds v1.0: ours against the public tools, on the disks of <c>eng/make-images.sh</c>.</summary>
internal static class DeltaBenchmark
{
    /// <summary>One for each contender, in order, for <c>--only</c>.</summary>
    private const string Keys = "0123456789abcdefghij";

    private const string SlowLink = "12500000";
    private const string TightLink = "62500000";
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
        var only = arguments.Text("--only") ?? Keys;
        ShellRun.Run($"find '{folder}/target/content-library/golden' -mindepth 1 -maxdepth 1 ! -name 1.0 -exec rm -rf {{}} +; sync"); // nothing but v1.0 is held
        Warm(image);
        table.Add(version, DeltaTable.Import, Prepare(folder, images, version));
        table.AddChanged(version, ChangedBlocks.Count(old, image));
        for (var round = 0; round < rounds; round++)
        {
            (string Who, Func<DeltaCost> Run)[] contenders =
            [
                (DeltaTable.Windows, () => Deliver(folder, version, SlowLink)),
                (DeltaTable.Fast, () => Deliver(folder, version, FastLink)),
                (DeltaTable.Rsync, () => Rivals.Rsync(old, image, room)),
                (DeltaTable.Casync, () => Rivals.Casync(old, image, room, folder)),
                (DeltaTable.Desync, () => Rivals.Desync(old, image, room, folder)),
                ("cp --sparse=auto + sync", () => Rivals.Copy(image, room)),
                ("cp --sparse=auto + sync + openssl (SHA-256)", () => Rivals.CopyAndHash(image, room)),
                ("qemu-img convert + sync", () => Rivals.Convert(image, room)),
                ("ImageMgmt, local source (whole chunks)", () => Deliver(folder, version, null)),
                (DeltaTable.Middle, () => Deliver(folder, version, MiddleLink)),
                (DeltaTable.Manifest, () => Describe(folder, images, version)),
                (DeltaTable.Verified, () => FirstCopy(folder, version)),
                (DeltaTable.Read, () => Rivals.Read(image)),
                (DeltaTable.Hash, () => Rivals.Hash(image)),
                ("cp --sparse=auto (copy_file_range) from a cold source + sync", () => Rivals.CopyCold(image, room)),
                ("dd, direct reads and writes + sync", () => Rivals.CopyDirect(image, room)),
                (DeltaTable.Tight, () => Deliver(folder, version, TightLink)),
                (DeltaTable.VerifiedCold, () => FirstCopy(folder, version, isCold: true)),
                (DeltaTable.MiddleInMemory, () => Deliver(folder, version, MiddleLink, isInMemory: true)),
                (DeltaTable.FastInMemory, () => Deliver(folder, version, FastLink, isInMemory: true)),
            ];
            for (var i = 0; i < contenders.Length; i++)
            {
                var (who, run) = contenders[(i + round) % contenders.Length];
                if (!only.Contains(Keys[(i + round) % contenders.Length], StringComparison.Ordinal) || (who == DeltaTable.Desync && !Rivals.Has("desync")))
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

    private static DeltaCost Describe(string folder, string images, string version)
    {
        var (words, _) = ShellRun.Own("delta-child", "manifest", "--folder", folder, "--images", images, "--version", version, "--image", $"v{version}.raw");
        return new DeltaCost(words[0], words[1], (long)words[2], null);
    }

    /// <summary>To a pod that holds nothing.</summary>
    private static DeltaCost FirstCopy(string folder, string version, bool isCold = false)
    {
        var disk = Path.Combine(folder, "source", "content-library", "golden", version, "disk.raw");
        Warm(disk);
        if (isCold)
        {
            Cool(disk); // what a pod holds already is on its disk and often not in memory
        }

        var (words, _) = ShellRun.Own("delta-child", "base", "--folder", folder, "--version", version, "--to", "empty");
        ShellRun.Run($"rm -rf '{folder}/empty'; sync");
        return new DeltaCost(words[0], words[1], (long)words[2], null);
    }

    /// <summary>Nothing is left of the copy of the round before.</summary>
    private static DeltaCost Deliver(string folder, string version, string? link, bool isInMemory = false)
    {
        ShellRun.Run($"rm -rf '{folder}/target/content-library/golden/{version}'; sync");
        Warm(Path.Combine(folder, "source", "content-library", "golden", version, "disk.raw"));
        var own = Path.Combine(folder, "target", "content-library", "golden", "1.0", "disk.raw");
        if (isInMemory)
        {
            Warm(own); // as a site's v1.0 that machines are cloned from all day
        }
        else
        {
            Cool(own);
        }

        var (words, _) = link is null
            ? ShellRun.Own("delta-child", "base", "--folder", folder, "--version", version)
            : ShellRun.Own("delta-child", "deliver", "--folder", folder, "--version", version, "--link", link);
        return new DeltaCost(words[0], words[1], (long)words[2], (long)words[3], Told: ((long)words[4], (long)words[5]));
    }

    /// <summary>Everybody reads the source from memory.</summary>
    private static void Warm(string path) => FirstCopyBenchmark.Warm(path);

    private static void Cool(string path) => ShellRun.Run($"sync '{path}'; dd if='{path}' iflag=nocache count=0 2>/dev/null");

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
