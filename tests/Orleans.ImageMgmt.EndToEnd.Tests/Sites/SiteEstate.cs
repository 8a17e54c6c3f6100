using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Testing;

/// <summary>A real service and a real site program for each pod, the first of them the source, each pod worked on at its site and nowhere else.</summary>
internal sealed class SiteEstate : IAsyncDisposable
{
    private const int Mebibyte = 1 << 20;
    private const int Port = 7482;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    private readonly string program;
    private readonly SiteNetwork? network;
    private readonly int sites;
    private readonly List<Program> programs = [];
    private readonly Dictionary<int, Program> siteOf = [];
    private readonly Dictionary<int, int> ports = [];

    /// <param name="program">Path of <c>imgmt.dll</c>.</param>
    /// <param name="network">Where each site has a link of its own; null: all on loopback.</param>
    /// <param name="sites">How many, with the source.</param>
    public SiteEstate(string program, SiteNetwork? network, int sites) => (this.program, this.network, this.sites) = (program, network, sites);

    public string Root { get; } = Directory.CreateTempSubdirectory("imgmt-sites-").FullName;

    /// <summary>For calls; known when it has started.</summary>
    public ImageMgmtHttpClient Client { get; private set; } = null!;

    public string Data => Path.Combine(Root, "service");

    public static string NameOf(int site) => string.Create(CultureInfo.InvariantCulture, $"site-{site}");

    public string FileOf(int site, string image, string version) => Path.Combine(Root, NameOf(site), "library", "content-library", image, version, "disk.raw");

    /// <summary>Starts all programs and connects all pods.</summary>
    public async Task StartAsync(params string[] settings)
    {
        await StartServiceAsync(settings); // its first start makes the authority that sites are given certificates of
        for (var site = 0; site < sites; site++)
        {
            await IssueAsync(site);
        }

        await Task.WhenAll(Enumerable.Range(0, sites).Select(site => StartSiteAsync(site)));
        for (var site = 0; site < sites; site++)
        {
            await Client.ConnectPodAsync(NameOf(site), new ConnectPodRequest { Family = "filesystem", Settings = new Dictionary<string, string> { ["site-url"] = AddressOf(site) } });
        }

        using var enough = new CancellationTokenSource(Patience, TimeProvider.System);
        for (var site = 0; site < sites; site++)
        {
            while ((await Client.GetPodAsync(NameOf(site), enough.Token)).State != PodState.Connected)
            {
                await Task.Delay(Look, TimeProvider.System, enough.Token);
            }
        }
    }

