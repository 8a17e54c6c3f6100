namespace Orleans.ImageMgmt.Api;

/// <summary>A disk that shall become a source on a pod.</summary>
public sealed record UploadRequest
{
    /// <summary>File name that it gets in the pod's sources folder: letters, digits, <c>.</c>, <c>_</c> and <c>-</c>, at most 128, beginning with a letter or digit.</summary>
    public required string Name { get; init; }

    /// <summary>Length of the file in bytes.</summary>
    public required long LengthBytes { get; init; }

    /// <summary>SHA-256 of the file, 64 hexadecimal digits with or without <c>sha256:</c>; what arrives is compared with it.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Why, for the activity log.</summary>
    public string? Reason { get; init; }
}

/// <summary>How far an upload is.</summary>
public enum UploadState
{
    /// <summary>Waits for bytes.</summary>
    Open,

    /// <summary>The source is on the pod.</summary>
    Completed,
}

/// <summary>An upload of a disk. Bytes are sent by <c>PATCH</c> with the header <c>Upload-Offset</c>.</summary>
public sealed record UploadResource
{
    /// <summary>Its id.</summary>
    public required string Id { get; init; }

    /// <summary>The pod that gets the source.</summary>
    public required string Pod { get; init; }

    /// <summary>File name in the pod's sources folder; name it in an import.</summary>
    public required string Name { get; init; }

    /// <summary>How far it is.</summary>
    public required UploadState State { get; init; }

    /// <summary>Length of the whole file in bytes.</summary>
    public required long LengthBytes { get; init; }

    /// <summary>Bytes that are here and durable: send the next ones from this offset.</summary>
    public required long OffsetBytes { get; init; }

    /// <summary>SHA-256 that the file has to have, or has.</summary>
    public string? Sha256 { get; init; }

    /// <summary>When it was begun.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it is thrown away unless more bytes come.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }
}
