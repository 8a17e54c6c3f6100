using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
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
            foreach (var (megabits, far, each) in ((int, bool, int)[])[(20, false, 16), (20, true, 16), (100, false, 80), (100, true, 80), (400, false, 320)])
            {
                await MeasureAsync(text, Directory.CreateDirectory(Path.Combine(folder, $"{megabits}-{far}")).FullName, megabits, far, each);
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

    private static async Task MeasureAsync(StringBuilder text, string folder, int megabits, bool far, int each)
    {
        var path = Path.Combine(folder, "sealed.raw");
        var manifest = await CutsBenchmark.MakeAsync(path, each * (long)MiB, each);
        using var gate = new RateGate(TimeProvider.System);
        var rates = new PodRates(gate);
        rates.Set(source, new PodCaps { Out = $"{megabits}Mbit/s" });
        var count = new Count();
        await Task.WhenAll(Enumerable.Range(0, Transfers).Select(n => Task.Run(() => ReceiveAsync(path, manifest, Path.Combine(folder, $"pod-{n}"), far, rates, count))));
        var (fullest, emptiest, wall) = count.Windows(megabits * 1_000_000.0 / 8);
        text.AppendLine(CultureInfo.InvariantCulture, $"| {megabits} | {(far ? "far, by chunks" : "a file here")} | {each} | {wall:0.0} | {fullest:0.000} | {emptiest:0.000} |");
        Directory.Delete(folder, recursive: true);
    }

    private static async Task ReceiveAsync(string sealedPath, ContentManifest manifest, string path, bool far, PodRates rates, Count count)
    {
        await using var connector = CopyChild.Value(new FilesystemPods(TimeProvider.System).Create(CutsBenchmark.Spec(path)));
        await using var local = new LocalContentReader(File.OpenHandle(sealedPath), manifest);
        await using var link = new PacedReader(local, 1L << 34, null);
        var pass = rates.Open(source, new PodName(Path.GetFileName(path)), isUrgent: false);
        var offer = CopyChild.Value(ReaderOffer.Create(far ? link : local, CutsBenchmark.Describe(manifest), throttle: pass.AskAsync));
        CopyChild.Value(await connector.ReceiveAsync(CutsBenchmark.Order(1), offer, count, CancellationToken.None));
    }

    private static string ProjectFolder([CallerFilePath] string here = "") => Path.GetDirectoryName(Path.GetDirectoryName(here))!;

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
