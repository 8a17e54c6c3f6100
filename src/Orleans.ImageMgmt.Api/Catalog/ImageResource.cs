namespace Orleans.ImageMgmt.Api;

/// <summary>How an image stands, derived from its versions.</summary>
public enum ImageStatus
{
    /// <summary>Its first version is being imported.</summary>
    Importing,

    /// <summary>Some version is usable.</summary>
    Available,

    /// <summary>The only import failed.</summary>
    Failed,

    /// <summary>No new use.</summary>
    Disabled,

    /// <summary>Its last version is being removed.</summary>
    Deleting,

    /// <summary>Gone; the record stays for history.</summary>
    Deleted,

    /// <summary>Imported, and no version is usable yet.</summary>
    DeploymentComplete,
}

/// <summary>A named collection of versions.</summary>
public sealed record ImageResource
{
    /// <summary>The image's name.</summary>
    public required string Name { get; init; }

    /// <summary>How it stands.</summary>
    public required ImageStatus Status { get; init; }

    /// <summary>What pods can run it.</summary>
    public required string Family { get; init; }

    /// <summary>The pod on which its golden disk lives.</summary>
    public string? SourcePod { get; init; }

    /// <summary>Free text.</summary>
    public required string Description { get; init; }

    /// <summary>How many versions it has, deleted ones included.</summary>
    public required int VersionCount { get; init; }

    /// <summary>When it was imported first.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its record last changed.</summary>
    public required DateTimeOffset ChangedAt { get; init; }

    /// <summary>The record's tag for <c>If-Match</c>. Absent in lists.</summary>
    public string? Etag { get; init; }
}

/// <summary>What images to list.</summary>
public sealed record ImageFilter
{
    /// <summary>Only images with this status.</summary>
    public ImageStatus? Status { get; init; }

    /// <summary>Only images of this family.</summary>
    public string? Family { get; init; }

    /// <summary>Only images whose name begins with this.</summary>
    public string? NamePrefix { get; init; }

    /// <summary>Last name first.</summary>
    public bool Descending { get; init; }
}
