using System.Text.Json;
using System.Text.Json.Serialization;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>The hot part of a pod's state: the pod, and the copies in motion on it. Ended copies are records of their own.</summary>
internal sealed class StoredPod : Recorded
{
    public Pod? Pod { get; init; }

    public IReadOnlyList<Copy> Moving { get; init; } = [];

    /// <summary>What was stored before this write: what lists show of it stands there already. Not part of the record; without it, all of it is shown.</summary>
    /// <remarks>One step back and no further: a record that kept its whole past would grow with every write for as long as its grain lives.</remarks>
    [JsonIgnore]
    public StoredPod? Before { get; init => field = value?.Before is null ? value : new StoredPod { Pod = value.Pod, Moving = value.Moving }; }

    protected override IEnumerable<CatalogRow> Rows()
    {
        if (Pod is { Spec: { } spec } pod && Before?.Pod != pod)
        {
            yield return new CatalogRow(CatalogKind.Pod, pod.Name.Value, pod.Name.Value, pod.State.ToString(), pod.ChangedAt, pod.ChangedAt,
                JsonSerializer.Serialize(new PodBody(pod.Name, pod.State, spec.Family, spec.Labels, pod.Fault, spec.Slots, spec.Caps?.Link), StateJson.Options))
            {
                Family = spec.Family,
                Pod = pod.Name.Value,
                Unfinished = pod.State != PodState.Disconnected,
            };
        }

        var known = Before?.Moving.ToDictionary(copy => copy.Version, copy => copy.Revision);
        foreach (var row in Moving.Where(copy => known?.GetValueOrDefault(copy.Version) != copy.Revision).SelectMany(CopyRows.Of))
        {
            yield return row;
        }
    }
}

/// <summary>A copy that has ended: available, failed, quarantined or deleted.</summary>
internal sealed class StoredCopy : Recorded
{
    public Copy? Copy { get; init; }

    protected override IEnumerable<CatalogRow> Rows() => Copy is null ? [] : CopyRows.Of(Copy);
}

/// <summary>A pod as lists show it.</summary>
public sealed record PodBody(PodName Name, PodState State, string Family, IReadOnlyDictionary<string, string> Labels, ConnectorFault? Fault, int Slots, string? Link = null);

/// <summary>A copy as lists show it.</summary>
public sealed record CopyBody(VersionId Version, PodName Pod, CopyRole Role, CopyState State, Generation Generation, Receipt? Receipt, ConnectorFault? Fault,
    DateTimeOffset? RetryAt, ContentDamage? Damage = null, DateTimeOffset? DamagedAt = null);

internal static class CopyRows
{
    /// <summary>The copy, and the verification that somebody asked for last.</summary>
    internal static IEnumerable<CatalogRow> Of(Copy copy)
    {
        yield return RowOf(copy);
        if (copy.Check is { Operation: { } operation } check)
        {
            var totals = new TargetTotals(1, check.State == OperationState.Succeeded ? 1 : 0, check.State == OperationState.Failed ? 1 : 0, check.State == OperationState.Cancelled ? 1 : 0);
            yield return new OperationBody(operation, OperationBody.Verify, check.State, copy.Version, totals, check.Fault, Pod: copy.Pod)
                .ToRow(check.AskedAt, check.EndedAt ?? copy.ChangedAt, check.IsOpen);
        }
    }

    private static CatalogRow RowOf(Copy copy) =>
        new(CatalogKind.Copy, $"{copy.Pod}/{copy.Version}", copy.Version.Value, copy.State.ToString(), copy.WantedAt, copy.ChangedAt,
            JsonSerializer.Serialize(new CopyBody(copy.Version, copy.Pod, copy.Role, copy.State, copy.Generation, copy.Receipt, copy.Fault, copy.RetryAt, copy.Damage, copy.DamagedAt), StateJson.Options))
        {
            Sort = $"{copy.Version}/{copy.Pod}",
            Image = copy.Version.Image.Value,
            Version = copy.Version.Version.Value,
            Pod = copy.Pod.Value,
        };
}
