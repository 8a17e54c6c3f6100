using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Hosting;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Benchmarks.Scale;

/// <summary>One silo with one store in a process of its own: connects the pods, then publishes version after version to all of them.</summary>
internal static class FanOutChild
{
    private static readonly RequestedBy By = new("benchmark", "benchmark", "fan-out");
    private static readonly ImageName Golden = new("golden");
    private static readonly PodName Source = new("source");
    private static readonly Dictionary<string, string> NoLabels = [];

    /// <summary>Longest wait for one publish; the slowest rival takes minutes for ten thousand pods.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(15);

    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        var pods = arguments.Number("--pods", 100);
        await using var store = await ScaleStore.OpenAsync(arguments.Text("--store")!, arguments.Text("--folder")!, arguments.Text("--database") ?? "", arguments.Text("--scripts") ?? "");
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddLogging(log => log.AddSimpleConsole().SetMinimumLevel(arguments.Has("--verbose") ? LogLevel.Warning : LogLevel.Critical));
        builder.UseOrleans(silo =>
        {
            store.Configure(silo);
            silo.AddImageMgmt(new ImageMgmtOptions { TransfersPerSilo = arguments.Number("--transfers", 64) });
        });
        using var host = builder.Build();
        await host.StartAsync();
        var idle = CopyChild.StatusOf("VmRSS");
        var client = new ImageMgmtClient(host.Services.GetRequiredService<IGrainFactory>(), TimeProvider.System);

        await ConnectAsync(client, store.Catalog, pods, arguments.Text("--takes") ?? "50ms");
        for (var round = 0; round < arguments.Number("--rounds", 3) + arguments.Number("--warm", 1); round++)
        {
            var cost = await PublishAsync(client, store, pods, round, arguments.Number("--server", 0));
            if (round >= arguments.Number("--warm", 1))
            {
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"result {cost.Wall} {cost.Cpu} {cost.ServerCpu} {cost.Rows} {cost.ListRows} {cost.Commits} {CopyChild.StatusOf("VmHWM") - idle}"));
            }
        }

        await host.StopAsync();
        return 0;
    }

    private static async Task ConnectAsync(ImageMgmtClient client, CatalogReader catalog, int pods, string takes)
    {
        // One chunk of 4 KiB: what is measured is the service, not the hashing of a simulated pod.
        await client.ConnectPodAsync(new PodSpec(Source, "simulated", Enumerable.Range(0, 64).ToDictionary(n => $"source.disk{n}", n => $"length=4KiB,seed={n + 1}"), NoLabels, 2), By);
        var settings = new Dictionary<string, string> { ["content"] = "digests", ["takes"] = takes };
        await Parallel.ForEachAsync(Enumerable.Range(0, pods), new ParallelOptions { MaxDegreeOfParallelism = 256 }, async (n, stop) =>
            await client.ConnectPodAsync(new PodSpec(new PodName($"pod-{n:D5}"), "simulated", settings, NoLabels, 2), By, null, stop));
        await UntilAsync(async () => (await catalog.CountByStatusAsync(CatalogKind.Pod, CancellationToken.None)).GetValueOrDefault(nameof(PodState.Connected)) == pods + 1);
    }

    private static async Task<PublishCost> PublishAsync(ImageMgmtClient client, ScaleStore store, int pods, int round, int server)
    {
        var version = new VersionId(Golden, new VersionName($"{round + 1}.0"));
        await client.ImportAsync(new ImportRequest(new OperationId($"import-{round}"), Golden, version.Version, round == 0 ? null : new VersionName($"{round}.0"), Source, new SourceRef($"disk{round}"), "", By));
        await UntilAsync(async () => (await store.Catalog.FindAsync(CatalogKind.Version, version.Value, CancellationToken.None))?.Status == nameof(VersionStatus.DeploymentComplete));
        await RestAsync();

        var operation = new OperationId($"publish-{round}");
        var (before, cpu, serverCpu, clock) = (store.Written, Environment.CpuUsage.TotalTime, ServerCpu.Of(server), Stopwatch.StartNew());
        await client.PublishAsync(version, new PublishRequest(operation, null, NoLabels, By));
        await UntilAsync(async () => await store.Catalog.FindAsync(CatalogKind.Operation, operation.Value, CancellationToken.None) is { Unfinished: false });
        var (wall, used, serverUsed, after) = (clock.Elapsed, Environment.CpuUsage.TotalTime - cpu, ServerCpu.Of(server) - serverCpu, store.Written);

        var ended = await client.GetVersionAsync(version);
        var view = await client.GetPublishAsync(operation);
        if (ended.Status != VersionStatus.Available || view.Publish.Totals.Available != pods)
        {
            throw new InvalidOperationException($"{version} is {ended.Status} with {view.Publish.Totals} after its publish to {pods} pods.");
        }

        return new PublishCost(wall.TotalSeconds, used.TotalSeconds, serverUsed, after.Rows - before.Rows, after.ListRows - before.ListRows, after.Commits - before.Commits);
    }

    /// <summary>Until what the step before left to do in the background is done.</summary>
    private static Task RestAsync() => Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System);

    private static async Task UntilAsync(Func<Task<bool>> reached)
    {
        var clock = Stopwatch.StartNew();
        while (!await reached())
        {
            if (clock.Elapsed > Limit)
            {
                throw new TimeoutException($"Not reached within {Limit}.");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }
    }
}

/// <summary>What one publish took.</summary>
internal sealed record PublishCost(double Wall, double Cpu, double ServerCpu, long Rows, long ListRows, long Commits);

/// <summary>Processor seconds of a database server: of its first process and of all that it has started.</summary>
internal static class ServerCpu
{
    /// <summary>Ticks of /proc a second, on every Linux that .NET runs on.</summary>
    private const double TicksPerSecond = 100;

    public static double Of(int pid)
    {
        if (pid == 0)
        {
            return 0;
        }

        var ticks = 0L;
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(name => int.TryParse(Path.GetFileName(name), CultureInfo.InvariantCulture, out _)))
        {
            if (Fields(folder) is { } fields && (Path.GetFileName(folder) == pid.ToString(CultureInfo.InvariantCulture) || fields[1] == pid.ToString(CultureInfo.InvariantCulture)))
            {
                // After the name in brackets: state, parent, …; user and system time are the 12th and 13th, those of ended children the 14th and 15th.
                ticks += fields[11..15].Sum(text => long.Parse(text, CultureInfo.InvariantCulture));
            }
        }

        return ticks / TicksPerSecond;
    }

    private static string[]? Fields(string folder)
    {
        try
        {
            var text = File.ReadAllText(Path.Combine(folder, "stat"));
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null; // it ended just now
        }
    }
}
