using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Testing;

namespace Orleans.ImageMgmt.Benchmarks.FanOutSites;

/// <summary>One image to many sites behind slow links: real programs, each site in a network namespace of its own behind a token bucket filter. One pod alone, all
/// of them with the fan-out, and all of them from the source alone (the star), one after the other on the same links.</summary>
internal static class SitesBenchmark
{
    private const int WarmMebibytes = 32;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(20);

    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        var setup = new Setup(
            arguments.Number("--pods", 16), arguments.Number("--mebibytes", 128), arguments.Number("--megabits", 100), arguments.Number("--rounds", 1), arguments.Number("--warm", 3), !arguments.Has("--no-star"),
            arguments.Text("--imgmt") ?? Path.Combine(AppContext.BaseDirectory, "..", "..", "Orleans.ImageMgmt.Host", "release", "imgmt.dll"),
            arguments.Text("--set") is { } set ? [set] : []);
        var (alone, all, star) = (new List<Run>(), new List<Run>(), new List<Run>());
        for (var round = 0; round < setup.Rounds; round++)
        {
            await using (var estate = await StartAsync(setup, "ImageMgmt:FanOut=Remote"))
            {
                for (var warm = 0; warm < setup.Warm; warm++)
                {
                    await estate.PublishAsync($"warm-{warm}", setup, setup.All, mebibytes: WarmMebibytes); // sites run for weeks
                }

                alone.Add(await estate.PublishAsync("alone", setup, [1]));
                all.Add(await estate.PublishAsync("all", setup, setup.All));
            }

            if (setup.WithStar)
            {
                await using var estate = await StartAsync(setup, "ImageMgmt:FanOut=Never");
                star.Add(await estate.PublishAsync("star", setup, setup.All));
            }
        }

        var text = Render(setup, alone, all, star);
        Console.WriteLine(text);
        if (arguments.Has("--write"))
        {
            await File.WriteAllTextAsync(Path.Combine(Here(), "..", "RESULTS-sites.md"), text);
        }

        return 0;
    }

    private static async Task<Estate> StartAsync(Setup setup, string fanOut)
    {
        var network = await SiteNetwork.CreateAsync(setup.Pods + 1, setup.Megabits);
        var estate = new Estate(network, new SiteEstate(setup.Program, network, setup.Pods + 1));
        try
        {
            await estate.Sites.StartAsync([fanOut, $"ImageMgmt:TransfersPerSilo={Math.Max(64, setup.Pods)}", .. setup.Settings]);
            return estate;
        }
        catch
        {
            await estate.DisposeAsync();
            throw;
        }
    }

    private static string Render(Setup setup, List<Run> alone, List<Run> all, List<Run> star)
    {
        var text = new StringBuilder();
        text.AppendLine("# One image to many sites behind slow links").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Machine: {Table.Machine()}.");
        text.AppendLine(CultureInfo.InvariantCulture, $"{setup.Pods} pods and the source pod, each in a network namespace of its own behind {setup.Megabits} Mbit/s in both directions (tbf, 64 KiB bucket, 50 ms queue), an `imgmt blocks --receive` in each;");
        text.AppendLine(CultureInfo.InvariantCulture, $"one `imgmt serve` on the bridge between them. {setup.Mebibytes} MiB of random bytes, a new image for each row, so that nothing is at hand anywhere. Wall: from the request until the last");
        text.AppendLine(CultureInfo.InvariantCulture, $"copy is read back and reported. Source egress: what the source's link counted, all headers included, in images. {(setup.Rounds > 1 ? $"Medians of {setup.Rounds} rounds (lowest–highest)." : "One round.")}").AppendLine();
        text.AppendLine("| what | wall s | against one pod alone | source egress, images |");
        text.AppendLine("|---|---|---|---|");
        var one = Median(alone.Select(run => run.Seconds));
        foreach (var (what, runs) in new[] { ("one pod alone", alone), ($"{setup.Pods} pods, fan-out", all), ($"{setup.Pods} pods, star (`ImageMgmt:FanOut=Never`)", star) }.Where(row => row.Item2.Count > 0))
        {
            var wall = Median(runs.Select(run => run.Seconds));
            text.AppendLine(CultureInfo.InvariantCulture, $"| {what} | {Spread(runs.Select(run => run.Seconds), "0.0")} | {wall / one:0.00} | {Spread(runs.Select(run => run.Egress), "0.00")} |");
        }

        text.AppendLine().AppendLine("Marks: egress at most 1.25 images, the last of all pods at most 1.3 × one pod alone. Every copy is compared with the source by SHA-256 after the run.");
        return text.AppendLine().AppendLine("Run again, as root: `dotnet run -c Release --project tests/Orleans.ImageMgmt.Benchmarks -- fan-out-sites --write`").ToString();
    }

    private static string Spread(IEnumerable<double> values, string format)
    {
        var sorted = values.Order().ToList();
        var middle = Median(sorted).ToString(format, CultureInfo.InvariantCulture);
        return sorted.Count == 1 ? middle : $"{middle} ({sorted[0].ToString(format, CultureInfo.InvariantCulture)}–{sorted[^1].ToString(format, CultureInfo.InvariantCulture)})";
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }

    private static string Here([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;

    private sealed record Setup(int Pods, int Mebibytes, int Megabits, int Rounds, int Warm, bool WithStar, string Program, string[] Settings)
    {
        public IEnumerable<int> All => Enumerable.Range(1, Pods);
    }

    private sealed record Run(double Seconds, double Egress);

    private sealed record Estate(SiteNetwork Network, SiteEstate Sites) : IAsyncDisposable
    {
        private static int seeds;

        /// <summary>A new image to some pods; checks every copy.</summary>
        public async Task<Run> PublishAsync(string image, Setup setup, IEnumerable<int> to, int? mebibytes = null)
        {
            var disk = SiteEstate.MakeDisk(mebibytes ?? setup.Mebibytes, Interlocked.Increment(ref seeds));
            var digest = await Sites.ImportAsync(image, "1.0", disk);
            var sent = await Network.SentByAsync(0);
            var wall = await Sites.PublishAsync(image, "1.0", to, Patience);
            var run = new Run(wall.TotalSeconds, (await Network.SentByAsync(0) - sent) / (double)disk.Length);
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{image}: {run.Seconds:0.0} s, source sent {run.Egress:0.000} images"));
            foreach (var site in to)
            {
                await using var file = File.OpenRead(Sites.FileOf(site, image, "1.0"));
                if (Convert.ToHexStringLower(await SHA256.HashDataAsync(file)) != digest)
                {
                    throw new InvalidOperationException($"The copy of {image} on {SiteEstate.NameOf(site)} is not the source's.");
                }
            }

            return run;
        }

        public async ValueTask DisposeAsync()
        {
            await Sites.DisposeAsync();
            await Network.DisposeAsync();
        }
    }
}
