using System.Globalization;
using System.Security.Cryptography;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Three silos on PostgreSQL, pods in folders, and disks to import.</summary>
internal sealed class ChaosEstate(PostgresServer server) : IAsyncDisposable
{
    private const int Mebibyte = 1 << 20;

    private static readonly (string Name, string? FaultPlan)[] Sites =
    [
        ("head", null), ("branch", null), ("east", "receive:slow=4MB/s"), ("west", null), ("north", "receive:slow=2MB/s"), ("south", null),
    ];

    private readonly Dictionary<string, string> digests = [];

    public SiloCluster Cluster { get; } = new(server);

    public IReadOnlyList<ChaosSilo> Silos { get; private set; } = [];

    public IReadOnlyList<string> Pods { get; } = [.. Sites.Select(site => site.Name)];

    /// <summary>Pods that sources are imported from.</summary>
    public IReadOnlyList<string> Heads { get; } = ["head", "branch"];

    public IReadOnlyList<string> Disks => [.. digests.Keys];

    public string DigestOf(string disk) => digests[disk];

    public string Library(string pod) => Path.Combine(Cluster.Pod(pod), "content-library");

    public string FileOf(string pod, string image, string version) => Path.Combine(Library(pod), image, version, "disk.raw");

    public async Task StartAsync(int seed)
    {
        await Cluster.StartAsync(3);
        Silos = [.. Cluster.Silos.Select(silo => new ChaosSilo(silo))];
        var sources = Directory.CreateDirectory(Path.Combine(Cluster.Root, "sources")).FullName;
        for (var n = 0; n < 6; n++)
        {
            MakeDisk(sources, string.Create(CultureInfo.InvariantCulture, $"disk-{n}.raw"), mebibytes: 2 + n, new Random(unchecked(seed + n)));
        }

        foreach (var (name, plan) in Sites)
        {
            var settings = new Dictionary<string, string> { ["datastore.ds"] = Cluster.Pod(name) };
            if (Heads.Contains(name))
            {
                settings["sources"] = sources;
            }

            if (plan is not null)
            {
                settings["fault-plan"] = plan;
            }

            await Cluster.Client(0).ConnectPodAsync(name, new ConnectPodRequest { Family = "filesystem", Settings = settings, Slots = 3 }, cancellationToken: TestContext.Current.CancellationToken);
        }

        foreach (var pod in Pods)
        {
            while ((await Cluster.Client(0).GetPodAsync(pod, TestContext.Current.CancellationToken)).State != PodState.Connected)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, TestContext.Current.CancellationToken);
            }
        }
    }

    /// <summary>Writes down what all silos said, for a look afterwards.</summary>
    public void WriteLogs(string folder)
    {
        Directory.CreateDirectory(folder);
        for (var n = 0; n < Silos.Count; n++)
        {
            File.WriteAllLines(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"silo-{n + 1}.log")), Silos[n].Lines);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in Silos)
        {
            await silo.DisposeAsync();
        }

        await Cluster.DisposeAsync();
    }

    /// <summary>Two thirds data, a third hole; disks share their first mebibyte, so that copies can lend each other blocks.</summary>
    private void MakeDisk(string folder, string name, int mebibytes, Random random)
    {
        var bytes = new byte[mebibytes * Mebibyte];
        random.NextBytes(bytes.AsSpan(0, bytes.Length * 2 / 3));
        new Random(0).NextBytes(bytes.AsSpan(0, Mebibyte));
        File.WriteAllBytes(Path.Combine(folder, name), bytes);
        digests[name] = Convert.ToHexStringLower(SHA256.HashData(bytes));
    }
}
