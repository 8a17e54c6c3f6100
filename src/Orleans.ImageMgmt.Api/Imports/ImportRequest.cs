namespace Orleans.ImageMgmt.Api;

/// <summary>Which part of a version's number rises.</summary>
public enum VersionStep
{
    /// <summary><c>1.4</c> becomes <c>2.0</c>.</summary>
    Major,

    /// <summary><c>1.4</c> becomes <c>1.5</c>.</summary>
    Minor,

    /// <summary><c>1.4</c> becomes <c>1.4.1</c>.</summary>
    Patch,
}

/// <summary>A new image, or a new version of a known one, from a source on a pod.</summary>
public sealed record ImportRequest
{
    /// <summary>The source pod.</summary>
    public required string Pod { get; init; }

    /// <summary>What to take there: a <c>path</c> that the pod lists as a source.</summary>
    public required string Source { get; init; }

    /// <summary>The version's name; absent: <c>1.0</c> for a new image, else the name that <see cref="Step"/> gives.</summary>
    public string? Version { get; init; }

    /// <summary>The version it is made from; absent with a step: the newest one.</summary>
    public string? From { get; init; }

    /// <summary>Which part of the number rises; not together with <see cref="Version"/>.</summary>
    public VersionStep? Step { get; init; }

    /// <summary>SHA-256 that the source file is expected to have, 64 hexadecimal digits with or without <c>sha256:</c>.</summary>
    public string? Sha256 { get; init; }

    /// <summary>The format that the source is expected to have: <c>raw</c>, <c>qcow2</c>, <c>vmdk</c>, <c>vhdx</c>, <c>iso</c> or <c>ova</c>; absent: read it from the file.</summary>
    public string? Format { get; init; }

    /// <summary>Free text, at most 1,024 characters.</summary>
    public string Description { get; init; } = "";

    /// <summary>Why, for the activity log.</summary>
    public string? Reason { get; init; }
}
