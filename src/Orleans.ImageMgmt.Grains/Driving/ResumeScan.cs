using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>After a start, everything unfinished goes on at once: it is found in the catalog and its grains are poked. Reminders are only behind this.</summary>
internal sealed class ResumeScan(IGrainFactory grains, CatalogReader catalog, TimeProvider time, ILogger<ResumeScan> log) : BackgroundService
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(5);

    /// <summary>The wait doubles up to this: a record that can never be read must not have everything scanned for ever.</summary>
    private static readonly TimeSpan RetryAtMostAfter = TimeSpan.FromMinutes(10);

    /// <summary>Failures that one scan goes on after: beyond it nothing works, and the scan begins again later.</summary>
    private const int ProblemsKept = 100;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var wait = RetryAfter;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                DrivingLog.Resumed(log, await ResumeAsync(stoppingToken));
                return;
            }
            catch (Exception problem) when (!stoppingToken.IsCancellationRequested)
            {
                DrivingLog.ResumeFailed(log, wait.TotalSeconds, problem);
                await Task.Delay(wait, time, stoppingToken);
                wait = wait * 2 < RetryAtMostAfter ? wait * 2 : RetryAtMostAfter;
            }
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
