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
            var cost = await PublishAsync(client, store, pods, round);
            if (round >= arguments.Number("--warm", 1))
            {
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"result {cost.Wall} {cost.Cpu} {cost.Rows} {cost.Commits} {CopyChild.StatusOf("VmHWM") - idle}"));
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

    private static async Task<(double Wall, double Cpu, long Rows, long Commits)> PublishAsync(ImageMgmtClient client, ScaleStore store, int pods, int round)
    {
        var version = new VersionId(Golden, new VersionName($"{round + 1}.0"));
        await client.ImportAsync(new ImportRequest(new OperationId($"import-{round}"), Golden, version.Version, round == 0 ? null : new VersionName($"{round}.0"), Source, new SourceRef($"disk{round}"), "", By));
        await UntilAsync(async () => (await store.Catalog.FindAsync(CatalogKind.Version, version.Value, CancellationToken.None))?.Status == nameof(VersionStatus.DeploymentComplete));
        await RestAsync();

        var operation = new OperationId($"publish-{round}");
        var (before, cpu, clock) = (store.Written, Environment.CpuUsage.TotalTime, Stopwatch.StartNew());
        await client.PublishAsync(version, new PublishRequest(operation, null, NoLabels, By));
        await UntilAsync(async () => await store.Catalog.FindAsync(CatalogKind.Operation, operation.Value, CancellationToken.None) is { Unfinished: false });
        var (wall, used, after) = (clock.Elapsed, Environment.CpuUsage.TotalTime - cpu, store.Written);

        var ended = await client.GetVersionAsync(version);
        var view = await client.GetPublishAsync(operation);
        if (ended.Status != VersionStatus.Available || view.Publish.Totals.Available != pods)
        {
            throw new InvalidOperationException($"{version} is {ended.Status} with {view.Publish.Totals} after its publish to {pods} pods.");
        }

        return (wall.TotalSeconds, used.TotalSeconds, after.Rows - before.Rows, after.Commits - before.Commits);
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
