using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>What to list. Filters that are null let everything through; those given must all hold.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.ListRequest)]
public sealed record ListRequest
{
    /// <summary>Only of this image.</summary>
    [Id(0)] public ImageName? Image { get; init; }

    /// <summary>Only of this version.</summary>
    [Id(1)] public VersionId? Version { get; init; }

    /// <summary>Only on, or about, this pod.</summary>
    [Id(2)] public PodName? Pod { get; init; }

    /// <summary>Only of this operation (activity log).</summary>
    [Id(3)] public OperationId? Operation { get; init; }

    /// <summary>Only in this status, such as <c>Available</c>.</summary>
    [Id(4)] public string? Status { get; init; }

    /// <summary>Only of this family.</summary>
    [Id(5)] public string? Family { get; init; }

    /// <summary>Only names that begin so.</summary>
    [Id(6)] public string? NamePrefix { get; init; }

    /// <summary><see cref="ListPage{T}.Next"/> of the page before, or null for the first page.</summary>
    [Id(7)] public string? After { get; init; }

    /// <summary>Rows of a page, 1 to <see cref="Limits.PageRows"/>. Default: 100.</summary>
    [Id(8)] public int Limit { get; init; } = 100;
}

/// <summary>One page of a list.</summary>
/// <typeparam name="T">What is listed.</typeparam>
/// <param name="Items">In order.</param>
/// <param name="Next">What to ask the next page with; null when this is the last one.</param>
[GenerateSerializer, Immutable, Alias(Aliases.ListPage)]
public sealed record ListPage<T>([property: Id(0)] IReadOnlyList<T> Items, [property: Id(1)] string? Next);

/// <summary>An image as lists show it.</summary>
/// <param name="Name">The image.</param>
/// <param name="Status">How it stands.</param>
/// <param name="Family">What kind of pod can run it.</param>
/// <param name="SourcePod">The pod of the first import.</param>
/// <param name="Description">At most <see cref="Limits.DescriptionLength"/> characters.</param>
/// <param name="Versions">How many versions it has, deleted ones included.</param>
/// <param name="CreatedAt">When it was imported first, UTC.</param>
[GenerateSerializer, Immutable, Alias(Aliases.ImageRow)]
public sealed record ImageRow(
    [property: Id(0)] ImageName Name,
    [property: Id(1)] ImageStatus Status,
    [property: Id(2)] string Family,
    [property: Id(3)] PodName? SourcePod,
    [property: Id(4)] string Description,
    [property: Id(5)] int Versions,
    [property: Id(6)] DateTimeOffset CreatedAt);

/// <summary>A version as lists show it.</summary>
/// <param name="Id">Image and version.</param>
/// <param name="Status">How it stands.</param>
/// <param name="IsUsable">Not disabled, and a copy is available on a connected pod.</param>
/// <param name="Content">What its bytes are; null until the source was sealed.</param>
/// <param name="SourcePod">The pod on which it was prepared.</param>
/// <param name="From">The version it was made from; null: none.</param>
/// <param name="Targets">Its targets in numbers.</param>
/// <param name="Fault">Why it failed; null: it did not.</param>
/// <param name="CreatedAt">When its import was registered, UTC.</param>
/// <param name="Description">At most <see cref="Limits.DescriptionLength"/> characters.</param>
[GenerateSerializer, Immutable, Alias(Aliases.VersionRow)]
public sealed record VersionRow(
    [property: Id(0)] VersionId Id,
    [property: Id(1)] VersionStatus Status,
    [property: Id(2)] bool IsUsable,
    [property: Id(3)] ContentDescription? Content,
    [property: Id(4)] PodName? SourcePod,
    [property: Id(5)] VersionName? From,
    [property: Id(6)] TargetTotals Targets,
    [property: Id(7)] ConnectorFault? Fault,
    [property: Id(8)] DateTimeOffset CreatedAt,
    [property: Id(9)] string Description);

/// <summary>A pod as lists show it.</summary>
/// <param name="Name">The pod.</param>
/// <param name="State">How it stands.</param>
/// <param name="Family">What kind of pod can run it.</param>
/// <param name="Labels">For selectors.</param>
/// <param name="Fault">Why it does not answer; null: it does.</param>
/// <param name="Slots">Transfers that may run at once on it.</param>
[GenerateSerializer, Immutable, Alias(Aliases.PodRow)]
public sealed record PodRow(
    [property: Id(0)] PodName Name,
    [property: Id(1)] PodState State,
    [property: Id(2)] string Family,
    [property: Id(3)] IReadOnlyDictionary<string, string> Labels,
    [property: Id(4)] ConnectorFault? Fault,
    [property: Id(5)] int Slots);

