namespace Orleans.ImageMgmt.Api;

public sealed partial class ImageMgmtHttpClient
{
    /// <summary>One page of pods, by name.</summary>
    public Task<Page<PodResource>> ListPodsAsync(PodFilter? filter = null, PageRequest? page = null, CancellationToken cancellationToken = default)
    {
        var query = new QueryText(Routes.Pods).Add("state", Word(filter?.State)).Add("family", filter?.Family).Add("name", filter?.NamePrefix)
            .Add("sort", filter is { Descending: true } ? "-name" : null);
        foreach (var (key, value) in filter?.Labels ?? new Dictionary<string, string>())
        {
            query.Add("label", $"{key}={value}");
        }

        return GetAsync<Page<PodResource>>(query.Add(page).ToString(), cancellationToken);
    }

    /// <summary>All pods that the filter lets through, page after page.</summary>
    public IAsyncEnumerable<PodResource> AllPodsAsync(PodFilter? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync((page, stop) => ListPodsAsync(filter, page, stop), cancellationToken);

    /// <summary>One pod. <c>pod.unknown</c> when there is none.</summary>
    public Task<PodResource> GetPodAsync(string pod, CancellationToken cancellationToken = default) =>
        GetAsync<PodResource>(Routes.Fill(Routes.Pod, pod), cancellationToken);

    /// <summary>Tries a pod's settings without connecting it.</summary>
    public Task<ProbePodResult> ProbePodAsync(ProbePodRequest request, CancellationToken cancellationToken = default) =>
        SendAsync<ProbePodResult>(HttpMethod.Post, Routes.PodProbe, request, default, cancellationToken);

    /// <summary>Connects a pod, or changes how it is connected.</summary>
    /// <param name="pod">Its name.</param>
    /// <param name="request">How.</param>
    /// <param name="etag">Only when its record still has this tag; null = whatever it is.</param>
    /// <param name="mustBeNew">Only when no such pod is known.</param>
    /// <param name="cancellationToken">Stops waiting for the answer.</param>
    public Task<PodResource> ConnectPodAsync(string pod, ConnectPodRequest request, string? etag = null, bool mustBeNew = false, CancellationToken cancellationToken = default) =>
        SendAsync<PodResource>(HttpMethod.Put, Routes.Fill(Routes.Pod, pod), request, new RequestTags(IfMatch: etag, IfNoneMatch: mustBeNew ? "*" : null), cancellationToken);

    /// <summary>Gives a pod other labels; those that are not named are gone. With <paramref name="etag"/> only when the pod is as it was read, else <c>precondition.failed</c>.</summary>
    public Task<PodResource> SetPodLabelsAsync(string pod, PodLabelsRequest request, string? etag = null, CancellationToken cancellationToken = default) =>
        SendAsync<PodResource>(HttpMethod.Put, Routes.Fill(Routes.PodLabels, pod), request, new RequestTags(IfMatch: etag), cancellationToken);

    /// <summary>Sets how fast bytes may travel to and from a pod; transfers that run go on by it.</summary>
    public Task<PodResource> SetPodCapsAsync(string pod, PodCapsRequest request, string? etag = null, CancellationToken cancellationToken = default) =>
        SendAsync<PodResource>(HttpMethod.Put, Routes.Fill(Routes.PodCaps, pod), request, new RequestTags(IfMatch: etag), cancellationToken);

    /// <summary>The pod finishes what it has and gets nothing new.</summary>
    public Task<PodResource> DrainPodAsync(string pod, string? reason = null, string? etag = null, CancellationToken cancellationToken = default) =>
        SendAsync<PodResource>(HttpMethod.Post, Routes.Fill(Routes.PodDrain, pod), new ActionRequest { Reason = reason }, new RequestTags(IfMatch: etag), cancellationToken);

    /// <summary>Ends the use of a pod; its record is kept. <c>pod.busy</c> while copies are in motion on it.</summary>
    public Task<PodResource> DisconnectPodAsync(string pod, string? reason = null, string? etag = null, CancellationToken cancellationToken = default) =>
        SendAsync<PodResource>(HttpMethod.Post, Routes.Fill(Routes.PodDisconnect, pod), new ActionRequest { Reason = reason }, new RequestTags(IfMatch: etag), cancellationToken);

    /// <summary>One page of what can be imported from a pod; the pod itself is asked.</summary>
    public Task<Page<SourceResource>> ListSourcesAsync(string pod, PageRequest? page = null, CancellationToken cancellationToken = default) =>
        GetAsync<Page<SourceResource>>(new QueryText(Routes.Fill(Routes.PodSources, pod)).Add(page).ToString(), cancellationToken);

    /// <summary>All that can be imported from a pod, page after page; the pod itself is asked, so that one that does not answer is a fault.</summary>
    public IAsyncEnumerable<SourceResource> AllSourcesAsync(string pod, CancellationToken cancellationToken = default) =>
        AllAsync((page, stop) => ListSourcesAsync(pod, page, stop), cancellationToken);

    /// <summary>One page of the copies that a pod holds.</summary>
    public Task<Page<CopyResource>> ListPodCopiesAsync(string pod, CopyState? state = null, PageRequest? page = null, CancellationToken cancellationToken = default) =>
        GetAsync<Page<CopyResource>>(new QueryText(Routes.Fill(Routes.PodCopies, pod)).Add("state", Word(state)).Add(page).ToString(), cancellationToken);

    /// <summary>All copies that a pod holds, page after page; with <paramref name="state"/> only those in it.</summary>
    public IAsyncEnumerable<CopyResource> AllPodCopiesAsync(string pod, CopyState? state = null, CancellationToken cancellationToken = default) =>
        AllAsync((page, stop) => ListPodCopiesAsync(pod, state, page, stop), cancellationToken);
}
