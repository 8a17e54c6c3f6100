namespace Orleans.ImageMgmt.Api;

/// <summary>What program this is.</summary>
public sealed record ServerVersion
{
    /// <summary>The product's name.</summary>
    public required string Product { get; init; }

    /// <summary>The program's version.</summary>
    public required string Version { get; init; }

    /// <summary>The version of this API.</summary>
    public required string Api { get; init; }

    /// <summary>The commit it was built from, where known.</summary>
    public string? Commit { get; init; }

    /// <summary>The runtime it runs on.</summary>
    public required string Runtime { get; init; }
}

/// <summary>How the service is.</summary>
public sealed record ServerStatus
{
    /// <summary>Whether it takes work.</summary>
    public required bool IsReady { get; init; }

    /// <summary>What program it is.</summary>
    public required ServerVersion Version { get; init; }

    /// <summary>When it was started.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Each check and how it went.</summary>
    public required IReadOnlyList<StatusCheck> Checks { get; init; }

    /// <summary>Pods by state.</summary>
    public required IReadOnlyDictionary<string, long> Pods { get; init; }

    /// <summary>Images by status.</summary>
    public required IReadOnlyDictionary<string, long> Images { get; init; }

    /// <summary>Versions by status.</summary>
    public required IReadOnlyDictionary<string, long> Versions { get; init; }

    /// <summary>Copies by state.</summary>
    public required IReadOnlyDictionary<string, long> Copies { get; init; }

    /// <summary>Operations by state.</summary>
    public required IReadOnlyDictionary<string, long> Operations { get; init; }

    /// <summary>Transfers, finalises and removals that run or wait for a slot.</summary>
    public int TransfersUnderWay { get; init; }

    /// <summary>Writes that wait for the store.</summary>
    public int WritesWaiting { get; init; }

    /// <summary>Length of the store's files in bytes.</summary>
    public long StoreBytes { get; init; }

    /// <summary>Bytes that are free on the file system of the data directory.</summary>
    public long FreeBytes { get; init; }

    /// <summary>Seconds since the start.</summary>
    public long UptimeSeconds { get; init; }
}

/// <summary>One check of the service's health.</summary>
public sealed record StatusCheck
{
    /// <summary>What was checked.</summary>
    public required string Name { get; init; }

    /// <summary>Whether it is well.</summary>
    public required bool IsWell { get; init; }

    /// <summary>What was found, in one sentence.</summary>
    public string? Detail { get; init; }
}

/// <summary>A backup to be made while the service runs.</summary>
public sealed record BackupRequest
{
    /// <summary>A name for it: 1 to 64 letters, digits, <c>_</c> or <c>-</c>; absent: the time.</summary>
    public string? Name { get; init; }

    /// <summary>Why, for the activity log.</summary>
    public string? Reason { get; init; }
}

/// <summary>A backup on the server's machine.</summary>
public sealed record BackupResource
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Where it lies on the server's machine.</summary>
    public required string Path { get; init; }

    /// <summary>Its length in bytes.</summary>
    public required long LengthBytes { get; init; }

    /// <summary>SHA-256 of it.</summary>
    public required string Sha256 { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}
