namespace Orleans.ImageMgmt.Api;

/// <summary>What went wrong on a pod.</summary>
public sealed record Fault
{
    /// <summary>Stable word: stage and cause, such as <c>receive.no-room</c>.</summary>
    public required string Code { get; init; }

    /// <summary>In which part of the work, such as <c>receive</c>.</summary>
    public required string Stage { get; init; }

    /// <summary>What kind of thing went wrong, such as <c>noRoom</c>.</summary>
    public required string Cause { get; init; }

    /// <summary>The evidence, in one sentence.</summary>
    public required string Detail { get; init; }

    /// <summary>What a person can do, in one sentence.</summary>
    public required string NextStep { get; init; }

    /// <summary>Whether trying again may help without anybody changing anything.</summary>
    public required bool IsRetryable { get; init; }
}

/// <summary>The body of an action that needs nothing but a reason.</summary>
public sealed record ActionRequest
{
    /// <summary>Why, for the activity log; at most 1,024 characters.</summary>
    public string? Reason { get; init; }
}
