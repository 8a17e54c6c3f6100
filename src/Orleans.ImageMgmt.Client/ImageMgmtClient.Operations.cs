using System.Runtime.CompilerServices;
using Orleans.ImageMgmt.Domain;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Client;

/// <summary>How an import stands: the version, and its copy on the source pod once there is one.</summary>
/// <param name="Version">The version.</param>
/// <param name="Copy">Its sealed copy, with the progress of what runs.</param>
public sealed record ImportView(Version Version, CopyView? Copy);

/// <summary>Verbs of publishes and other operations.</summary>
public sealed partial class ImageMgmtClient
{
    /// <summary>Freezes the targets and starts to replicate. Needs the role publisher.</summary>
    /// <param name="version">What to publish.</param>
    /// <param name="request">Where, and under which operation id.</param>
    /// <param name="cancellationToken">Stops waiting; the publish goes on.</param>
    /// <returns>The publish's operation.</returns>
    /// <exception cref="RefusedException">It cannot be published; nothing was changed.</exception>
    public Task<OperationId> PublishAsync(VersionId version, PublishRequest request, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetVersion(version).PublishAsync(request), cancellationToken);

    /// <summary>Publishes to all pods of the family that are connected now. Needs the role publisher.</summary>
    /// <param name="version">What to publish.</param>
    /// <param name="reason">For the activity log.</param>
    /// <param name="cancellationToken">Stops waiting; the publish goes on.</param>
    /// <returns>The publish's operation.</returns>
    /// <exception cref="RefusedException">It cannot be published; nothing was changed.</exception>
    public Task<OperationId> PublishToAllAsync(VersionId version, string reason = "", CancellationToken cancellationToken = default) =>
        PublishAsync(version, new PublishRequest(NewOperation(), null, new Dictionary<string, string>(), Because(reason)), cancellationToken);

    /// <summary>Publishes to pods by name. Needs the role publisher.</summary>
    /// <param name="version">What to publish.</param>
    /// <param name="pods">The targets.</param>
    /// <param name="reason">For the activity log.</param>
    /// <param name="cancellationToken">Stops waiting; the publish goes on.</param>
    /// <returns>The publish's operation.</returns>
    /// <exception cref="RefusedException">It cannot be published; nothing was changed.</exception>
    public Task<OperationId> PublishToPodsAsync(VersionId version, IReadOnlyList<PodName> pods, string reason = "", CancellationToken cancellationToken = default) =>
        PublishAsync(version, new PublishRequest(NewOperation(), pods, new Dictionary<string, string>(), Because(reason)), cancellationToken);

    /// <summary>Publishes to connected pods that carry all these labels. Needs the role publisher.</summary>
    /// <param name="version">What to publish.</param>
    /// <param name="labels">Names and values of labels, at least one.</param>
    /// <param name="reason">For the activity log.</param>
    /// <param name="cancellationToken">Stops waiting; the publish goes on.</param>
    /// <returns>The publish's operation.</returns>
    /// <exception cref="RefusedException">It cannot be published; nothing was changed.</exception>
    /// <exception cref="ArgumentException">No label is named.</exception>
    public Task<OperationId> PublishToLabelledAsync(
        VersionId version, IReadOnlyDictionary<string, string> labels, string reason = "", CancellationToken cancellationToken = default)
    {
        // To the service no labels are no selector, and that is everywhere.
        return labels.Count == 0
            ? throw new ArgumentException("No label is named; PublishToAllAsync is for all pods.", nameof(labels))
            : PublishAsync(version, new PublishRequest(NewOperation(), null, labels, Because(reason)), cancellationToken);
    }

    /// <summary>Stops the transfers of a publish at their next chunk, and starts no more until it is resumed; what is staged stays. Needs the role operator.</summary>
    /// <param name="operation">Which publish.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>How it stands.</returns>
    public Task<OperationState> PausePublishAsync(OperationId operation, RequestedBy? by = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetPublish(operation).PauseAsync(by ?? Because("")), cancellationToken);

