using System.Text.Json.Serialization;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Root of what our grains store: the record, what lists show of it, and the lines that this very write adds to the activity log.</summary>
internal abstract class Recorded : StoredState, IProjected
{
    /// <summary>Written with the state, once; not part of it.</summary>
    [JsonIgnore]
    public IReadOnlyList<Projection> ThisWriteOnly { get; init; } = [];

    public IEnumerable<Projection> Project() => [.. Rows().Select(r => new Projection.Upsert(r)), .. ThisWriteOnly];

    protected abstract IEnumerable<CatalogRow> Rows();
}
