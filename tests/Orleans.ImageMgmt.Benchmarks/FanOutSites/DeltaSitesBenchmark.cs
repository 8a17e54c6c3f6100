using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Orleans.ImageMgmt.Benchmarks.Delta;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Testing;

namespace Orleans.ImageMgmt.Benchmarks.FanOutSites;

/// <summary>The next versions of a real image for sites that hold v1.0, with the product's own settings: real programs, each site in a network namespace of its own behind a link.
/// What the source's link carried is what its counters say.</summary>
internal static class DeltaSitesBenchmark
{
    private const string Image = "golden";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(20);

    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        if (arguments.Text("--images") is not { } images || !File.Exists(Path.Combine(images, "v1.0.raw")))
        {
            Console.Error.WriteLine("--images FOLDER: the disks that eng/make-images.sh makes.");
            return 2;
        }

        var (pods, megabits) = (arguments.Number("--pods", 1), arguments.Number("--megabits", 200));
        var program = arguments.Text("--imgmt") ?? Path.Combine(AppContext.BaseDirectory, "..", "..", "Orleans.ImageMgmt.Host", "release", "imgmt.dll");
        await using var network = await SiteNetwork.CreateAsync(pods + 1, megabits);
        await using var estate = new SiteEstate(program, network, pods + 1);
        await estate.StartAsync(arguments.Text("--set") is { } set ? [set] : []);
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{pods} pod(s) and the source pod behind {megabits} Mbit/s each, {Table.Machine()}.").AppendLine();
        text.AppendLine("| version | wall s | the source's link carried, MB | a pod's receipt says, MB |").AppendLine("|---|---|---|---|");
        foreach (var version in (arguments.Text("--versions") ?? "1.0,1.0p,1.1,1.0c").Split(','))
        {
            var source = Path.Combine(images, $"v{version}.raw");
            var file = Path.Combine(estate.Root, SiteEstate.NameOf(0), "sources", $"{version}.raw");
            ShellRun.Run($"ln '{source}' '{file}' 2>/dev/null || cp --sparse=always '{source}' '{file}'");
            await estate.ImportFileAsync(Image, version, $"{version}.raw");
            var before = await network.SentByAsync(0);
            var wall = await estate.PublishAsync(Image, version, Enumerable.Range(1, pods), Patience);
            var carried = await network.SentByAsync(0) - before;
            var receipts = (await estate.Client.ListReceiptsAsync(Image, version)).Items.Where(receipt => receipt.Pod != SiteEstate.NameOf(0)).ToList();
            text.AppendLine(CultureInfo.InvariantCulture, $"| {version} | {wall.TotalSeconds:0.0} | {carried / 1e6:0.0} | {receipts.Average(receipt => receipt.SentBytes) / 1e6:0.0} |");
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{version}: {wall.TotalSeconds:0.0} s, {carried / 1e6:0.0} MB"));
            await DemandSameAsync(estate, source, version, pods);
        }

        Console.WriteLine(text);
        return 0;
    }

    private static async Task DemandSameAsync(SiteEstate estate, string source, string version, int pods)
    {
        var expected = await DigestAsync(source);
        for (var site = 1; site <= pods; site++)
        {
            if (await DigestAsync(estate.FileOf(site, Image, version)) != expected)
            {
                throw new InvalidOperationException($"The copy of {version} on {SiteEstate.NameOf(site)} is not the source's.");
            }
        }
    }

    private static async Task<string> DigestAsync(string path)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file));
    }
}
