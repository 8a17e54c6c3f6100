using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Grains;

/// <summary>After a start, and after the end of another silo, everything unfinished goes on at once: it is found in the catalog and its grains are poked.
/// Reminders are only behind this.</summary>
internal sealed class ResumeScan(
    IGrainFactory grains, CatalogReader catalog, IClusterMembershipService membership, ILocalSiloDetails self, TimeProvider time, StartProgress progress, ILogger<ResumeScan> log) : BackgroundService
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(5);

    /// <summary>The wait doubles up to this: a record that can never be read must not have everything scanned for ever.</summary>
    private static readonly TimeSpan RetryAtMostAfter = TimeSpan.FromMinutes(10);

    /// <summary>Failures that one scan goes on after: beyond it nothing works, and the scan begins again later.</summary>
    private const int ProblemsKept = 100;

    /// <summary>That a scan is wanted: one is enough, however often it was asked for.</summary>
    private readonly Channel<bool> wanted = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        HashSet<SiloAddress> ended = [.. EndedIn(membership.CurrentSnapshot)]; // before the scan: one that goes while it runs is news after it
        wanted.Writer.TryWrite(true);
        return Task.WhenAll(ScanAsync(stoppingToken), WatchAsync(ended, stoppingToken));
    }

    private async Task WatchAsync(HashSet<SiloAddress> ended, CancellationToken stop)
    {
        await foreach (var snapshot in membership.MembershipUpdates.WithCancellation(stop))
        {
            // What lived on the silo that went is nobody's until somebody asks for it. One of those that are left does, for all.
            List<SiloAddress> gone = [.. EndedIn(snapshot).Where(ended.Add)];
            if (gone.Count > 0 && IsFirst(snapshot))
            {
                wanted.Writer.TryWrite(true);
            }
        }
    }

    private static IEnumerable<SiloAddress> EndedIn(ClusterMembershipSnapshot snapshot) =>
        snapshot.Members.Where(member => member.Value.Status == SiloStatus.Dead).Select(member => member.Key);

    private bool IsFirst(ClusterMembershipSnapshot snapshot) =>
        snapshot.Members.Where(member => member.Value.Status == SiloStatus.Active).Select(member => member.Key).Min() is { } first && first.Equals(self.SiloAddress);

    /// <summary>Scans when it is wanted, and again after a failure; news of another silo's end does not wait for that.</summary>
    private async Task ScanAsync(CancellationToken stop)
    {
        TimeSpan? again = null;
        while (!stop.IsCancellationRequested)
        {
            if (await IsWantedWithinAsync(again, stop))
            {
                again = null;
            }

            try
            {
                DrivingLog.Resumed(log, await ResumeAsync(stop));
                progress.HasResumed = true;
                again = null;
            }
            catch (Exception problem) when (!stop.IsCancellationRequested)
            {
                again = again is not { } wait ? RetryAfter : wait * 2 < RetryAtMostAfter ? wait * 2 : RetryAtMostAfter;
                DrivingLog.ResumeFailed(log, again.Value.TotalSeconds, problem);
            }
        }
    }

    /// <summary>True when somebody wants a scan; false when the wait is over before that. Null waits for ever.</summary>
    private async Task<bool> IsWantedWithinAsync(TimeSpan? wait, CancellationToken stop)
    {
        using var late = wait is { } limit ? new CancellationTokenSource(limit, time) : new CancellationTokenSource();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stop);
        try
        {
            return await wanted.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>Everything that may have been going on. A record that cannot be driven now holds up no other: the scan is repeated for it.</summary>
    private async Task<int> ResumeAsync(CancellationToken stop)
    {
        var count = 0;
        List<Exception> problems = [];
        await foreach (var row in catalog.UnfinishedOperationsAsync(stop))
        {
            count += await TryAsync(() => ResumeAsync(row.Read<OperationBody>()), problems);
        }

        await foreach (var row in catalog.AllAsync(CatalogKind.Pod, stop))
        {
            if (row.Read<PodBody>() is { State: not PodState.Disconnected } pod)
            {
                count += await TryAsync(() => grains.GetPod(pod.Name).DriveAsync(), problems);
            }
        }

        // An image that a crash kept from hearing how its version ended asks again.
        await foreach (var row in catalog.AllAsync(CatalogKind.Image, stop))
        {
            if (row.Read<ImageBody>() is { Status: ImageStatus.Importing or ImageStatus.Deleting } image)
            {
                count += await TryAsync(() => grains.GetImage(image.Name).DriveAsync(), problems);
            }
        }

        return problems.Count == 0 ? count : throw new AggregateException(problems);
    }

    private static async Task<int> TryAsync(Func<Task> drive, List<Exception> problems)
    {
        try
        {
            await drive();
            return 1;
        }
        catch (Exception problem) when (problems.Count < ProblemsKept)
        {
            problems.Add(problem);
            return 0;
        }
    }

    private async Task ResumeAsync(OperationBody operation)
    {
        if (operation.Version is not { } version)
        {
            await grains.GetImage(operation.Image!.Value).DriveAsync(); // the deletion of a whole image
            return;
        }

        if (operation is { Kind: OperationBody.Verify, Pod: { } pod })
        {
            await grains.GetPod(pod).DriveAsync();
            return;
        }

        if (operation.Kind == OperationBody.Import)
        {
            await grains.GetImage(version.Image).DriveAsync(); // accepted, perhaps not handed to the version yet
        }

        await grains.GetVersion(version).DriveAsync();
        if (operation.Kind == OperationBody.Publish)
        {
            await grains.GetPublish(operation.Operation).DriveAsync();
        }
    }
}

/// <summary>How far the start of this silo is.</summary>
public sealed class StartProgress
{
    private volatile bool hasResumed;

    /// <summary>Everything that was unfinished when the silo started has been driven once.</summary>
    public bool HasResumed
    {
        get => hasResumed;
        set => hasResumed = value;
    }
}