/// <summary>A copy as lists show it.</summary>
/// <param name="Version">Which version.</param>
/// <param name="Pod">Which pod.</param>
/// <param name="Role">Why the pod holds it.</param>
/// <param name="State">How it stands.</param>
/// <param name="Generation">The newest order it belongs to.</param>
/// <param name="Receipt">The proof; null until it is available.</param>
/// <param name="Fault">Why it failed or will be tried again; null: neither.</param>
/// <param name="RetryAt">When it is tried again, UTC; null: it is not.</param>
[GenerateSerializer, Immutable, Alias(Aliases.CopyRow)]
public sealed record CopyRow(
    [property: Id(0)] VersionId Version,
    [property: Id(1)] PodName Pod,
    [property: Id(2)] CopyRole Role,
    [property: Id(3)] CopyState State,
    [property: Id(4)] Generation Generation,
    [property: Id(5)] Receipt? Receipt,
    [property: Id(6)] ConnectorFault? Fault,
    [property: Id(7)] DateTimeOffset? RetryAt);

/// <summary>An operation as lists show it.</summary>
/// <param name="Operation">Its id.</param>
/// <param name="Kind"><c>import</c>, <c>publish</c> or <c>delete</c>.</param>
/// <param name="State">How it stands.</param>
/// <param name="Version">The version it is about; null for the delete of a whole image.</param>
/// <param name="Totals">Its targets in numbers, for a publish.</param>
/// <param name="Fault">Why it failed, where it did.</param>
/// <param name="CreatedAt">When it began.</param>
/// <param name="ChangedAt">When it last changed.</param>
/// <param name="Image">The image it is about.</param>
[GenerateSerializer, Immutable, Alias(Aliases.OperationRow)]
public sealed record OperationRow(
    [property: Id(0)] OperationId Operation,
    [property: Id(1)] string Kind,
    [property: Id(2)] OperationState State,
    [property: Id(3)] VersionId? Version,
    [property: Id(4)] TargetTotals? Totals,
    [property: Id(5)] ConnectorFault? Fault,
    [property: Id(6)] DateTimeOffset CreatedAt,
    [property: Id(7)] DateTimeOffset ChangedAt,
    [property: Id(8)] ImageName? Image);

/// <summary>One line of the activity log.</summary>
/// <param name="Number">Rises with every line.</param>
/// <param name="At">When.</param>
/// <param name="Actor">Who.</param>
/// <param name="Action">What, as a stable word.</param>
/// <param name="What">The same as a sentence.</param>
/// <param name="Origin">From where.</param>
/// <param name="Reason">Why, in the caller's words.</param>
/// <param name="Image">About which image, where it is about one.</param>
/// <param name="Version">About which version of it.</param>
/// <param name="Pod">About which pod.</param>
/// <param name="Operation">In which operation.</param>
[GenerateSerializer, Immutable, Alias(Aliases.ActivityEntry)]
public sealed record ActivityEntry(
    [property: Id(0)] long Number,
    [property: Id(1)] DateTimeOffset At,
    [property: Id(2)] string Actor,
    [property: Id(3)] string Action,
    [property: Id(4)] string What,
    [property: Id(5)] string Origin,
    [property: Id(6)] string Reason,
    [property: Id(7)] string? Image,
    [property: Id(8)] string? Version,
    [property: Id(9)] string? Pod,
    [property: Id(10)] string? Operation);

/// <summary>Reads lists, page by page. Keeps nothing itself: every silo answers from the catalog.</summary>
[Alias(Aliases.CatalogGrain)]
public interface ICatalogGrain : IGrainWithIntegerKey
{
    /// <summary>Images by name.</summary>
    [Alias("ListImages"), OpenTo(CallerRoles.Viewer)]
    Task<Reply<ListPage<ImageRow>>> ListImagesAsync(ListRequest request);

    /// <summary>Versions in the catalog's order.</summary>
    [Alias("ListVersions"), OpenTo(CallerRoles.Viewer)]
    Task<Reply<ListPage<VersionRow>>> ListVersionsAsync(ListRequest request);

    /// <summary>Pods by name.</summary>
    [Alias("ListPods"), OpenTo(CallerRoles.Viewer)]
    Task<Reply<ListPage<PodRow>>> ListPodsAsync(ListRequest request);

    /// <summary>Copies by version and pod.</summary>
    [Alias("ListCopies"), OpenTo(CallerRoles.Viewer)]
    Task<Reply<ListPage<CopyRow>>> ListCopiesAsync(ListRequest request);

    /// <summary>Operations, newest first.</summary>
    [Alias("ListOperations"), OpenTo(CallerRoles.Viewer)]
    Task<Reply<ListPage<OperationRow>>> ListOperationsAsync(ListRequest request);

    /// <summary>One operation, or null when there is none of this id.</summary>
    [Alias("FindOperation"), OpenTo(CallerRoles.Viewer)]
    Task<OperationRow?> FindOperationAsync(OperationId operation);

    /// <summary>The activity log, newest first.</summary>
    [Alias("ListActivity"), OpenTo(CallerRoles.Viewer)]
    Task<Reply<ListPage<ActivityEntry>>> ListActivityAsync(ListRequest request);
}
