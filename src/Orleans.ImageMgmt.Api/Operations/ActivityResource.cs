namespace Orleans.ImageMgmt.Api;

/// <summary>One line of the activity log.</summary>
public sealed record ActivityResource
{
    /// <summary>The line's number, rising by time of writing.</summary>
    public required long Number { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Who: the token's name, or <c>imgmt</c> for the service itself.</summary>
    public required string Actor { get; init; }

    /// <summary>From where.</summary>
    public required string Origin { get; init; }

    /// <summary>What, as a stable word such as <c>publish.accepted</c>.</summary>
    public required string Action { get; init; }

    /// <summary>What, in one sentence.</summary>
    public required string What { get; init; }

    /// <summary>Why, in the caller's words.</summary>
    public string? Reason { get; init; }

    /// <summary>The image it is about.</summary>
    public string? Image { get; init; }

    /// <summary>The version it is about.</summary>
    public string? Version { get; init; }

    /// <summary>The pod it is about.</summary>
    public string? Pod { get; init; }

    /// <summary>The operation it is about.</summary>
    public string? Operation { get; init; }
}

/// <summary>What lines of the activity log to list, newest first.</summary>
public sealed record ActivityFilter
{
    /// <summary>Only lines about this image.</summary>
    public string? Image { get; init; }

    /// <summary>Only lines about this pod.</summary>
    public string? Pod { get; init; }

    /// <summary>Only lines about this operation.</summary>
    public string? Operation { get; init; }
}