    /// <summary>Goes on after <see cref="PausePublishAsync"/>. Needs the role operator.</summary>
    /// <param name="operation">Which publish.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>How it stands.</returns>
    public Task<OperationState> ResumePublishAsync(OperationId operation, RequestedBy? by = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetPublish(operation).ResumeAsync(by ?? Because("")), cancellationToken);

    /// <summary>Stops what has not finished; keeps copies that are available. Needs the role operator.</summary>
    /// <param name="operation">Which publish.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>How it stands.</returns>
    public Task<OperationState> CancelPublishAsync(OperationId operation, RequestedBy? by = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetPublish(operation).CancelAsync(by ?? Because("")), cancellationToken);

    /// <summary>Tries the failed targets of a publish again: all, or one pod. Needs the role operator.</summary>
    /// <param name="operation">Which publish.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="pod">Only this target; null: all that failed.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>How it stands.</returns>
    public Task<OperationState> RetryPublishAsync(OperationId operation, RequestedBy? by = null, PodName? pod = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetPublish(operation).RetryAsync(by ?? Because(""), pod), cancellationToken);

    /// <summary>One publish with every target as it stands now.</summary>
    /// <param name="operation">Which publish.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The publish; receipts of its copies are in its targets.</returns>
    public async Task<PublishView> GetPublishAsync(OperationId operation, CancellationToken cancellationToken = default)
    {
        var view = await AskPatientlyAsync(() => grains.GetPublish(operation).GetAsync(null), cancellationToken);
        var targets = new List<TargetView>();
        for (var shard = 0; shard < view.Publish.Shards.Count; shard++)
        {
            var number = shard;
            targets.AddRange((await AskPatientlyAsync(() => grains.GetPublish(operation).GetAsync(number), cancellationToken)).Targets);
        }

        return view with { Targets = targets };
    }

    /// <summary>The progress of an import, again and again until it has ended. Goes on over a restart of the service.</summary>
    /// <param name="version">What is being imported.</param>
    /// <param name="cancellationToken">Stops watching; the import goes on.</param>
    /// <returns>How it stands, about ten times a second; the last one has ended.</returns>
    /// <exception cref="RefusedException">Nobody imported such a version for <see cref="WatchPatience"/>.</exception>
    public async IAsyncEnumerable<ImportView> WatchImportAsync(VersionId version, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var since = time.GetTimestamp();
        while (true)
        {
            var now = await AskPatientlyAsync(() => grains.GetVersion(version).GetAsync(), cancellationToken);
            CopyView? copy = now.SourcePod is { } pod ? await AskPatientlyAsync(() => grains.GetPod(pod).GetCopyAsync(version), cancellationToken) : null;
            yield return new ImportView(now, copy);
            if (now.Exists && now.ImportState.IsEnded())
            {
                yield break;
            }

            if (!now.Exists && time.GetElapsedTime(since) > WatchPatience)
            {
                throw Unknown("version", version.Value);
            }

            await Task.Delay(WatchInterval, time, cancellationToken);
        }
    }

    /// <summary>The progress of a publish with every target, again and again until it has ended and its version has stored it. Goes on over a restart of
    /// the service.</summary>
    /// <param name="operation">Which publish.</param>
    /// <param name="cancellationToken">Stops watching; the publish goes on.</param>
    /// <returns>How it stands, about ten times a second, and less often the more targets there are: each shard of <see cref="Limits.PodsPerShard"/> adds one
    /// <see cref="WatchInterval"/>. The last one has ended.</returns>
    /// <exception cref="RefusedException">There was no such publish for <see cref="WatchPatience"/>.</exception>
    public async IAsyncEnumerable<PublishView> WatchPublishAsync(OperationId operation, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var since = time.GetTimestamp();
        while (true)
        {
            var view = await GetPublishAsync(operation, cancellationToken);
            yield return view;
            if (view.Publish.State.IsEnded() && view.Publish.IsTold)
            {
                yield break;
            }

            if (view.Publish.Order is null && time.GetElapsedTime(since) > WatchPatience)
            {
                throw Unknown("operation", operation.Value);
            }

            // Each look asks every shard, and each shard its pods.
            await Task.Delay(WatchInterval * Math.Max(1, view.Publish.Shards.Count), time, cancellationToken);
        }
    }
}
