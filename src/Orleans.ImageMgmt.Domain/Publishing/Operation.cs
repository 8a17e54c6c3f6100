using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>The life of an operation: import, publish, delete.</summary>
public enum OperationState
{
    /// <summary>Stored; not begun.</summary>
    Accepted,

    /// <summary>At work.</summary>
    Running,

    /// <summary>Nothing new begins until it is resumed.</summary>
    Paused,

    /// <summary>Everything was done.</summary>
    Succeeded,

    /// <summary>Some targets have it, some do not.</summary>
    PartiallySucceeded,

    /// <summary>Nothing was done.</summary>
    Failed,

    /// <summary>Stopped because somebody asked.</summary>
    Cancelled,
}

/// <summary>What states have in common.</summary>
public static class OperationStates
{
    /// <summary>Whether it has ended, well or not. One that failed may still be retried.</summary>
    public static bool IsEnded(this OperationState state) =>
        state is OperationState.Succeeded or OperationState.PartiallySucceeded or OperationState.Failed or OperationState.Cancelled;
}

/// <summary>Who asked, from where and why: goes into the activity log.</summary>
/// <param name="Actor">Name of the person or program.</param>
/// <param name="Origin">Where the request came from, such as <c>console</c> or an address.</param>
/// <param name="Reason">Why, in the caller's words; may be empty.</param>
[GenerateSerializer, Immutable, Alias(Aliases.RequestedBy)]
public sealed record RequestedBy([property: Id(0)] string Actor, [property: Id(1)] string Origin, [property: Id(2)] string Reason = "")
{
    /// <summary>Where the trace of the request goes on, as W3C <c>traceparent</c>; null: it was not traced. Nothing is decided by it.</summary>
    [Id(3), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Trace { get; init; }
}

/// <summary>How one target of a publish stands, as the shard and the version keep it.</summary>
public enum TargetOutcome
{
    /// <summary>Not ended yet.</summary>
    Open,

    /// <summary>The copy is there and verified.</summary>
    Available,

    /// <summary>Given up.</summary>
    Failed,

    /// <summary>Stopped because somebody asked, or deleted under the publish.</summary>
    Cancelled,
}
