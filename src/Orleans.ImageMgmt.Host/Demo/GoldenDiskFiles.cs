using System.Runtime.InteropServices;
using System.Text;

namespace Orleans.ImageMgmt.Host.Demo;

/// <summary>The bytes of one file of the golden disk: a file of this machine, or a few bytes of our own.</summary>
/// <param name="Source">The machine's file, or null.</param>
/// <param name="Text">Our own bytes when there is no source.</param>
/// <param name="Length">How many bytes.</param>
/// <param name="Mask">Zero for the file as it is; other values are exclusive-ored into every byte, so that a machine with few files still yields different data.</param>
internal sealed record GoldenContent(string? Source, byte[] Text, long Length, byte Mask);

/// <summary>A file of the golden disk.</summary>
/// <param name="Path">Where it is on the disk, '/' between the names, no leading '/'.</param>
/// <param name="Content">What it holds: an index into <see cref="GoldenTree.Contents"/>.</param>
internal sealed record GoldenFile(string Path, int Content);

/// <summary>
/// All files of one version. Contents have their places on the disk in list order; those that no file names any more are
/// still written, as an upgrade leaves the old bytes in blocks that it freed.
/// </summary>
internal sealed record GoldenTree(IReadOnlyList<GoldenContent> Contents, IReadOnlyList<GoldenFile> Files, int InodesNeeded)
{
    public long DataBytes => Files.Sum(file => Contents[file.Content].Length);
}

/// <summary>Chooses the files: by sorted path from fixed folders, so that the same machine gives the same disk.</summary>
internal static class GoldenDiskFiles
{
    private const long SmallestFile = 16 << 10;
    private const long LargestFile = 64L << 20;
    private const int LongestName = 120;
    private const int Rounds = 8;

    /// <summary>Of version 1.0's bytes, the percentage that version 1.1 brings anew.</summary>
    private const int UpgradePercent = 8;

    /// <summary>Of what 1.1 brings, so many in four files replace a file of 1.0; the rest are added.</summary>
    private const int ReplacingOfFour = 3;

    private const int SpareInodes = 64;

    public static GoldenTree Plan(string version, GoldenDiskSize size)
    {
        var pool = Choose(size.DataBytes, size.DataBytes * UpgradePercent / 100, out var baseCount);
        var contents = new List<GoldenContent>();
        var files = new List<GoldenFile>();
        foreach (var (path, content) in pool[..baseCount])
        {
            files.Add(new GoldenFile(path, contents.Count));
            contents.Add(content);
        }

        // Two small files whose bytes change in place, as configuration does.
        AddText(contents, files, "etc/image-version", $"{version}\n");
        AddText(contents, files, "etc/hostname", "win10pos\n");
        if (version == GoldenDisk.NextVersion)
        {
            Upgrade(contents, files, pool[baseCount..], baseCount);
        }

        // Both versions reserve inodes for the larger one: the tables stay where they are.
        var folders = pool.Select(entry => Path.GetDirectoryName(entry.Path)).Distinct(StringComparer.Ordinal).Count();
        return new GoldenTree(contents, files, pool.Count + folders + (Depth(pool) * folders) + SpareInodes);
    }

    private static int Depth(List<(string Path, GoldenContent Content)> pool) => pool.Max(entry => entry.Path.Count(c => c == '/'));

    private static void Upgrade(List<GoldenContent> contents, List<GoldenFile> files, List<(string Path, GoldenContent Content)> arrivals, int baseCount)
    {
        var replacing = arrivals.Count * ReplacingOfFour / 4;
        var stride = Math.Max(1, baseCount / Math.Max(1, replacing));
        for (var i = 0; i < arrivals.Count; i++)
        {
            var content = contents.Count;
            contents.Add(arrivals[i].Content);
            if (i < replacing && i * stride < baseCount)
            {
                // The file of this stretch that is nearest in size: an upgrade rarely makes a file much larger or smaller.
                var victim = Enumerable.Range(i * stride, Math.Min(stride, baseCount - (i * stride)))
                    .MinBy(at => Math.Abs(contents[files[at].Content].Length - arrivals[i].Content.Length));
                files[victim] = files[victim] with { Content = content };
            }
            else
            {
                files.Add(new GoldenFile($"upgrade-{GoldenDisk.NextVersion}/{i:D5}-{Path.GetFileName(arrivals[i].Path)}", content));
            }
        }
    }

    private static void AddText(List<GoldenContent> contents, List<GoldenFile> files, string path, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        files.Add(new GoldenFile(path, contents.Count));
        contents.Add(new GoldenContent(null, bytes, bytes.Length, 0));
    }

    private static List<(string Path, GoldenContent Content)> Choose(long baseBytes, long moreBytes, out int baseCount)
    {
        var pool = new List<(string, GoldenContent)>();
        var machine = new List<(string Path, string Source, long Length)>();
        long taken = 0;
        var enough = long.MaxValue;
        baseCount = 0;
        for (var round = 0; round < Rounds; round++)
        {
            var again = round == 0 ? "" : $"round-{round}/";
            foreach (var file in round == 0 ? OfThisMachine(machine) : machine)
            {
                pool.Add((again + file.Path, new GoldenContent(file.Source, [], file.Length, (byte)round)));
                taken += file.Length;
                if (taken >= enough && baseCount > 0)
                {
                    return pool;
                }

                if (taken >= baseBytes && baseCount == 0)
                {
                    baseCount = pool.Count;
                    enough = taken + moreBytes;
                }
            }
        }

        throw new GoldenDiskException(
            $"this machine has {taken / Rounds >> 20} MiB of files to fill a demo disk from, too few for {baseBytes >> 20} MiB: give your own disk with --disk FILE");
    }

    private static IEnumerable<(string Path, string Source, long Length)> OfThisMachine(List<(string Path, string Source, long Length)> seen)
    {
        var done = new List<string>();
        foreach (var root in Roots())
        {
            foreach (var file in Walk(root, done))
            {
                var entry = (string.Join('/', ["data", .. file.FullName.Split('/', StringSplitOptions.RemoveEmptyEntries)]), file.FullName, file.Length);
                seen.Add(entry);
                yield return entry;
            }

            done.Add(root);
        }
    }

    /// <summary>The .NET folder first: it is everywhere this runs, large, and changes least.</summary>
    private static IEnumerable<string> Roots()
    {
        var dotnet = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../.."));
        string[] all = [dotnet, "/usr/lib", "/usr/share", "/usr/bin", "/opt"];
        return all.Where(root => Directory.Exists(root) && (root != dotnet || Directory.Exists(Path.Combine(root, "shared"))));
    }

    private static IEnumerable<FileInfo> Walk(string folder, List<string> done)
    {
        var options = new EnumerationOptions { AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true };
        foreach (var entry in new DirectoryInfo(folder).EnumerateFileSystemInfos("*", options).OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            if (entry is FileInfo file && IsFit(file))
            {
                yield return file;
            }
            else if (entry is DirectoryInfo && !done.Contains(entry.FullName))
            {
                foreach (var inner in Walk(entry.FullName, done))
                {
                    yield return inner;
                }
            }
        }
    }

    private static bool IsFit(FileInfo file) =>
        file.Length is >= SmallestFile and <= LargestFile
        && file.Name.Length <= LongestName
        && file.UnixFileMode.HasFlag(UnixFileMode.OtherRead);
}
