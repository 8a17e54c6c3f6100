using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>One read-back of a final copy that was asked for.</summary>
/// <param name="Operation">What a person asked; null for the scrub.</param>
/// <param name="AskedAt">When.</param>
/// <param name="State">How it stands.</param>
/// <param name="Fault">Why it failed.</param>
/// <param name="EndedAt">When it ended.</param>
[GenerateSerializer, Immutable, Alias(Aliases.CopyCheck)]
public sealed record CopyCheck(
    [property: Id(0)] OperationId? Operation,
    [property: Id(1)] DateTimeOffset AskedAt,
    [property: Id(2)] OperationState State,
    [property: Id(3)] ConnectorFault? Fault = null,
    [property: Id(4)] DateTimeOffset? EndedAt = null)
{
    /// <summary>Not ended yet.</summary>
    [JsonIgnore]
    public bool IsOpen => !State.IsEnded();
}
