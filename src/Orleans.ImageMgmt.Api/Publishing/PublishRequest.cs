namespace Orleans.ImageMgmt.Api;

/// <summary>Where a version shall go. Without pods and labels: to all pods of its family that are connected now.</summary>
public sealed record PublishRequest
{
    /// <summary>The targets by name; not together with <see cref="Labels"/>.</summary>
    public IReadOnlyList<string>? Pods { get; init; }

    /// <summary>Only connected pods that carry all these labels; not together with <see cref="Pods"/>.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>It goes before other publishes where slots or rates are short; false when absent.</summary>
    public bool Urgent { get; init; }

    /// <summary>Why, for the activity log.</summary>
    public string? Reason { get; init; }
}
