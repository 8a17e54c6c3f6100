using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;
using Orleans.Serialization;
using Orleans.Serialization.Serializers;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

/// <summary>
/// The test program run a second time as a process that changes the records of pods the way their grains do, so that it can be killed: copies begin, end,
/// are found damaged, are repaired. Runs before the test runner's Main, on this one thread, as <see cref="WriterProcess"/> does.
/// </summary>
internal static class PodWriterProcess
{
    private const string Variable = "IMAGEMGMT_TEST_POD_WRITER";
    private const int Pods = 32;
    private static readonly ImageName Image = new("golden");

    /// <param name="folder">The silo's folder.</param>
    /// <param name="database">Connection string, or empty for the store in the folder.</param>
    public static Process Start(string folder, string database)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        {
            start.ArgumentList.Add(typeof(PodWriterProcess).Assembly.Location);
        }

        start.Environment[Variable] = $"{folder}\n{database}";
        return Process.Start(start)!;
    }

    public static async Task<SiloStore> OpenAsync(string folder, string database) => database.Length == 0
        ? EmbeddedStore.Open(folder, new DurableOptions(), NullLogger.Instance, TimeProvider.System)
        : await PostgresStore.OpenAsync(folder, database, 10, new DurableOptions(), NullLogger.Instance, TimeProvider.System, CancellationToken.None);

    public static PodName NameOf(int n) => new(string.Create(CultureInfo.InvariantCulture, $"pod-{n:D2}"));

    [ModuleInitializer]
    internal static void RunIfAsked()
    {
        if (Environment.GetEnvironmentVariable(Variable)?.Split('\n') is [var folder, var database])
        {
            Run(folder, database);
        }
    }

    /// <summary>Prints "pod revision" for each change that the store has acknowledged, until killed.</summary>
    private static void Run(string folder, string database)
    {
        SiloStore store = database.Length == 0
            ? EmbeddedStore.Open(folder, new DurableOptions(), NullLogger.Instance, TimeProvider.System)
            : PostgresStore.OpenAsync(folder, database, 10, new DurableOptions(), NullLogger.Instance, TimeProvider.System, CancellationToken.None).GetAwaiter().GetResult();
        var activators = new ServiceCollection().AddSerializer().BuildServiceProvider().GetRequiredService<IActivatorProvider>();
        var pods = new PodRecords[Pods];
        for (var n = 0; n < Pods; n++)
        {
            pods[n] = new PodRecords(new GroupCommitGrainStorage(store.Rows, activators), GrainId.Create("pod", NameOf(n).Value), NameOf(n));
            pods[n].ReadAsync().GetAwaiter().GetResult();
        }

        for (var round = 0; ; round++)
        {
            var writes = new Task[Pods];
            var changed = new Copy[Pods];
            for (var n = 0; n < Pods; n++)
            {
                changed[n] = Next(pods[n], n, round);
                writes[n] = pods[n].WriteAsync(PodOf(pods[n], n, round), [changed[n]], [Grains.Activity.Line(changed[n].ChangedAt, Grains.Activity.Service, "copy.state", "changed", changed[n].Version, pod: NameOf(n))]);
            }

            for (var n = 0; n < Pods; n++)
            {
                writes[n].GetAwaiter().GetResult();
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{NameOf(n)} {changed[n].Version.Version} {changed[n].Revision}"));
                Console.Out.Flush();
            }
        }
    }

    /// <summary>Every fourth write of a pod changes the pod too.</summary>
    private static Pod? PodOf(PodRecords records, int n, int round)
    {
        if (records.Pod.Spec is null)
        {
            return records.Pod with { State = PodState.Connected, Spec = new PodSpec(NameOf(n), "simulated", new Dictionary<string, string>(), new Dictionary<string, string>(), 4), ChangedAt = At(round) };
        }

        return (round + n) % 4 == 0 ? records.Pod with { State = records.Pod.State == PodState.Connected ? PodState.Unreachable : PodState.Connected, ChangedAt = At(round) } : null;
    }

    /// <summary>The next state of one of five copies: on its way, available, damaged and repaired, or gone.</summary>
    private static Copy Next(PodRecords records, int n, int round)
    {
        var version = new VersionId(Image, new VersionName(string.Create(CultureInfo.InvariantCulture, $"1.{((round * 7) + n) % 5}")));
        var copy = records.GetAsync(version).GetAwaiter().GetResult();
        var next = copy.State switch
        {
            CopyState.Deleted => copy with { State = CopyState.Replicating, Attempt = copy.Attempt + 1, WantedBy = [new OperationId("publish")] },
            CopyState.Replicating when (round + n) % 3 == 0 => copy with { State = CopyState.RetryPending, RetryAt = At(round + 9) },
            CopyState.RetryPending => copy with { State = CopyState.Replicating, RetryAt = null },
            CopyState.Replicating => copy with { State = CopyState.Available, WantedBy = [] },
            CopyState.Available when n % 2 == 0 => copy with { State = CopyState.Quarantined, IsRepairing = true },
            CopyState.Quarantined => copy with { State = CopyState.Available, IsRepairing = false },
            _ => copy with { State = CopyState.Deleted },
        };
        return next with { Revision = copy.Revision + 1, ChangedAt = At(round), WantedAt = At(0) };
    }

    private static DateTimeOffset At(int round) => DateTimeOffset.UnixEpoch.AddSeconds(round);
}
