using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>What an import asks.</summary>
/// <param name="Operation">Chosen by the caller; the same id again is the same import.</param>
/// <param name="Image">The image, new or known.</param>
/// <param name="Version">The version's name; 1.0 for a new image.</param>
/// <param name="From">The version it was made from, or null.</param>
/// <param name="Pod">The source pod.</param>
/// <param name="Source">What to take there.</param>
/// <param name="Description">At most <see cref="Limits.DescriptionLength"/> characters.</param>
/// <param name="By">Who asks, from where and why.</param>
[GenerateSerializer, Immutable, Alias(Aliases.ImportRequest)]
public sealed record ImportRequest(
    [property: Id(0)] OperationId Operation,
    [property: Id(1)] ImageName Image,
    [property: Id(2)] VersionName Version,
    [property: Id(3)] VersionName? From,
    [property: Id(4)] PodName Pod,
    [property: Id(5)] SourceRef Source,
    [property: Id(6)] string Description,
    [property: Id(7)] RequestedBy By);

/// <summary>Keeps one image: its record and the list of its versions.</summary>
[Alias(Aliases.ImageGrain)]
public interface IImageGrain : IGrainWithStringKey
{
    /// <summary>Registers a version and has it prepared. Answers once the intent is durable.</summary>
    [Alias("Import"), OpenTo(CallerRoles.Publisher)]
    Task<Reply<OperationId>> ImportAsync(ImportRequest request);

    /// <summary>The image as it is stored; one that nobody imported has <see cref="Image.Exists"/> false.</summary>
    [Alias("Get"), OpenTo(CallerRoles.Viewer)]
    Task<Image> GetAsync();

    /// <summary>A version says how it stands, and which import it is of.</summary>
    [Alias("VersionChanged")]
    Task VersionChangedAsync(VersionName version, OperationId import, VersionStatus status, bool isUsable, long revision);

    /// <summary>Stops new use of every version; existing users keep theirs. Again is harmless.</summary>
    [Alias("Disable"), OpenTo(CallerRoles.Publisher)]
    Task<Reply<ImageStatus>> DisableAsync(RequestedBy by, Precondition? precondition = null);

    /// <summary>Undoes a disable of the image; versions that were disabled by themselves stay so. Again is harmless.</summary>
    [Alias("Enable"), OpenTo(CallerRoles.Publisher)]
    Task<Reply<ImageStatus>> EnableAsync(RequestedBy by, Precondition? precondition = null);

    /// <summary>Removes every version with all its copies; answers once the intent is durable.</summary>
    [Alias("Delete"), OpenTo(CallerRoles.Publisher)]
    Task<Reply<OperationId>> DeleteAsync(OperationId operation, RequestedBy by, Precondition? precondition = null);

    /// <summary>Goes on with whatever is unfinished; harmless at any time.</summary>
    [Alias("Drive")]
    Task DriveAsync();
}
