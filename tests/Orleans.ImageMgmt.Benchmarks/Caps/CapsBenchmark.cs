using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Benchmarks.Resume;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Benchmarks.Caps;

/// <summary>How well caps hold on a real clock: three receives at once share what goes out from one pod, and the bytes of every ten seconds are compared with the cap.
/// What travels is counted when it has been read, not when it was allowed.</summary>
internal static class CapsBenchmark
{
    private const int Transfers = 3;
    private const int MiB = 1 << 20;
    private static readonly TimeSpan window = TimeSpan.FromSeconds(10);
    private static readonly PodName source = new("source");

    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        var folder = Directory.CreateDirectory(Path.Combine(arguments.Text("--folder") ?? Path.GetTempPath(), $"imagemgmt-caps-{Environment.ProcessId}")).FullName;
        try
        {
            var text = new StringBuilder("# Caps\n\n");
            text.AppendLine(CultureInfo.InvariantCulture, $"Machine: {Table.Machine()}. {Transfers} receives of the filesystem connector at once, from one pod whose `--out` is capped; one run each. Bytes are counted as they have been\nread. The fullest and the emptiest ten seconds between the first byte and the last, as parts of the cap; 1.05 is allowed.").AppendLine();
            text.AppendLine("| cap Mbit/s | source | MiB each | wall s | fullest 10 s | emptiest 10 s |").AppendLine("|---|---|---|---|---|---|");
            foreach (var (megabits, way, each) in ((int, Way, int)[])[(20, Way.Here, 16), (20, Way.Chunks, 16), (100, Way.Here, 80), (100, Way.Chunks, 80), (400, Way.Here, 320), (4, Way.Packed, 4), (8, Way.Packed, 8), (20, Way.Packed, 16), (100, Way.Packed, 80)])
            {
                await MeasureAsync(text, Directory.CreateDirectory(Path.Combine(folder, $"{megabits}-{way}")).FullName, megabits, way, each);
            }

            text.AppendLine().AppendLine("Run again: `dotnet run -c Release --project tests/Orleans.ImageMgmt.Benchmarks -- caps --write`");
            Console.WriteLine(text);
            if (arguments.Has("--write"))
            {
                await File.WriteAllTextAsync(Path.Combine(ProjectFolder(), "RESULTS-caps.md"), text.ToString());
            }

            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task MeasureAsync(StringBuilder text, string folder, int megabits, Way way, int each)
    {
        var path = Path.Combine(folder, "sealed.raw");
        var manifest = await CutsBenchmark.MakeAsync(path, each * (long)MiB, each);
        using var gate = new RateGate(TimeProvider.System);
        var rates = new PodRates(gate);
        rates.Set(source, new PodCaps { Out = $"{megabits}Mbit/s" });
        var count = new Count();
        await Task.WhenAll(Enumerable.Range(0, Transfers).Select(n => Task.Run(() => ReceiveAsync(path, manifest, Path.Combine(folder, $"pod-{n}"), way, rates, count))));
        var (fullest, emptiest, wall) = count.Windows(megabits * 1_000_000.0 / 8);
        text.AppendLine(CultureInfo.InvariantCulture, $"| {megabits} | {(way switch { Way.Here => "a file here", Way.Chunks => "far, by chunks", _ => "far, packed blocks" })} | {each} | {wall:0.0} | {fullest:0.000} | {emptiest:0.000} |");
        Directory.Delete(folder, recursive: true);
    }

    private static async Task ReceiveAsync(string sealedPath, ContentManifest manifest, string path, Way way, PodRates rates, Count count)
    {
        await using var connector = CopyChild.Value(new FilesystemPods(TimeProvider.System).Create(CutsBenchmark.Spec(path)));
        await using var local = new LocalContentReader(File.OpenHandle(sealedPath), manifest);
        await using var link = new PacedReader(local, 1L << 34, null);
        await using var packed = new PackedReader(local);
        var pass = rates.Open(source, new PodName(Path.GetFileName(path)), isUrgent: false);
        var offer = CopyChild.Value(ReaderOffer.Create(way switch { Way.Here => local, Way.Chunks => link, _ => packed }, CutsBenchmark.Describe(manifest), throttle: pass.AskAsync));
        CopyChild.Value(await connector.ReceiveAsync(CutsBenchmark.Order(1), offer, count, CancellationToken.None));
    }

    private static string ProjectFolder([CallerFilePath] string here = "") => Path.GetDirectoryName(Path.GetDirectoryName(here))!;

    private enum Way
    {
        Here,
        Chunks,
        Packed,
    }

    /// <summary>As of another machine, over a link without a limit of its own.</summary>
    private sealed class PackedReader(LocalContentReader inner) : IContentReader, IBlockReader
    {
        public ContentManifest Manifest => inner.Manifest;

        public SafeFileHandle? LocalFile => null;

        public int MaxBlocksAt(long block) => inner.MaxBlocksAt(block);

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) => inner.ReadAsync(offset, buffer, cancellationToken);

        public ValueTask<int> ReadDigestsAsync(DigestRequest request, Memory<byte> answer, CancellationToken cancellationToken) => inner.ReadDigestsAsync(request, answer, cancellationToken);

        public ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken) => inner.ReadBlocksAsync(request, frame, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>What travelled, and when.</summary>
    private sealed class Count : ITransferObserver
    {
        private readonly List<(TimeSpan At, int Bytes)> passed = [];
        private readonly long began = TimeProvider.System.GetTimestamp();

        public void Travelled(int bytes)
        {
            lock (passed)
            {
                passed.Add((TimeProvider.System.GetElapsedTime(began), bytes));
            }
        }

        public (double Fullest, double Emptiest, double Wall) Windows(double cap)
        {
            var (first, last) = (passed[0].At, passed[^1].At);
            var sums = passed.Select(p => p.At).Where(at => at + window <= last).Select(at => SumFrom(at) / (cap * window.TotalSeconds)).ToList();
            return (sums.Max(), sums.Min(), (last - first).TotalSeconds);
        }

        public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded)
        {
        }

        public void ChunkRequested(int chunk)
        {
        }

        public void ChunkStaged(int chunk, int length)
        {
        }

        public void Advanced(long bytes, long total)
        {
        }

        private double SumFrom(TimeSpan at)
        {
            double sum = 0;
            foreach (var (when, bytes) in passed)
            {
                sum += when >= at && when < at + window ? bytes : 0;
            }

            return sum;
        }
    }
}
