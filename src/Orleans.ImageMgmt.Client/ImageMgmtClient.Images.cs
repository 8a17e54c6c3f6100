using Orleans.ImageMgmt.Domain;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Client;

/// <summary>Verbs of images and versions.</summary>
public sealed partial class ImageMgmtClient
{
    /// <summary>Registers a version and has it prepared on its source pod. Needs the role publisher.</summary>
    /// <param name="request">What to import, from where.</param>
    /// <param name="cancellationToken">Stops waiting; the import goes on.</param>
    /// <returns>The import's operation.</returns>
    /// <exception cref="RefusedException">It cannot be imported; nothing was changed.</exception>
    public Task<OperationId> ImportAsync(ImportRequest request, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetImage(request.Image).ImportAsync(request), cancellationToken);

    /// <summary>Imports a source as version 1.0 of a new image. Needs the role publisher.</summary>
    /// <param name="image">The new image's name.</param>
    /// <param name="pod">The pod that has the source.</param>
    /// <param name="source">The source there, as <see cref="ListSourcesAsync"/> names it.</param>
    /// <param name="description">Up to 1,024 characters.</param>
    /// <param name="reason">For the activity log.</param>
    /// <param name="cancellationToken">Stops waiting; the import goes on.</param>
    /// <returns>The import's operation.</returns>
    /// <exception cref="RefusedException">It cannot be imported; nothing was changed.</exception>
    public Task<OperationId> ImportImageAsync(
        ImageName image, PodName pod, string source, string description = "", string reason = "", CancellationToken cancellationToken = default) =>
        ImportAsync(new ImportRequest(NewOperation(), image, VersionName.First, null, pod, new SourceRef(source), description, Because(reason)), cancellationToken);

    /// <summary>Imports a source as the next version of an image. Needs the role publisher.</summary>
    /// <param name="version">The new version.</param>
    /// <param name="from">The version it was made from.</param>
    /// <param name="pod">The pod that has the source.</param>
    /// <param name="source">The source there, as <see cref="ListSourcesAsync"/> names it.</param>
    /// <param name="description">Up to 1,024 characters.</param>
    /// <param name="reason">For the activity log.</param>
    /// <param name="cancellationToken">Stops waiting; the import goes on.</param>
    /// <returns>The import's operation.</returns>
    /// <exception cref="RefusedException">It cannot be imported; nothing was changed.</exception>
    public Task<OperationId> ImportVersionAsync(
        VersionId version, VersionName from, PodName pod, string source, string description = "", string reason = "", CancellationToken cancellationToken = default) =>
        ImportAsync(new ImportRequest(NewOperation(), version.Image, version.Version, from, pod, new SourceRef(source), description, Because(reason)), cancellationToken);

    /// <summary>Stops an import that has not ended. Needs the role operator.</summary>
    /// <param name="version">What is being imported.</param>
    /// <param name="operation">Its import.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>How the version stands.</returns>
    public Task<VersionStatus> CancelImportAsync(VersionId version, OperationId operation, RequestedBy? by = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetVersion(version).CancelImportAsync(operation, by ?? Because("")), cancellationToken);

    /// <summary>Tries a failed import again from the same source. Needs the role operator.</summary>
    /// <param name="version">What was imported.</param>
    /// <param name="operation">Its import.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>How the version stands.</returns>
    public Task<VersionStatus> RetryImportAsync(VersionId version, OperationId operation, RequestedBy? by = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetVersion(version).RetryImportAsync(operation, by ?? Because("")), cancellationToken);

    /// <summary>Removes every version of an image with all its copies. Needs the role publisher.</summary>
    /// <param name="image">Which image.</param>
    /// <param name="operation">The id of the delete; see <see cref="NewOperation"/>.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="precondition">What has been seen of it and has to be unchanged; null: nothing.</param>
    /// <param name="cancellationToken">Stops waiting; the delete goes on.</param>
    /// <returns>The delete's operation.</returns>
    public Task<OperationId> DeleteImageAsync(
        ImageName image, OperationId operation, RequestedBy? by = null, Precondition? precondition = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetImage(image).DeleteAsync(operation, by ?? Because(""), precondition), cancellationToken);

    /// <summary>An image with its versions.</summary>
    /// <param name="image">Which image.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The image; <see cref="Image.Exists"/> is false when there is none.</returns>
    public Task<Image> GetImageAsync(ImageName image, CancellationToken cancellationToken = default) => AskAsync(grains.GetImage(image).GetAsync(), cancellationToken);

    /// <summary>No new use of an image; existing users keep it. Needs the role publisher.</summary>
    /// <param name="image">Which image.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="precondition">What has been seen of it and has to be unchanged; null: nothing.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>How the image stands.</returns>
    public Task<ImageStatus> DisableImageAsync(ImageName image, RequestedBy? by = null, Precondition? precondition = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetImage(image).DisableAsync(by ?? Because(""), precondition), cancellationToken);

    /// <summary>Undoes <see cref="DisableImageAsync"/>. Needs the role publisher.</summary>
    /// <param name="image">Which image.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="precondition">What has been seen of it and has to be unchanged; null: nothing.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>How the image stands.</returns>
    public Task<ImageStatus> EnableImageAsync(ImageName image, RequestedBy? by = null, Precondition? precondition = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetImage(image).EnableAsync(by ?? Because(""), precondition), cancellationToken);

    /// <summary>One version.</summary>
    /// <param name="version">Which version.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The version; <see cref="Version.Exists"/> is false when there is none.</returns>
    public Task<Version> GetVersionAsync(VersionId version, CancellationToken cancellationToken = default) => AskAsync(grains.GetVersion(version).GetAsync(), cancellationToken);

    /// <summary>No new use of a version; existing users keep it. Needs the role publisher.</summary>
    /// <param name="version">Which version.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="precondition">What has been seen of it and has to be unchanged; null: nothing.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>How the version stands.</returns>
    public Task<VersionStatus> DisableVersionAsync(VersionId version, RequestedBy? by = null, Precondition? precondition = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetVersion(version).DisableAsync(by ?? Because(""), precondition), cancellationToken);

    /// <summary>Undoes <see cref="DisableVersionAsync"/>. Needs the role publisher.</summary>
    /// <param name="version">Which version.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="precondition">What has been seen of it and has to be unchanged; null: nothing.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>How the version stands.</returns>
    public Task<VersionStatus> EnableVersionAsync(VersionId version, RequestedBy? by = null, Precondition? precondition = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetVersion(version).EnableAsync(by ?? Because(""), precondition), cancellationToken);

    /// <summary>Removes every copy of a version. Needs the role publisher.</summary>
    /// <param name="version">Which version.</param>
    /// <param name="operation">The id of the delete; see <see cref="NewOperation"/>.</param>
    /// <param name="by">Why; see <see cref="Because"/>.</param>
    /// <param name="precondition">What has been seen of it and has to be unchanged; null: nothing.</param>
    /// <param name="cancellationToken">Stops waiting; the delete goes on.</param>
    /// <returns>The delete's operation.</returns>
    public Task<OperationId> DeleteVersionAsync(VersionId version, OperationId operation, RequestedBy? by = null, Precondition? precondition = null, CancellationToken cancellationToken = default) =>
        AskAsync(grains.GetVersion(version).DeleteAsync(operation, by ?? Because(""), precondition), cancellationToken);
}
