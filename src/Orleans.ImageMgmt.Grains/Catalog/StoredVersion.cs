using System.Text.Json;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Grains;

internal sealed class StoredVersion : Recorded
{
    public Version? Version { get; init; }

    /// <summary>Publishes whose grain has not confirmed its order yet: the order is durable here before anybody is told.</summary>
    public IReadOnlyList<PublishOrder> Unconfirmed { get; init; } = [];

    protected override IEnumerable<CatalogRow> Rows()
    {
        if (Version is not { Exists: true } version)
        {
            yield break;
        }

        var body = new VersionBody(version.Id, version.Status, version.IsUsable, version.Content, version.SourcePod, version.From, version.Generation,
            TotalsOf(version), version.Fault, version.CreatedAt, version.Description);
        yield return new CatalogRow(CatalogKind.Version, version.Id.Value, version.Id.Version.Value, version.Status.ToString(), version.CreatedAt, version.ChangedAt,
            JsonSerializer.Serialize(body, StateJson.Options))
        {
            Sort = version.Id.Value,
            Family = version.Family,
            Image = version.Id.Image.Value,
            Version = version.Id.Version.Value,
        };
        yield return new OperationBody(version.Import!.Value, OperationBody.Import, version.ImportState, version.Id, null,
            version.ImportState == OperationState.Succeeded ? null : version.Fault).ToRow(version.CreatedAt, version.ImportEndedAt ?? version.ChangedAt, !version.ImportState.IsEnded());
        if (version.Delete is { } delete)
        {
            yield return new OperationBody(delete, OperationBody.Delete, version.IsDeleted ? OperationState.Succeeded : OperationState.Running, version.Id, null, null)
                .ToRow(version.DeleteBeganAt ?? version.ChangedAt, version.ChangedAt, !version.IsDeleted);
        }

        foreach (var order in Unconfirmed)
        {
            // Until its own grain has stored it, so that a restart finds it.
            yield return new OperationBody(order.Operation, OperationBody.Publish, OperationState.Accepted, version.Id, new TargetTotals(order.Targets.Count, 0, 0, 0), null)
                .ToRow(version.ChangedAt, version.ChangedAt, isUnfinished: true);
        }
    }

    private static TargetTotals TotalsOf(Version version) => new(version.Targets.Count, version.Targets.Values.Count(t => t == TargetOutcome.Available),
        version.Targets.Values.Count(t => t == TargetOutcome.Failed), version.Targets.Values.Count(t => t == TargetOutcome.Cancelled));
}

/// <summary>A version as lists show it.</summary>
public sealed record VersionBody(VersionId Id, VersionStatus Status, bool IsUsable, ContentDescription? Content, PodName? SourcePod, VersionName? From,
    Generation Generation, TargetTotals Targets, ConnectorFault? Fault, DateTimeOffset CreatedAt, string Description);
