using System.Runtime.CompilerServices;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>Lists: a page at a time, or all rows one after the other. Each needs the role viewer.</summary>
public sealed partial class ImageMgmtClient
{
    /// <summary>One page of images, by name.</summary>
    /// <param name="request">Filters and the place to begin.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The page.</returns>
    public Task<ListPage<ImageRow>> ListImagesPageAsync(ListRequest request, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetCatalog().ListImagesAsync(request), cancellationToken);

    /// <summary>One page of versions.</summary>
    /// <param name="request">Filters and the place to begin.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The page.</returns>
    public Task<ListPage<VersionRow>> ListVersionsPageAsync(ListRequest request, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetCatalog().ListVersionsAsync(request), cancellationToken);

    /// <summary>One page of pods, by name.</summary>
    /// <param name="request">Filters and the place to begin.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The page.</returns>
    public Task<ListPage<PodRow>> ListPodsPageAsync(ListRequest request, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetCatalog().ListPodsAsync(request), cancellationToken);

    /// <summary>One page of copies, by version and pod; receipts are in them.</summary>
    /// <param name="request">Filters and the place to begin.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The page.</returns>
    public Task<ListPage<CopyRow>> ListCopiesPageAsync(ListRequest request, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetCatalog().ListCopiesAsync(request), cancellationToken);

    /// <summary>One page of operations, newest first.</summary>
    /// <param name="request">Filters and the place to begin.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The page.</returns>
    public Task<ListPage<OperationRow>> ListOperationsPageAsync(ListRequest request, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetCatalog().ListOperationsAsync(request), cancellationToken);

    /// <summary>One page of the activity log, newest first.</summary>
    /// <param name="request">Filters (at most one of image, pod and operation is fast) and the place to begin.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The page.</returns>
    public Task<ListPage<ActivityEntry>> ListActivityPageAsync(ListRequest request, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetCatalog().ListActivityAsync(request), cancellationToken);

    /// <summary>One operation of any kind.</summary>
    /// <param name="operation">Its id.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The operation, or null when there is none of this id.</returns>
    public Task<OperationRow?> FindOperationAsync(OperationId operation, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetCatalog().FindOperationAsync(operation), cancellationToken);

    /// <summary>All images, by name.</summary>
    /// <param name="filter">What to list; null: all.</param>
    /// <param name="cancellationToken">Stops listing.</param>
    /// <returns>Row after row; the next page is asked for when it is needed.</returns>
    public IAsyncEnumerable<ImageRow> ListImagesAsync(ListRequest? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync(filter, grains.GetCatalog().ListImagesAsync, cancellationToken);

    /// <summary>All versions, of one image or of all.</summary>
    /// <param name="filter">What to list; null: all.</param>
    /// <param name="cancellationToken">Stops listing.</param>
    /// <returns>Row after row; the next page is asked for when it is needed.</returns>
    public IAsyncEnumerable<VersionRow> ListVersionsAsync(ListRequest? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync(filter, grains.GetCatalog().ListVersionsAsync, cancellationToken);

    /// <summary>All pods, by name.</summary>
    /// <param name="filter">What to list; null: all.</param>
    /// <param name="cancellationToken">Stops listing.</param>
    /// <returns>Row after row; the next page is asked for when it is needed.</returns>
    public IAsyncEnumerable<PodRow> ListPodsAsync(ListRequest? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync(filter, grains.GetCatalog().ListPodsAsync, cancellationToken);

    /// <summary>All copies, of a version or on a pod.</summary>
    /// <param name="filter">What to list; null: all.</param>
    /// <param name="cancellationToken">Stops listing.</param>
    /// <returns>Row after row; the next page is asked for when it is needed.</returns>
    public IAsyncEnumerable<CopyRow> ListCopiesAsync(ListRequest? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync(filter, grains.GetCatalog().ListCopiesAsync, cancellationToken);

    /// <summary>All operations, newest first.</summary>
    /// <param name="filter">What to list; null: all.</param>
    /// <param name="cancellationToken">Stops listing.</param>
    /// <returns>Row after row; the next page is asked for when it is needed.</returns>
    public IAsyncEnumerable<OperationRow> ListOperationsAsync(ListRequest? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync(filter, grains.GetCatalog().ListOperationsAsync, cancellationToken);

    /// <summary>The activity log, newest first.</summary>
    /// <param name="filter">What to list; null: all.</param>
    /// <param name="cancellationToken">Stops listing.</param>
    /// <returns>Line after line; the next page is asked for when it is needed.</returns>
    public IAsyncEnumerable<ActivityEntry> ListActivityAsync(ListRequest? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync(filter, grains.GetCatalog().ListActivityAsync, cancellationToken);

    private static async IAsyncEnumerable<T> AllAsync<T>(
        ListRequest? filter, Func<ListRequest, Task<Reply<ListPage<T>>>> read, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = filter ?? new ListRequest();
        do
        {
            var page = await AskAsync(read(request), cancellationToken);
            foreach (var item in page.Items)
            {
                yield return item;
            }

            request = request with { After = page.Next };
        }
        while (request.After is not null);
    }
}
