using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: pods on other machines are received on there, give each other what they have, and no link carries what it need not. Method: a real service and a real
/// site program for each pod, each in a network namespace of its own behind a link whose counters are read; no process but a site's own reaches its folders.</summary>
[Collection("servers")]
public sealed class SiteTests(ITestOutputHelper output)
{
    private const int Megabits = 100;
    private const int Mebibyte = 1 << 20;
    private const int Block = 4 << 10;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Four_sites_give_each_other_an_image_that_leaves_the_source_little_more_than_once()
    {
        const int Mebibytes = 16;
        await using var network = await NetworkAsync(5);
        await using var estate = Estate(network);
        await estate.StartAsync("ImageMgmt:FanOutPieceBytes=1048576");
        byte[] disk = [.. SiteEstate.MakeDisk(Mebibytes / 2, seed: 3), .. new byte[8 * Mebibyte], .. SiteEstate.MakeDisk(Mebibytes / 2, seed: 4)]; // most of a real disk is empty
        var digest = await estate.ImportAsync("win", "1.0", disk);
        var before = await network.SentByAsync(0);

        await estate.PublishAsync("win", "1.0", [1, 2, 3, 4]);

        var images = (await network.SentByAsync(0) - before) / (double)(Mebibytes * Mebibyte);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"the source's link carried {images:0.000} images for 4 sites"));
        Assert.InRange(images, 1.0, 1.5); // a star is above 4
        foreach (var site in Enumerable.Range(1, 4))
        {
            Assert.Equal(digest, await DigestOfAsync(estate.FileOf(site, "win", "1.0")));
        }

        var receipts = (await estate.Client.ListReceiptsAsync("win", "1.0", cancellationToken: Token)).Items;
        Assert.Equal(5, receipts.Count);
        Assert.All(receipts, receipt => Assert.Equal("sha256:" + digest, receipt.ContentDigest));
        Assert.Equal("Succeeded", (await VerifyAsync(estate, 3)).ToString());
    }

    [Fact]
    public async Task A_new_version_takes_over_the_network_what_has_changed_and_the_receipt_says_so()
    {
        const int Mebibytes = 24;
        const int Changed = 40;
        await using var network = await NetworkAsync(2);
        await using var estate = Estate(network);
        await estate.StartAsync();
        var disk = SiteEstate.MakeDisk(Mebibytes, seed: 5);
        await estate.ImportAsync("win", "1.0", disk);
        await estate.PublishAsync("win", "1.0", [1]);
        var random = new Random(6);
        for (var n = 0; n < Changed; n++)
        {
            random.NextBytes(disk.AsSpan(n * (disk.Length / Changed / Block) * Block, Block));
        }

        var digest = await estate.ImportAsync("win", "1.1", disk);
        var before = await network.SentByAsync(0);

        await estate.PublishAsync("win", "1.1", [1]);

        var wire = await network.SentByAsync(0) - before;
        var receipt = (await estate.Client.ListReceiptsAsync("win", "1.1", cancellationToken: Token)).Items.Single(of => of.Pod == SiteEstate.NameOf(1));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Changed} blocks changed, {Changed * Block} bytes; the receipt says {receipt.SentBytes}, the source's link carried {wire}"));
        Assert.Equal(digest, await DigestOfAsync(estate.FileOf(1, "win", "1.1")));
        Assert.InRange(receipt.SentBytes, Changed * Block, Changed * (Block + 128)); // random bytes do not pack
        Assert.InRange(wire, receipt.SentBytes, receipt.SentBytes + (Mebibytes * 2 * 1024) + (128 << 10)); // and the digests of its blocks, handshakes, headers
    }

    [Fact]
    public async Task A_site_that_dies_in_the_middle_goes_on_with_what_it_had_staged()
    {
        const int Mebibytes = 48;
        await using var network = await NetworkAsync(2);
        await using var estate = Estate(network);
        var trace = Path.Combine(estate.Root, "trace.txt");
        await estate.StartAsync("ImageMgmt:Retry:FirstDelay=500ms", $"ImageMgmt:TransferTrace={trace}");
        var ledger = new TransferLedger(trace);
        var digest = await estate.ImportAsync("win", "1.0", SiteEstate.MakeDisk(Mebibytes, seed: 8));

        var publish = estate.PublishAsync("win", "1.0", [1]);
        await Until.TrueAsync(() => ledger.Staged >= Mebibytes / 3 || publish.IsCompleted, () => $"a third is staged.\n{estate}");
        Assert.False(publish.IsCompleted, estate.ToString());
        estate.KillSite(1);
        await estate.StartSiteAsync(1);
        await publish;

        Assert.Equal(digest, await DigestOfAsync(estate.FileOf(1, "win", "1.0")));
        ledger.AssertNothingWasSentTwice(Mebibytes, kills: 1, transfers: 1);
    }

    [Fact]
    public async Task A_site_takes_no_call_that_is_not_for_it_and_the_pod_says_why()
    {
        await using var network = await NetworkAsync(2);
        await using var estate = Estate(network);
        await estate.StartAsync();

        var other = await estate.Client.ProbePodAsync(
            new ProbePodRequest { Pod = "site-9", Family = "filesystem", Settings = new Dictionary<string, string> { ["site-url"] = $"https://{network.AddressOf(1)}:7482" } }, Token);
        var unknown = await estate.Client.ProbePodAsync(
            new ProbePodRequest
            {
                Pod = "site-9", Family = "filesystem", Settings = new Dictionary<string, string> { ["site-url"] = $"https://{network.AddressOf(1)}:7482", ["site-name"] = "site-1" },
            }, Token);

        Assert.Contains("The certificate there is that of 'site-1', and 'site-9' is expected", other.Fault!.Detail, StringComparison.Ordinal);
        Assert.Contains("does not work on pod site-9", unknown.Fault!.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_network_that_is_taken_away_leaves_no_name_that_the_next_one_needs()
    {
        await using var first = await NetworkAsync(2);
        await using var left = new Lingerer([.. first.At(1), "cat"]); // a namespace lives as long as a process in it
        await left.AnswersAsync();

        await first.DisposeAsync();
        await using var second = await NetworkAsync(2);

        await left.AnswersAsync();
    }

    private static async Task<SiteNetwork> NetworkAsync(int sites)
    {
        Assert.True(Environment.UserName == "root", "These tests make network namespaces: run them as root.");
        return await SiteNetwork.CreateAsync(sites, Megabits);
    }

    private static SiteEstate Estate(SiteNetwork network) => new(Path.Combine(AppContext.BaseDirectory, "imgmt.dll"), network, network.Sites);

    /// <summary>A scrub that is asked for, over the line to the site.</summary>
    private static async Task<OperationState> VerifyAsync(SiteEstate estate, int site)
    {
        var operation = await estate.Client.VerifyCopyAsync("win", "1.0", SiteEstate.NameOf(site), cancellationToken: Token);
        var seen = operation.State;
        await Until.TrueAsync(() => (seen = estate.Client.GetOperationAsync(operation.Id, Token).GetAwaiter().GetResult().State) is not OperationState.Accepted and not OperationState.Running, () => $"{seen}\n{estate}");
        return seen;
    }

    private static async Task<string> DigestOfAsync(string path)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, Token));
    }

    /// <summary>A process that says what it is told until it is disposed of.</summary>
    private sealed class Lingerer(string[] words) : IAsyncDisposable
    {
        private readonly Process process = Process.Start(new ProcessStartInfo(words[0], words[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;

        public async Task AnswersAsync()
        {
            await process.StandardInput.WriteLineAsync("here".AsMemory(), Token);
            await process.StandardInput.FlushAsync(Token);
            Assert.Equal("here", await process.StandardOutput.ReadLineAsync(Token));
        }

        public async ValueTask DisposeAsync()
        {
            process.StandardInput.Close();
            await process.WaitForExitAsync(CancellationToken.None);
            process.Dispose();
        }
    }
}
