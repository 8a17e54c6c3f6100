using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>Verbs of pods.</summary>
public sealed partial class ImageMgmtClient
{
    /// <summary>Connects a pod, or changes how it is connected. Needs the role operator.</summary>
    /// <param name="spec">How it is connected.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="precondition">What has been seen of it and has to be unchanged; null: nothing.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The pod; its first probe follows at once.</returns>
    /// <exception cref="RefusedException">The specification cannot be used.</exception>
    public Task<Pod> ConnectPodAsync(PodSpec spec, RequestedBy? by = null, Precondition? precondition = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetPod(spec.Name).ConnectAsync(spec, by ?? Because(""), precondition), cancellationToken);

    /// <summary>Gives a pod other labels. Needs the role operator.</summary>
    /// <param name="pod">Which pod.</param>
    /// <param name="labels">All labels that it has from now on.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="precondition">What has been seen of it and has to be unchanged; null: nothing.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The pod as it stands.</returns>
    public Task<Pod> SetPodLabelsAsync(
        PodName pod, IReadOnlyDictionary<string, string> labels, RequestedBy? by = null, Precondition? precondition = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetPod(pod).RelabelAsync(labels, by ?? Because(""), precondition), cancellationToken);

    /// <summary>Sets how fast bytes may travel to and from a pod; transfers that run go on by it. Needs the role operator.</summary>
    /// <param name="pod">Which pod.</param>
    /// <param name="caps">All caps that it has from now on; <see cref="PodCaps.None"/> takes them away.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="precondition">What has been seen of it and has to be unchanged; null: nothing.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The pod as it stands.</returns>
    /// <exception cref="RefusedException">A cap means nothing; all faults are named, and nothing was changed.</exception>
    public Task<Pod> SetPodCapsAsync(PodName pod, PodCaps caps, RequestedBy? by = null, Precondition? precondition = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetPod(pod).CapAsync(caps, by ?? Because(""), precondition), cancellationToken);

    /// <summary>Lets a pod finish what it has and gives it nothing new. Needs the role operator.</summary>
    /// <param name="pod">Which pod.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="precondition">What has been seen of it and has to be unchanged; null: nothing.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The pod as it stands.</returns>
    public Task<Pod> DrainPodAsync(PodName pod, RequestedBy? by = null, Precondition? precondition = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetPod(pod).DrainAsync(by ?? Because(""), precondition), cancellationToken);

    /// <summary>Stops using a pod; its record is kept. Needs the role operator.</summary>
    /// <param name="pod">Which pod.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="precondition">What has been seen of it and has to be unchanged; null: nothing.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The pod as it stands.</returns>
    public Task<Pod> DisconnectPodAsync(PodName pod, RequestedBy? by = null, Precondition? precondition = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetPod(pod).DisconnectAsync(by ?? Because(""), precondition), cancellationToken);

    /// <summary>A pod and what is in motion on it.</summary>
    /// <param name="pod">Which pod.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The pod; its <see cref="Pod.Spec"/> is null when it was never connected.</returns>
    public Task<PodView> GetPodAsync(PodName pod, CancellationToken cancellationToken = default) => AskAsync(grains.GetPod(pod).GetAsync(), cancellationToken);

    /// <summary>Waits until the pod has answered a probe, or has not: each probe has a time-out of its own.</summary>
    /// <param name="pod">Which pod.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The pod as it stands when it is no longer connecting.</returns>
    /// <exception cref="RefusedException">There is no such pod.</exception>
    public async Task<Pod> WaitForPodAsync(PodName pod, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var view = await AskPatientlyAsync(() => grains.GetPod(pod).GetAsync(), cancellationToken);
            if (view.Pod.Spec is null)
            {
                throw Unknown("pod", pod.Value);
            }

            if (view.Pod.State != PodState.Connecting)
            {
                return view.Pod;
            }

            await Task.Delay(WatchInterval, time, cancellationToken);
        }
    }

    /// <summary>What could be imported from a pod, one page; the pod itself is asked.</summary>
    /// <param name="pod">Which pod.</param>
    /// <param name="after"><see cref="SourceList.NextCursor"/> of the page before, or null.</param>
    /// <param name="limit">Rows of the page.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The page.</returns>
    public Task<SourceList> ListSourcesAsync(PodName pod, string? after = null, int limit = 100, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetPod(pod).ListSourcesAsync(after, limit), cancellationToken);

    /// <summary>How the copy of a version on a pod stands, with the progress of what runs.</summary>
    /// <param name="pod">Which pod.</param>
    /// <param name="version">Of which version.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The copy, with its receipt when it is available.</returns>
    public Task<CopyView> GetCopyAsync(PodName pod, VersionId version, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetPod(pod).GetCopyAsync(version), cancellationToken);
}
