using System.Runtime.CompilerServices;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Benchmarks.FirstCopy;

/// <summary>First copy of an image to N local targets: ours (verified by reading back all of it, or a sample) against cp and sync (unverified), cp and openssl, and the
/// disk alone.</summary>
internal static class FirstCopyBenchmark
{
    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        var folder = Directory.CreateDirectory(Path.Combine(arguments.Text("--folder") ?? Path.GetTempPath(), $"imagemgmt-bench-{Environment.ProcessId}")).FullName;
        try
        {
            var image = arguments.Text("--image");
            var origin = image is null ? SampleImage.Make(image = Path.Combine(folder, "image.raw"), folder) : "given image";
            var (path, manifestPath, described) = await SealAsync(image, folder);
            var only = arguments.Text("--only");
            var rounds = arguments.Number("--rounds", 5);
            var table = new Table($"{described}; {origin}", rounds);
            foreach (var targets in arguments.Numbers("--targets", "1,4,8"))
            {
                Measure(table, path, manifestPath, Directory.CreateDirectory(Path.Combine(folder, "targets")).FullName, targets, rounds, only);
            }

            var text = table.Render();
            Console.WriteLine(text);
            if (arguments.Has("--write"))
            {
                await File.WriteAllTextAsync(Path.Combine(ProjectFolder(), "RESULTS.md"), text);
            }

            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Measure(Table table, string path, string manifestPath, string folder, int targets, int rounds, string? only)
    {
        for (var round = 0; round < rounds; round++)
        {
            // Whoever goes first in a round finds the disk as the last round left it; so the order turns with every round.
            Action[] contenders =
            [
                () => table.Add(targets, Table.Ours, Contender.Ours(path, manifestPath, folder, targets, "each", only is not null)),
                () => table.Add(targets, Table.CopyAndSync, Contender.CopyAndSync(path, folder, targets)),
                () => table.Add(targets, Table.CopyAndHash, Contender.CopyAndHash(path, folder, targets)),
                () => table.Add(targets, Table.OutAndBack, Contender.OutAndBack(path, folder, targets)),
                () => table.Add(targets, Table.Copy, Contender.Copy(path, folder, targets)),
                () => table.Add(targets, Table.OursSampled, Contender.Ours(path, manifestPath, folder, targets, "sampled", only is not null)),
            ];
            for (var i = 0; i < contenders.Length; i++)
            {
                var which = (i + round) % contenders.Length;
                if (only is null || only.Contains((char)('0' + which), StringComparison.Ordinal))
                {
                    Warm(path);
                    contenders[which]();
                    Contender.Drop(folder);
                }
            }
        }
    }

    private static async Task<(string Path, string Manifest, string Described)> SealAsync(string image, string folder)
    {
        var path = Path.Combine(folder, "sealed.raw");
        using var source = File.OpenHandle(image);
        using var target = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite);
        using var disk = new RawFile(source);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var result = await Sealer.SealAsync(disk, source, target, new SealOptions(), SilentObserver.Instance, CancellationToken.None);
        var sealing = watch.Elapsed.TotalSeconds;
        SparseFile.Flush(target);
        var manifest = Path.Combine(folder, "manifest");
        await File.WriteAllBytesAsync(manifest, result.Manifest.Encode());
        return (path, manifest, $"{result.Content.Length / 1048576.0:n0} MiB disk, {SparseFile.AllocatedBytes(target) / 1048576.0:n0} MiB of data, sealed in {sealing:n1} s");
    }

    /// <summary>Everybody reads the source from memory.</summary>
    internal static void Warm(string path)
    {
        using var file = File.OpenHandle(path);
        var buffer = new byte[1 << 20];
        for (var data = SparseFile.NextData(file, 0); data is { } range; data = SparseFile.NextData(file, range.End))
        {
            for (var at = range.Offset; at < range.End;)
            {
                at += RandomAccess.Read(file, buffer.AsSpan(0, (int)Math.Min(buffer.Length, range.End - at)), at);
            }
        }
    }

    private static string ProjectFolder([CallerFilePath] string here = "") => Path.GetDirectoryName(Path.GetDirectoryName(here))!;
}
