using System.Globalization;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Benchmarks.Resume;

/// <summary>A process of its own, so that its peak can be read: eight transfers at once, each as the product makes it.</summary>
internal static class MemoryChild
{
    public const int Transfers = 8;

    private const long Rate = 1L << 30;

    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        var folder = Directory.CreateDirectory(Path.Combine(arguments.Text("--folder")!, "memory")).FullName;
        var path = Path.Combine(folder, "sealed.raw");
        var manifest = await CutsBenchmark.MakeAsync(path, (long)arguments.Number("--length", 1) << 30, arguments.Number("--data", 128));
        var cpu = Environment.CpuUsage.TotalTime;
        await Task.WhenAll(Enumerable.Range(0, Transfers).Select(n => CopyAsync(path, manifest, Path.Combine(folder, $"copy-{n}"))));
        var seconds = (Environment.CpuUsage.TotalTime - cpu).TotalSeconds;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"result {CopyChild.StatusOf("VmHWM")} {seconds / (Transfers * manifest.DataLength / 1e9)}"));
        Directory.Delete(folder, recursive: true);
        return 0;
    }

    private static async Task CopyAsync(string sealedPath, ContentManifest manifest, string path)
    {
        await using var connector = CopyChild.Value(new FilesystemPods(TimeProvider.System).Create(CutsBenchmark.Spec(path)));
        await using var source = new LocalContentReader(File.OpenHandle(sealedPath), manifest);
        await using var link = new PacedReader(source, Rate, null);
        var order = CutsBenchmark.Order(1);
        CopyChild.Value(await connector.ReceiveAsync(order, CopyChild.Value(ReaderOffer.Create(link, CutsBenchmark.Describe(manifest))), SilentObserver.Instance, CancellationToken.None));
        CopyChild.Value(await connector.FinaliseAsync(order, CutsBenchmark.Describe(manifest), SilentObserver.Instance, CancellationToken.None));
    }
}
