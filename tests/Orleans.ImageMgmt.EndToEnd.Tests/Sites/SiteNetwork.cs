using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Orleans.ImageMgmt.Testing;

/// <summary>Machines of their own on one computer: Linux network namespaces on a bridge, each behind a link of one rate in both directions (token bucket
/// filters, <c>tc-tbf</c>). Needs root and iproute2. Disposing takes all of it away.</summary>
internal sealed class SiteNetwork : IAsyncDisposable
{
    private const string Inside = "uplink";
    private const int FirstHost = 10;

    private readonly string tag;
    private readonly int subnet;
    private readonly int sites;

    private SiteNetwork(int sites)
    {
        this.sites = sites;
        tag = string.Create(CultureInfo.InvariantCulture, $"im{Environment.ProcessId % 100_000}");
        subnet = Environment.ProcessId % 250;
    }

    /// <summary>Where the service answers; its own link is not bounded.</summary>
    public string ServiceAddress => string.Create(CultureInfo.InvariantCulture, $"10.231.{subnet}.1");

    public int Sites => sites;

    public static async Task<SiteNetwork> CreateAsync(int sites, int megabits)
    {
        var network = new SiteNetwork(sites);
        try
        {
            await network.BuildAsync(megabits);
            return network;
        }
        catch
        {
            await network.DisposeAsync();
            throw;
        }
    }

    public string AddressOf(int site) => string.Create(CultureInfo.InvariantCulture, $"10.231.{subnet}.{FirstHost + site}");

    /// <summary>The words before a command that is to run at a site.</summary>
    public string[] At(int site) => ["ip", "netns", "exec", NameOf(site)];

    /// <summary>Bytes that left a site, as its link counted them: with all headers, each segment by itself.</summary>
    public async Task<long> SentByAsync(int site)
    {
        using var shown = JsonDocument.Parse(await RunAsync([.. At(site), "tc", "-s", "-j", "qdisc", "show", "dev", Inside]));
        return shown.RootElement[0].GetProperty("bytes").GetInt64();
    }

    public async ValueTask DisposeAsync()
    {
        for (var site = 0; site < sites; site++)
        {
            // The link by itself: the kernel takes down a namespace, and the links in it, some time after "del" has answered, and until then their names are taken.
            await TryAsync("ip", "link", "del", NameOf(site));
            await TryAsync("ip", "netns", "del", NameOf(site));
        }

        await TryAsync("ip", "link", "del", tag);
    }

    private string NameOf(int site) => string.Create(CultureInfo.InvariantCulture, $"{tag}-{site}");

    private async Task BuildAsync(int megabits)
    {
        await RunAsync("ip", "link", "add", tag, "type", "bridge");
        await RunAsync("ip", "addr", "add", $"{ServiceAddress}/24", "dev", tag);
        await RunAsync("ip", "link", "set", tag, "up");
        for (var site = 0; site < sites; site++)
        {
            var name = NameOf(site);
            await RunAsync("ip", "netns", "add", name);
            await RunAsync("ip", "link", "add", name, "type", "veth", "peer", "name", Inside, "netns", name);
            await RunAsync("ip", "link", "set", name, "master", tag, "up");
            await RunAsync([.. At(site), "ip", "addr", "add", $"{AddressOf(site)}/24", "dev", Inside]);
            await RunAsync([.. At(site), "ip", "link", "set", "lo", "up"]);
            await RunAsync([.. At(site), "ip", "link", "set", Inside, "up"]);
            await RunAsync([.. At(site), .. Limit(Inside, megabits)]);
            await RunAsync(Limit(name, megabits));
        }
    }

    /// <summary>A bucket of 64 KiB, and a queue of 50 ms in front of it, as a small router has.</summary>
    private static string[] Limit(string device, int megabits) =>
        ["tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", string.Create(CultureInfo.InvariantCulture, $"{megabits}mbit"), "burst", "64kb", "latency", "50ms"];

    private static async Task TryAsync(params string[] words)
    {
        try
        {
            await RunAsync(words);
        }
        catch (InvalidOperationException)
        {
            // It was never made.
        }
    }

    private static async Task<string> RunAsync(params string[] words)
    {
        var start = new ProcessStartInfo(words[0], words[1..]) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["PATH"] += ":/usr/sbin:/sbin";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var trouble = await process.StandardError.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        return process.ExitCode == 0 ? await output : throw new InvalidOperationException($"{string.Join(' ', words)}: {trouble}");
    }
}
