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

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                DrivingLog.Resumed(log, await ResumeAsync(stoppingToken));
                return;
            }
            catch (Exception problem) when (!stoppingToken.IsCancellationRequested)
            {
                DrivingLog.ResumeFailed(log, RetryAfter.TotalSeconds, problem);
                await Task.Delay(RetryAfter, time, stoppingToken);
            }
        }
    }

    private async Task<int> ResumeAsync(CancellationToken stop)
    {
        var count = 0;
        await foreach (var row in catalog.UnfinishedOperationsAsync(stop))
        {
            await ResumeAsync(row.Read<OperationBody>());
            count++;
        }

        await foreach (var row in catalog.AllAsync(CatalogKind.Pod, stop))
        {
            if (row.Read<PodBody>() is { State: not PodState.Disconnected } pod)
            {
                await grains.GetPod(pod.Name).DriveAsync();
                count++;
            }
        }

        return count;
    }

    private async Task ResumeAsync(OperationBody operation)
    {
        if (operation.Kind == OperationBody.Import)
        {
            await grains.GetImage(operation.Version.Image).DriveAsync(); // accepted, perhaps not handed to the version yet
        }

        await grains.GetVersion(operation.Version).DriveAsync();
        if (operation.Kind == OperationBody.Publish)
        {
            await grains.GetPublish(operation.Operation).DriveAsync();
        }
    }
}
