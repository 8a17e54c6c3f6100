using System.Diagnostics;
using System.Globalization;
using Orleans.ImageMgmt.Content;

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
        await WarmUpAsync(folder);
        var idle = StatusOf("VmRSS");
        var cpu = Environment.CpuUsage.TotalTime;
        var clock = Stopwatch.StartNew();
        var verbose = arguments.Has("--verbose");
        await Task.WhenAll(Enumerable.Range(0, arguments.Number("--targets", 1)).Select(target => CopyAsync(sealedPath, manifest, Path.Combine(folder, $"ours-{target}"), verbose ? clock : null)));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"result {clock.Elapsed.TotalSeconds} {(Environment.CpuUsage.TotalTime - cpu).TotalSeconds} {StatusOf("VmHWM") - idle}"));
        return 0;
    }

    private static async Task CopyAsync(string sealedPath, ContentManifest manifest, string path, Stopwatch? clock)
    {
        await using var reader = new LocalContentReader(File.OpenHandle(sealedPath), manifest);
        using (var staging = File.OpenHandle(path + ".staging", FileMode.CreateNew, FileAccess.ReadWrite))
        {
            await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), SilentObserver.Instance, CancellationToken.None);
            var received = clock?.Elapsed;
            var result = await CopyVerifier.VerifyAsync(staging, manifest, new VerifyOptions(), SilentObserver.Instance, CancellationToken.None);
            if (!result.IsRight)
            {
                throw new InvalidOperationException($"{path}: {result.BadCount} chunks are wrong.");
            }

            if (clock is not null)
            {
                Console.Error.WriteLine($"{Path.GetFileName(path)} received {received:s\\.fff} verified {clock.Elapsed:s\\.fff}");
            }
        }

        File.Move(path + ".staging", path);
        SparseFile.FlushFolder(Path.GetDirectoryName(path)!);
    }

    private static async Task WarmUpAsync(string folder)
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
                await CopyAsync(path + "-sealed", content.Manifest, path + "-copy", null);
                File.Delete(path + "-copy");
            }
        }

        File.Delete(path);
        File.Delete(path + "-sealed");
    }

    /// <summary>A line of /proc/self/status, in bytes.</summary>
    private static long StatusOf(string name)
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(name + ":", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) * 1024;
    }
}
