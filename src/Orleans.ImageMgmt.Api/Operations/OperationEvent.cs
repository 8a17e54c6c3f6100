namespace Orleans.ImageMgmt.Api;

/// <summary>Something that changed about an operation: the operation itself, or one of its targets.</summary>
public sealed record OperationEvent
{
    /// <summary>Event name of a changed operation.</summary>
    public const string OperationName = "operation";

    /// <summary>Event name of a changed target.</summary>
    public const string TargetName = "target";

    /// <summary>Event name of the last event: the operation has ended.</summary>
    public const string EndName = "end";

    /// <summary>Where the stream goes on after a reconnect.</summary>
    public required string Id { get; init; }

    /// <summary><c>operation</c>, <c>target</c> or <c>end</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The operation as it is now; with <c>operation</c> and <c>end</c>.</summary>
    public OperationResource? Operation { get; init; }

    /// <summary>The target as it is now; with <c>target</c>.</summary>
    public TargetResource? Target { get; init; }
}
