namespace Orleans.ImageMgmt.Api;

public sealed partial class ImageMgmtHttpClient
{
    /// <summary>One page of images, by name.</summary>
    public Task<Page<ImageResource>> ListImagesAsync(ImageFilter? filter = null, PageRequest? page = null, CancellationToken cancellationToken = default) =>
        GetAsync<Page<ImageResource>>(new QueryText(Routes.Images).Add("status", Word(filter?.Status)).Add("family", filter?.Family).Add("name", filter?.NamePrefix)
            .Add("sort", filter is { Descending: true } ? "-name" : null).Add(page).ToString(), cancellationToken);

    /// <summary>All images that the filter lets through, by name, page after page.</summary>
    public IAsyncEnumerable<ImageResource> AllImagesAsync(ImageFilter? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync((page, stop) => ListImagesAsync(filter, page, stop), cancellationToken);

    /// <summary>One image. <c>image.unknown</c> when there is none.</summary>
    public Task<ImageResource> GetImageAsync(string image, CancellationToken cancellationToken = default) =>
        GetAsync<ImageResource>(Routes.Fill(Routes.Image, image), cancellationToken);

    /// <summary>Stops new use of every version of an image; existing users keep theirs. With <paramref name="etag"/> only when the image is as it was read, else <c>precondition.failed</c>.</summary>
    public Task<ImageResource> DisableImageAsync(string image, string? reason = null, string? etag = null, CancellationToken cancellationToken = default) =>
        SendAsync<ImageResource>(HttpMethod.Post, Routes.Fill(Routes.ImageDisable, image), new ActionRequest { Reason = reason }, new RequestTags(IfMatch: etag), cancellationToken);

    /// <summary>Undoes <see cref="DisableImageAsync"/>; versions that were disabled by themselves stay so.</summary>
    public Task<ImageResource> EnableImageAsync(string image, string? reason = null, string? etag = null, CancellationToken cancellationToken = default) =>
        SendAsync<ImageResource>(HttpMethod.Post, Routes.Fill(Routes.ImageEnable, image), new ActionRequest { Reason = reason }, new RequestTags(IfMatch: etag), cancellationToken);

    /// <summary>Removes every version of an image with all its copies.</summary>
    public Task<OperationResource> DeleteImageAsync(string image, string? reason = null, string? operation = null, string? etag = null, CancellationToken cancellationToken = default) =>
        SendAsync<OperationResource>(HttpMethod.Delete, new QueryText(Routes.Fill(Routes.Image, image)).Add("reason", reason).ToString(), null, new RequestTags(operation, etag), cancellationToken);

    /// <summary>One page of an image's versions, by name.</summary>
    public Task<Page<VersionResource>> ListVersionsAsync(string image, VersionFilter? filter = null, PageRequest? page = null, CancellationToken cancellationToken = default) =>
        GetAsync<Page<VersionResource>>(new QueryText(Routes.Fill(Routes.Versions, image)).Add("status", Word(filter?.Status)).Add("name", filter?.NamePrefix)
            .Add("sort", filter is { Descending: true } ? "-name" : null).Add(page).ToString(), cancellationToken);

    /// <summary>All versions of an image that the filter lets through, by name, page after page.</summary>
    public IAsyncEnumerable<VersionResource> AllVersionsAsync(string image, VersionFilter? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync((page, stop) => ListVersionsAsync(image, filter, page, stop), cancellationToken);

    /// <summary>One version. <c>version.unknown</c> when there is none.</summary>
    public Task<VersionResource> GetVersionAsync(string image, string version, CancellationToken cancellationToken = default) =>
        GetAsync<VersionResource>(Routes.Fill(Routes.Version, image, version), cancellationToken);

    /// <summary>Imports a new image, or a new version of a known one.</summary>
    /// <param name="image">The image, new or known.</param>
    /// <param name="request">What to import.</param>
    /// <param name="operation">The operation's id: the same again is the same import; null = the server makes one.</param>
    /// <param name="cancellationToken">Stops waiting for the answer, not the import.</param>
    public Task<OperationResource> ImportAsync(string image, ImportRequest request, string? operation = null, CancellationToken cancellationToken = default) =>
        SendAsync<OperationResource>(HttpMethod.Post, Routes.Fill(Routes.Versions, image), request, new RequestTags(operation), cancellationToken);

    /// <summary>Puts a verified copy of a version on every target.</summary>
    public Task<OperationResource> PublishAsync(string image, string version, PublishRequest? request = null, string? operation = null, string? etag = null, CancellationToken cancellationToken = default) =>
        SendAsync<OperationResource>(HttpMethod.Post, Routes.Fill(Routes.VersionPublish, image, version), request ?? new PublishRequest(), new RequestTags(operation, etag), cancellationToken);

    /// <summary>What a publish would take, pod by pod; nothing is changed.</summary>
    public Task<PublishPlanResource> PlanPublishAsync(string image, string version, PublishRequest? request = null, CancellationToken cancellationToken = default) =>
        SendAsync<PublishPlanResource>(HttpMethod.Post, Routes.Fill(Routes.VersionPublishPlan, image, version), request ?? new PublishRequest(), default, cancellationToken);

    /// <summary>Stops new use of a version; existing users keep it. With <paramref name="etag"/> only when the version is as it was read, else <c>precondition.failed</c>.</summary>
    public Task<VersionResource> DisableVersionAsync(string image, string version, string? reason = null, string? etag = null, CancellationToken cancellationToken = default) =>
        SendAsync<VersionResource>(HttpMethod.Post, Routes.Fill(Routes.VersionDisable, image, version), new ActionRequest { Reason = reason }, new RequestTags(IfMatch: etag), cancellationToken);

    /// <summary>Undoes <see cref="DisableVersionAsync"/>: the status is again what the copies give.</summary>
    public Task<VersionResource> EnableVersionAsync(string image, string version, string? reason = null, string? etag = null, CancellationToken cancellationToken = default) =>
        SendAsync<VersionResource>(HttpMethod.Post, Routes.Fill(Routes.VersionEnable, image, version), new ActionRequest { Reason = reason }, new RequestTags(IfMatch: etag), cancellationToken);

    /// <summary>Removes every copy of a version.</summary>
    public Task<OperationResource> DeleteVersionAsync(string image, string version, string? reason = null, string? operation = null, string? etag = null, CancellationToken cancellationToken = default) =>
        SendAsync<OperationResource>(HttpMethod.Delete, new QueryText(Routes.Fill(Routes.Version, image, version)).Add("reason", reason).ToString(), null, new RequestTags(operation, etag), cancellationToken);

    /// <summary>One page of a version's copies, by pod.</summary>
    public Task<Page<CopyResource>> ListCopiesAsync(string image, string version, CopyState? state = null, PageRequest? page = null, CancellationToken cancellationToken = default) =>
        GetAsync<Page<CopyResource>>(new QueryText(Routes.Fill(Routes.VersionCopies, image, version)).Add("state", Word(state)).Add(page).ToString(), cancellationToken);

    /// <summary>All copies of a version, by pod, page after page; with <paramref name="state"/> only those in it.</summary>
    public IAsyncEnumerable<CopyResource> AllCopiesAsync(string image, string version, CopyState? state = null, CancellationToken cancellationToken = default) =>
        AllAsync((page, stop) => ListCopiesAsync(image, version, state, page, stop), cancellationToken);

    /// <summary>The copy of a version on one pod, with the progress of what runs.</summary>
    public Task<CopyResource> GetCopyAsync(string image, string version, string pod, CancellationToken cancellationToken = default) =>
        GetAsync<CopyResource>(Routes.Fill(Routes.VersionCopy, image, version, pod), cancellationToken);

    /// <summary>Reads a copy back; one that is damaged, or was, is repaired from another pod.</summary>
    public Task<OperationResource> VerifyCopyAsync(string image, string version, string pod, string? reason = null, string? operation = null, CancellationToken cancellationToken = default) =>
        SendAsync<OperationResource>(HttpMethod.Post, Routes.Fill(Routes.VersionCopyVerify, image, version, pod), new ActionRequest { Reason = reason }, new RequestTags(operation), cancellationToken);

    /// <summary>A ticket with which one receiver reads the copy of a version on one pod from its block server. <c>copy.not-available</c> and <c>copy.not-served</c> when it cannot be read.</summary>
    public Task<TicketResource> IssueTicketAsync(string image, string version, string pod, TicketRequest request, CancellationToken cancellationToken = default) =>
        SendAsync<TicketResource>(HttpMethod.Post, Routes.Fill(Routes.VersionCopyTicket, image, version, pod), request, default, cancellationToken);

    /// <summary>One page of the receipts of a version's available copies, by pod.</summary>
    public Task<Page<ReceiptResource>> ListReceiptsAsync(string image, string version, PageRequest? page = null, CancellationToken cancellationToken = default) =>
        GetAsync<Page<ReceiptResource>>(new QueryText(Routes.Fill(Routes.VersionReceipts, image, version)).Add(page).ToString(), cancellationToken);

    /// <summary>The receipts of all available copies of a version, by pod, page after page.</summary>
    public IAsyncEnumerable<ReceiptResource> AllReceiptsAsync(string image, string version, CancellationToken cancellationToken = default) =>
        AllAsync((page, stop) => ListReceiptsAsync(image, version, page, stop), cancellationToken);
}
