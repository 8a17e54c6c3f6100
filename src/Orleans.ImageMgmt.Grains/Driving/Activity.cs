using System.Text.Json;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Lines for the activity log: who, what, when, from where, why.</summary>
internal static class Activity
{
    /// <summary>Who acts when nobody asked: the service going on by itself.</summary>
    internal static RequestedBy Service { get; } = new("imgmt", "service");

    internal static Projection.Append Line(DateTimeOffset at, RequestedBy by, string action, string what, VersionId? version = null, ImageName? image = null,
        PodName? pod = null, OperationId? operation = null) =>
        new(new ActivityRow(at, by.Actor, action, JsonSerializer.Serialize(new ActivityBody(what, by.Origin, by.Reason), StateJson.Options))
        {
            Image = (version?.Image ?? image)?.Value,
            Version = version?.Version.Value,
            Pod = pod?.Value,
            Operation = operation?.Value,
        });
}

/// <summary>The body of an activity line.</summary>
/// <param name="What">One sentence.</param>
/// <param name="Origin">Where the request came from.</param>
/// <param name="Reason">Why, in the caller's words.</param>
public sealed record ActivityBody(string What, string Origin, string Reason);

/// <summary>The body of an operation row in the catalog.</summary>
/// <param name="Operation">Its id.</param>
/// <param name="Kind"><c>import</c>, <c>publish</c>, <c>delete</c> or <c>verify</c>.</param>
/// <param name="State">How it stands.</param>
/// <param name="Version">The version it is about; null for the deletion of a whole image.</param>
/// <param name="Totals">Its targets in numbers, for a publish.</param>
/// <param name="Fault">Why it failed, where it did.</param>
/// <param name="Image">The image, where no version is named.</param>
/// <param name="Pod">The pod whose copy it is about, for a verification.</param>
public sealed record OperationBody(OperationId Operation, string Kind, OperationState State, VersionId? Version, TargetTotals? Totals, ConnectorFault? Fault, ImageName? Image = null,
    PodName? Pod = null)
{
    public const string Import = "import";
    public const string Publish = "publish";
    public const string Delete = "delete";
    public const string Verify = "verify";

    /// <summary>What it is about, for sentences.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string Subject => Version?.Value ?? Image?.Value ?? "";

    internal CatalogRow ToRow(DateTimeOffset created, DateTimeOffset changed, bool isUnfinished) =>
        new(CatalogKind.Operation, Operation.Value, Operation.Value, State.ToString(), created, changed, JsonSerializer.Serialize(this, StateJson.Options))
        {
            Sort = CatalogRow.Chronological(created),
            Image = (Version?.Image ?? Image)?.Value,
            Version = Version?.Version.Value,
            Unfinished = isUnfinished,
        };
}
