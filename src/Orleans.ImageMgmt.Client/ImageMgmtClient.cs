using System.Runtime.CompilerServices;
using Orleans.ImageMgmt.Domain;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Client;

/// <summary>
/// Plain verbs over the grains, for frontends and for the program itself. Every long action returns at once with the id of its operation;
/// no job depends on its caller staying here.
/// </summary>
public sealed class ImageMgmtClient(IGrainFactory grains, TimeProvider time)
{
    /// <summary>How often a watched operation is asked, in default. Default: 100 ms.</summary>
    public static TimeSpan WatchInterval { get; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Connects a pod, or changes how it is connected.</summary>
    /// <exception cref="RefusedException">The specification cannot be used.</exception>
    public async Task<Pod> ConnectPodAsync(PodSpec spec, RequestedBy by) => (await grains.GetPod(spec.Name).ConnectAsync(spec, by)).OrThrow();

    public Task<PodView> GetPodAsync(PodName pod) => grains.GetPod(pod).GetAsync();

    /// <summary>Waits until the pod has answered a probe.</summary>
    /// <returns>The pod as it stands when it is connected or unreachable.</returns>
    public async Task<Pod> WaitForPodAsync(PodName pod, CancellationToken cancellationToken)
    {
        while (true)
        {
            var view = await grains.GetPod(pod).GetAsync();
            if (view.Pod.State != PodState.Connecting)
            {
                return view.Pod;
            }

            await Task.Delay(WatchInterval, time, cancellationToken);
        }
    }

    /// <summary>Registers a version and has it prepared on its source pod.</summary>
    /// <exception cref="RefusedException">It cannot be imported; nothing was changed.</exception>
    public async Task<OperationId> ImportAsync(ImportRequest request) => (await grains.GetImage(request.Image).ImportAsync(request)).OrThrow();

    public Task<Image> GetImageAsync(ImageName image) => grains.GetImage(image).GetAsync();

    public Task<Version> GetVersionAsync(VersionId version) => grains.GetVersion(version).GetAsync();

    /// <summary>How the copy of a version on a pod stands, with the progress of what runs.</summary>
    public Task<CopyView> GetCopyAsync(PodName pod, VersionId version) => grains.GetPod(pod).GetCopyAsync(version);

    /// <summary>Freezes the targets and starts to replicate.</summary>
    /// <exception cref="RefusedException">It cannot be published; nothing was changed.</exception>
    public async Task<OperationId> PublishAsync(VersionId version, PublishRequest request) =>
        (await grains.GetVersion(version).PublishAsync(request)).OrThrow();

    /// <summary>Stops what has not finished; keeps copies that are available.</summary>
    public async Task<OperationState> CancelPublishAsync(OperationId operation, RequestedBy by) =>
        (await grains.GetPublish(operation).CancelAsync(by)).OrThrow();

    /// <summary>Tries the failed targets of a publish again.</summary>
    public async Task<OperationState> RetryPublishAsync(OperationId operation, RequestedBy by) =>
        (await grains.GetPublish(operation).RetryAsync(by)).OrThrow();

    /// <summary>No new use of a version; existing users keep it.</summary>
    public async Task<VersionStatus> DisableVersionAsync(VersionId version, RequestedBy by) => (await grains.GetVersion(version).DisableAsync(by)).OrThrow();

    public async Task<VersionStatus> EnableVersionAsync(VersionId version, RequestedBy by) => (await grains.GetVersion(version).EnableAsync(by)).OrThrow();

    /// <summary>Removes every copy of a version.</summary>
    public async Task<OperationId> DeleteVersionAsync(VersionId version, OperationId operation, RequestedBy by) =>
        (await grains.GetVersion(version).DeleteAsync(operation, by)).OrThrow();

    /// <summary>The progress of an import, again and again until it has ended.</summary>
    public async IAsyncEnumerable<(Version Version, CopyView? Copy)> WatchImportAsync(VersionId version, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            var now = await grains.GetVersion(version).GetAsync();
            CopyView? copy = now.SourcePod is { } pod ? await grains.GetPod(pod).GetCopyAsync(version) : null;
            yield return (now, copy);
            if (now.Exists && now.ImportState.IsEnded())
            {
                yield break;
            }

            await Task.Delay(WatchInterval, time, cancellationToken);
        }
    }

    /// <summary>The progress of a publish with every target, again and again until it has ended and its version has stored it.</summary>
    public async IAsyncEnumerable<PublishView> WatchPublishAsync(OperationId operation, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            var view = await grains.GetPublish(operation).GetAsync(null);
            var targets = new List<TargetView>();
            for (var shard = 0; shard < view.Publish.Shards.Count; shard++)
            {
                targets.AddRange((await grains.GetPublish(operation).GetAsync(shard)).Targets);
            }

            yield return view with { Targets = targets };
            if (view.Publish.State.IsEnded() && view.Publish.IsTold)
            {
                yield break;
            }

            await Task.Delay(WatchInterval, time, cancellationToken);
        }
    }
}