    public async Task StartServiceAsync(params string[] settings)
    {
        string[] all = ["Http:Listen=http://127.0.0.1:0", .. settings];
        var service = Start([], ["serve", "--data", Data, "--log", "Warning", .. all.SelectMany(setting => new[] { "--set", setting })]);
        await service.LineAsync("imgmt is ready");
        using var note = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Data, "endpoint.json")));
        Client = ImageMgmtHttpClient.Create(new Uri(note.RootElement.GetProperty("url").GetString()!), (await File.ReadAllTextAsync(Path.Combine(Data, "administrator.token"))).Trim());
    }

    /// <summary>Starts the program of a site, again on the same port where it ran before.</summary>
    public async Task StartSiteAsync(int site)
    {
        var folder = Path.Combine(Root, NameOf(site));
        var (sources, library) = (Directory.CreateDirectory(Path.Combine(folder, "sources")).FullName, Directory.CreateDirectory(Path.Combine(folder, "library")).FullName);
        var pods = new { pods = new[] { new { name = NameOf(site), settings = new Dictionary<string, string> { ["datastore.main"] = library, ["sources"] = sources } } } };
        await File.WriteAllTextAsync(Path.Combine(folder, "pods.json"), JsonSerializer.Serialize(pods));
        var keys = Path.Combine(folder, "keys");
        var listen = network is null ? $"127.0.0.1:{ports.GetValueOrDefault(site)}" : $"{network.AddressOf(site)}:{Port}";
        var started = Start(
            network?.At(site) ?? [],
            [
                "blocks", "--receive", "--data", Path.Combine(folder, "data"), "--pods", Path.Combine(folder, "pods.json"),
                "--set", $"Blocks:Listen={listen}", "--set", $"Trust:Authority={keys}/ca.crt", "--set", $"Trust:Certificate={keys}/blocks.crt", "--set", $"Trust:Key={keys}/blocks.key",
            ]);
        var line = await started.LineAsync("imgmt serves blocks of ");
        lock (siteOf)
        {
            siteOf[site] = started;
            ports[site] = new Uri(line[(line.LastIndexOf(' ') + 1)..]).Port;
        }
    }

    public void KillSite(int site) => siteOf[site].Kill();

    public int PortOf(int site) => ports[site];

    /// <summary>Puts a disk of random bytes into the source's folder and imports it.</summary>
    /// <returns>Its SHA-256.</returns>
    public async Task<string> ImportAsync(string image, string version, byte[] disk)
    {
        var file = $"{image}-{version}.raw";
        await File.WriteAllBytesAsync(Path.Combine(Root, NameOf(0), "sources", file), disk);
        await ImportFileAsync(image, version, file);
        return Convert.ToHexStringLower(SHA256.HashData(disk));
    }

    /// <summary>Imports a file that lies in the source's folder already.</summary>
    public async Task ImportFileAsync(string image, string version, string file) =>
        await EndAsync((await Client.ImportAsync(image, new ImportRequest { Pod = NameOf(0), Source = file, Version = version })).Id);

    public static byte[] MakeDisk(int mebibytes, int seed)
    {
        var disk = new byte[mebibytes * Mebibyte];
        new Random(seed).NextBytes(disk);
        return disk;
    }

    /// <summary>Publishes to some sites and waits until the last of them has its copy.</summary>
    /// <returns>How long it took.</returns>
    public async Task<TimeSpan> PublishAsync(string image, string version, IEnumerable<int> to, TimeSpan? patience = null)
    {
        var start = TimeProvider.System.GetTimestamp();
        var operation = await Client.PublishAsync(image, version, new PublishRequest { Pods = [.. to.Select(NameOf)] });
        await EndAsync(operation.Id, patience);
        return TimeProvider.System.GetElapsedTime(start);
    }

    public override string ToString() => string.Join('\n', programs.Select(program => program.ToString()));

    public async ValueTask DisposeAsync()
    {
        Client?.Dispose();
        foreach (var program in programs)
        {
            await program.DisposeAsync();
        }

        Directory.Delete(Root, recursive: true);
    }

    private string AddressOf(int site) => network is null ? $"https://127.0.0.1:{ports[site]}" : $"https://{network.AddressOf(site)}:{Port}";

    private async Task IssueAsync(int site)
    {
        var issue = Start([], ["trust", "issue-blocks", "--data", Data, "--name", NameOf(site), "--out", Path.Combine(Root, NameOf(site), "keys")]);
        await issue.EndAsync();
    }

    private async Task EndAsync(string operation, TimeSpan? patience = null)
    {
        using var enough = new CancellationTokenSource(patience ?? Patience, TimeProvider.System);
        while (true)
        {
            var seen = await Client.GetOperationAsync(operation, CancellationToken.None);
            if (seen.State == OperationState.Succeeded)
            {
                return;
            }

            if (enough.IsCancellationRequested)
            {
                throw new TimeoutException($"{operation} is still {seen.State} after {patience ?? Patience}: {JsonSerializer.Serialize(seen)}\n{this}");
            }

            if (seen.State is OperationState.Failed or OperationState.Cancelled or OperationState.PartiallySucceeded)
            {
                var targets = await Client.ListTargetsAsync(operation, cancellationToken: CancellationToken.None);
                throw new InvalidOperationException($"{operation} is {seen.State}: {JsonSerializer.Serialize(seen)}\n{JsonSerializer.Serialize(targets)}\n{this}");
            }

            await Task.Delay(Look, TimeProvider.System, CancellationToken.None);
        }
    }

    private Program Start(string[] before, string[] words)
    {
        var started = new Program([.. before, "dotnet", program, .. words]);
        lock (programs)
        {
            programs.Add(started);
        }

        return started;
    }

    /// <summary>One process and what it has printed.</summary>
    private sealed class Program : IAsyncDisposable
    {
        private readonly Process process;
        private readonly List<string> lines = [];
        private readonly Task reading;

        public Program(string[] words)
        {
            var start = new ProcessStartInfo(words[0], words[1..]) { RedirectStandardError = true, RedirectStandardOutput = true };
            start.Environment["PATH"] += ":/usr/sbin:/sbin";
            process = Process.Start(start)!;
            reading = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
        }

        public async Task<string> LineAsync(string beginning)
        {
            using var enough = new CancellationTokenSource(Patience, TimeProvider.System);
            while (true)
            {
                lock (lines)
                {
                    if (lines.FirstOrDefault(line => line.StartsWith(beginning, StringComparison.Ordinal)) is { } found)
                    {
                        return found;
                    }
                }

                if (reading.IsCompleted || enough.IsCancellationRequested)
                {
                    throw new InvalidOperationException($"No line '{beginning}…'.\n{this}");
                }

                await Task.Delay(Look, TimeProvider.System, CancellationToken.None);
            }
        }

        public async Task EndAsync()
        {
            await process.WaitForExitAsync(CancellationToken.None);
            await reading;
            if (process.ExitCode != 0)
            {
                throw new InvalidOperationException($"It ended with {process.ExitCode}.\n{this}");
            }
        }

        public void Kill()
        {
            process.Kill();
            process.WaitForExit();
        }

        public async ValueTask DisposeAsync()
        {
            if (!process.HasExited)
            {
                process.Kill();
            }

            await process.WaitForExitAsync(CancellationToken.None);
            process.Dispose();
        }

        public override string ToString()
        {
            lock (lines)
            {
                return $"--- {process.StartInfo.FileName} {string.Join(' ', process.StartInfo.ArgumentList.Take(8))}\n{string.Join('\n', lines.TakeLast(30))}";
            }
        }

        private async Task ReadAsync(StreamReader reader)
        {
            while (await reader.ReadLineAsync(CancellationToken.None) is { } line)
            {
                lock (lines)
                {
                    lines.Add(line);
                }
            }
        }
    }
}
