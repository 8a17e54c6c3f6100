using System.Diagnostics;
using System.Globalization;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Benchmarks.FirstCopy;

/// <summary>Ours, in a process of its own so that its memory can be read: N copies at once, each received, flushed, read back, renamed.</summary>
internal static class CopyChild
{
    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        var sealedPath = arguments.Text("--sealed")!;
        var folder = arguments.Text("--folder")!;
        var manifest = ContentManifest.Decode(await File.ReadAllBytesAsync(arguments.Text("--manifest")!));

        // A silo runs for weeks: what is measured is a warm process, so the code is run once on a small image first.
        var readBack = arguments.Text("--read-back") ?? "each";
        await WarmUpAsync(folder, readBack);
        var idle = StatusOf("VmRSS");
        var cpu = Environment.CpuUsage.TotalTime;
        var clock = Stopwatch.StartNew();
        var verbose = arguments.Has("--verbose");
        await Task.WhenAll(Enumerable.Range(0, arguments.Number("--targets", 1)).Select(target => CopyAsync(sealedPath, manifest, Path.Combine(folder, $"ours-{target}"), readBack, verbose ? clock : null)));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"result {clock.Elapsed.TotalSeconds} {(Environment.CpuUsage.TotalTime - cpu).TotalSeconds} {StatusOf("VmHWM") - idle}"));
        return 0;
    }

    /// <summary>One copy the way the product makes it: the pod's own connector, receive and finalise, with ledger, manifest and receipt.</summary>
    private static async Task CopyAsync(string sealedPath, ContentManifest manifest, string path, string readBack, Stopwatch? clock)
    {
        var pod = new PodName(Path.GetFileName(path));
        var spec = new PodSpec(pod, "filesystem", new Dictionary<string, string> { ["datastore.main"] = Directory.CreateDirectory(path).FullName, ["read-back"] = readBack }, new Dictionary<string, string>(), 1);
        var content = new ContentDescription(
            ContentKind.Disk, manifest.ContentDigest, manifest.Length, manifest.DataLength, manifest.ComputeDigest(), manifest.ChunkSize, manifest.DataChunks,
            SourceFormat.Raw, manifest.Length, manifest.ContentDigest);
        var order = new CopyOrder(new VersionId(new ImageName("golden"), new VersionName("1.0")), new Generation(1), 1);
        await using var connector = Value(new FilesystemPods(TimeProvider.System).Create(spec));
        await using var reader = new LocalContentReader(File.OpenHandle(sealedPath), manifest);
        Value(await connector.ReceiveAsync(order, Value(ReaderOffer.Create(reader, content)), SilentObserver.Instance, CancellationToken.None));
        var received = clock?.Elapsed;
        var receipt = Value(await connector.FinaliseAsync(order, content, SilentObserver.Instance, CancellationToken.None));
        if (receipt.ContentDigest != manifest.ContentDigest || (readBack == "each" ? receipt.BytesReadBack < manifest.DataLength : receipt.BytesReadBack is 0 || receipt.BytesReadBack > Math.Max(manifest.ChunkSize, manifest.DataLength / 8)))
        {
            throw new InvalidOperationException($"{path}: {receipt} proves more or less than it has to.");
        }

        if (clock is not null)
        {
            Console.Error.WriteLine($"{Path.GetFileName(path)} received {received:s\\.fff} final {clock.Elapsed:s\\.fff}");
        }
    }

    internal static T Value<T>(ConnectorResult<T> result) =>
        result is ConnectorResult<T>.Done(var value) ? value : throw new InvalidOperationException(result.ToString());

    private static async Task WarmUpAsync(string folder, string readBack)
    {
        var path = Path.Combine(folder, "warm-up");
        var bytes = new byte[(8 << 20) + 1];
        new Random(1).NextBytes(bytes);
        await File.WriteAllBytesAsync(path, bytes);
        using (var source = File.OpenHandle(path))
        using (var target = File.OpenHandle(path + "-sealed", FileMode.Create, FileAccess.ReadWrite))
        {
            using var image = new RawFile(source);
            var content = await Sealer.SealAsync(image, source, target, new SealOptions(), SilentObserver.Instance, CancellationToken.None);
            for (var i = 0; i < 10; i++)
            {
                await CopyAsync(path + "-sealed", content.Manifest, path + "-copy", readBack, null);
                Directory.Delete(path + "-copy", recursive: true);
            }
        }

        File.Delete(path);
        File.Delete(path + "-sealed");
    }

    /// <summary>A line of /proc/self/status, in bytes.</summary>
    internal static long StatusOf(string name)
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(name + ":", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) * 1024;
    }
}
