using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Benchmarks.Resume;

/// <summary>What a link that breaks every 200 ms costs, and how much memory eight transfers at once take.</summary>
internal static class CutsBenchmark
{
    private const int ImageMiB = 128;
    private const int MiB = 1 << 20;
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(200);

    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        var folder = Directory.CreateDirectory(Path.Combine(arguments.Text("--folder") ?? Path.GetTempPath(), $"imagemgmt-cuts-{Environment.ProcessId}")).FullName;
        try
        {
            var text = new StringBuilder("# Cuts and memory\n\n");
            text.AppendLine(CultureInfo.InvariantCulture, $"Machine: {Table.Machine()}. The filesystem connector's receive over a link of the given rate to the same machine; one run each.").AppendLine();
            await CutsAsync(text, folder);
            Memory(text, folder);
            text.AppendLine().AppendLine("Run again: `dotnet run -c Release --project tests/Orleans.ImageMgmt.Benchmarks -- cuts --write`");
            Console.WriteLine(text);
            if (arguments.Has("--write"))
            {
                await File.WriteAllTextAsync(Path.Combine(ProjectFolder(), "RESULTS-cuts.md"), text.ToString());
            }

            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task CutsAsync(StringBuilder text, string folder)
    {
        var path = Path.Combine(folder, "sealed.raw");
        var manifest = await MakeAsync(path, ImageMiB * (long)MiB, ImageMiB);
        text.AppendLine(CultureInfo.InvariantCulture, $"A cut every {Every.TotalMilliseconds:0} ms, {ImageMiB} MiB of data; the window is {new ReceiveOptions().Window} MiB. Extra bytes are those that were asked and\ndid not arrive, or arrived and could not be used. What was staged is hashed again after each cut; that is the rest of the time. Below one chunk of 1 MiB in 200 ms (42 Mbit/s) nothing would be gained between two cuts.").AppendLine();
        text.AppendLine("| link Mbit/s | cuts | asked MiB | extra MiB a cut | window MiB | wall s | wall s without cuts |").AppendLine("|---|---|---|---|---|---|---|");
        foreach (var megabits in (int[])[60, 100, 1_000])
        {
            var rate = megabits * 1_000_000L / 8;
            var (asked, cuts, wall) = await ReceiveAsync(path, manifest, Path.Combine(folder, $"cut-{megabits}"), rate, Every);
            var plain = await ReceiveAsync(path, manifest, Path.Combine(folder, $"whole-{megabits}"), rate, null);
            text.AppendLine(CultureInfo.InvariantCulture,
                $"| {megabits} | {cuts} | {asked / (double)MiB:0.0} | {(asked - manifest.DataLength) / (double)MiB / Math.Max(1, cuts):0.00} | {new ReceiveOptions().Window} | {wall:0.0} | {plain.Wall:0.0} |");
        }

        File.Delete(path);
    }

    /// <summary>Again and again until it is there, as the pod does, without the pause between two tries.</summary>
    private static async Task<(long Asked, int Cuts, double Wall)> ReceiveAsync(string sealedPath, ContentManifest manifest, string path, long rate, TimeSpan? breaksAfter)
    {
        var clock = Stopwatch.StartNew();
        var (asked, cuts) = (0L, 0);
        await using var connector = CopyChild.Value(new FilesystemPods(TimeProvider.System).Create(Spec(path)));
        await using var source = new LocalContentReader(File.OpenHandle(sealedPath), manifest);
        while (true)
        {
            await using var link = new PacedReader(source, rate, breaksAfter);
            var result = await connector.ReceiveAsync(Order(cuts + 1), CopyChild.Value(ReaderOffer.Create(link, Describe(manifest))), SilentObserver.Instance, CancellationToken.None);
            asked += link.Asked;
            if (result is ConnectorResult<StagedCopy>.Done)
            {
                CopyChild.Value(await connector.FinaliseAsync(Order(cuts + 1), Describe(manifest), SilentObserver.Instance, CancellationToken.None));
                return (asked, cuts, clock.Elapsed.TotalSeconds);
            }

            cuts++;
        }
    }

    private static void Memory(StringBuilder text, string folder)
    {
        text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"{MemoryChild.Transfers} transfers at once in one process (received, flushed, read back, renamed), each over a link of its own; the peak is the whole process's (VmHWM).").AppendLine();
        text.AppendLine("| disk GiB | data MiB each | peak MiB | CPU s per GB |").AppendLine("|---|---|---|---|");
        foreach (var (gigabytes, data) in ((int, int)[])[(1, 128), (1, 512), (16, 128)])
        {
            var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
            foreach (var word in (string[])["memory-child", "--folder", folder, "--length", $"{gigabytes}", "--data", $"{data}"])
            {
                start.ArgumentList.Add(word);
            }

            using var child = Process.Start(start)!;
            var line = child.StandardOutput.ReadToEnd().Split('\n').First(line => line.StartsWith("result ", StringComparison.Ordinal)).Split(' ');
            child.WaitForExit();
            text.AppendLine(CultureInfo.InvariantCulture, $"| {gigabytes} | {data} | {long.Parse(line[1], CultureInfo.InvariantCulture) / MiB} | {double.Parse(line[2], CultureInfo.InvariantCulture):0.0} |");
        }
    }

    internal static PodSpec Spec(string path) => new(new PodName(Path.GetFileName(path)), "filesystem",
        new Dictionary<string, string> { ["datastore.main"] = Directory.CreateDirectory(path).FullName }, new Dictionary<string, string>(), 1);

    internal static CopyOrder Order(int attempt) => new(new VersionId(new ImageName("golden"), new VersionName("1.0")), new Generation(1), attempt);

    internal static ContentDescription Describe(ContentManifest manifest) => new(
        ContentKind.Disk, manifest.ContentDigest, manifest.Length, manifest.DataLength, manifest.ComputeDigest(), manifest.ChunkSize, manifest.DataChunks,
        SourceFormat.Raw, manifest.Length, manifest.ContentDigest);

    /// <summary>A sealed disk with so many MiB of seeded bytes, spread evenly.</summary>
    internal static async Task<ContentManifest> MakeAsync(string path, long length, int data)
    {
        var raw = path + ".raw";
        using (var file = File.OpenHandle(raw, FileMode.Create, FileAccess.ReadWrite))
        {
            RandomAccess.SetLength(file, length);
            var random = new Random(20_260_101);
            var bytes = new byte[MiB];
            for (var n = 0; n < data; n++)
            {
                random.NextBytes(bytes);
                RandomAccess.Write(file, bytes, length / data * n / MiB * MiB);
            }

            using var target = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite);
            using var disk = new RawFile(file);
            var result = await Sealer.SealAsync(disk, file, target, new SealOptions(), SilentObserver.Instance, CancellationToken.None);
            File.Delete(raw);
            return result.Manifest;
        }
    }

    private static string ProjectFolder([CallerFilePath] string here = "") => Path.GetDirectoryName(Path.GetDirectoryName(here))!;
}
