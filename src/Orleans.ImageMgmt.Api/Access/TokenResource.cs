namespace Orleans.ImageMgmt.Api;

/// <summary>What a token allows; each role may do what the one before may.</summary>
public enum Role
{
    /// <summary>Reads.</summary>
    Viewer,

    /// <summary>Also runs pods and operations.</summary>
    Operator,

    /// <summary>Also imports, uploads, publishes, disables, enables and deletes.</summary>
    Publisher,

    /// <summary>Also manages tokens, backups and support bundles.</summary>
    Administrator,
}

/// <summary>A token as the server knows it: never the token itself.</summary>
public sealed record TokenResource
{
    /// <summary>The token's name, which stands in the activity log.</summary>
    public required string Name { get; init; }

    /// <summary>What it allows.</summary>
    public required Role Role { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it stops working; absent: never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>When it was last used, to the minute.</summary>
    public DateTimeOffset? LastUsedAt { get; init; }

    /// <summary>When it was revoked.</summary>
    public DateTimeOffset? RevokedAt { get; init; }
}

/// <summary>A token to be made.</summary>
public sealed record CreateTokenRequest
{
    /// <summary>Its name: 1 to 64 letters, digits, <c>_</c> or <c>-</c>.</summary>
    public required string Name { get; init; }

    /// <summary>What it shall allow.</summary>
    public required Role Role { get; init; }

    /// <summary>When it stops working; absent: never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Why, for the activity log.</summary>
    public string? Reason { get; init; }
}

/// <summary>A new token; this is the only time that it is shown.</summary>
public sealed record CreatedToken
{
    /// <summary>The token itself, for the header <c>Authorization: Bearer</c>. Keep it: the server stores only its hash.</summary>
    public required string Token { get; init; }

    /// <summary>What the server knows of it.</summary>
    public required TokenResource Resource { get; init; }
}

/// <summary>Who is asking.</summary>
public sealed record MeResource
{
    /// <summary>The name of the token.</summary>
    public required string Name { get; init; }

    /// <summary>What it allows.</summary>
    public required Role Role { get; init; }

    /// <summary>When it stops working; absent: never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }
}
