using Orleans.ImageMgmt.Domain;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Client;

/// <summary>What a publish asks.</summary>
/// <param name="Operation">Chosen by the caller; the same id again is the same publish.</param>
/// <param name="Pods">The targets by name, or null for all connected pods of the family at this moment.</param>
/// <param name="Labels">Only pods that carry all these labels; empty = no selector. Not together with <paramref name="Pods"/>.</param>
/// <param name="By">Who asks, from where and why.</param>
/// <param name="Precondition">What the caller has seen of the version, or null.</param>
/// <param name="IsUrgent">It goes before other publishes where slots or rates are short.</param>
[GenerateSerializer, Immutable, Alias(Aliases.PublishRequest)]
public sealed record PublishRequest(
    [property: Id(0)] OperationId Operation,
    [property: Id(1)] IReadOnlyList<PodName>? Pods,
    [property: Id(2)] IReadOnlyDictionary<string, string> Labels,
    [property: Id(3)] RequestedBy By,
    [property: Id(4)] Precondition? Precondition = null,
    [property: Id(5)] bool IsUrgent = false);

/// <summary>Keeps one version.</summary>
[Alias(Aliases.VersionGrain)]
public interface IVersionGrain : IGrainWithStringKey
{
    /// <summary>The image hands over a registered import.</summary>
    [Alias("BeginImport")]
    Task<Reply<OperationId>> BeginImportAsync(ImportRequest request, string family);

    /// <summary>Stops an import that has not ended. Refused when it has, or when the version was not imported by this operation.</summary>
    [Alias("CancelImport"), OpenTo(CallerRoles.Operator)]
    Task<Reply<VersionStatus>> CancelImportAsync(OperationId operation, RequestedBy by);

    /// <summary>A failed import is tried again from the same source.</summary>
    [Alias("RetryImport"), OpenTo(CallerRoles.Operator)]
    Task<Reply<VersionStatus>> RetryImportAsync(OperationId operation, RequestedBy by);

    /// <summary>The version as it is stored; one that nobody imported has <see cref="Version.Exists"/> false.</summary>
    [Alias("Get"), OpenTo(CallerRoles.Viewer)]
    Task<Version> GetAsync();

    /// <summary>Freezes the targets and starts a publish. Answers once the intent is durable.</summary>
    [Alias("Publish"), OpenTo(CallerRoles.Publisher)]
    Task<Reply<OperationId>> PublishAsync(PublishRequest request);

    /// <summary>A publish that had ended is tried again: its failed targets are open once more.</summary>
    [Alias("ReopenPublish")]
    Task<Reply<OperationId>> ReopenPublishAsync(OperationId operation, IReadOnlyList<PodName> targets, Generation ordered);

    /// <summary>A publish tells how its targets stand; true once that is durable.</summary>
    [Alias("TargetsChanged")]
    Task TargetsChangedAsync(OperationId operation, IReadOnlyDictionary<PodName, TargetOutcome> outcomes);

    /// <summary>A publish tells that it ended, with the last outcomes; repeated until it is stored.</summary>
    [Alias("PublishEnded")]
    Task PublishEndedAsync(OperationId operation, bool wasCancelled, IReadOnlyDictionary<PodName, TargetOutcome> outcomes);

    /// <summary>A pod tells how its copy stands: the source pod about a prepare, any pod about a delete.</summary>
    [Alias("CopyReported")]
    Task CopyReportedAsync(CopyStanding standing);

    /// <summary>Stops new use; existing users keep it. Again is harmless.</summary>
    [Alias("Disable"), OpenTo(CallerRoles.Publisher)]
    Task<Reply<VersionStatus>> DisableAsync(RequestedBy by, Precondition? precondition = null);

    /// <summary>Undoes a disable: the status is what the copies give. Again is harmless.</summary>
    [Alias("Enable"), OpenTo(CallerRoles.Publisher)]
    Task<Reply<VersionStatus>> EnableAsync(RequestedBy by, Precondition? precondition = null);

    /// <summary>Removes every copy; answers once the intent is durable.</summary>
    [Alias("Delete"), OpenTo(CallerRoles.Publisher)]
    Task<Reply<OperationId>> DeleteAsync(OperationId operation, RequestedBy by, Precondition? precondition = null);

    /// <summary>Goes on with whatever is unfinished; harmless at any time.</summary>
    [Alias("Drive")]
    Task DriveAsync();
}
