using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>Name of a token: <c>[A-Za-z0-9_-]{1,64}</c>. It stands in the activity log as who asked.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.TokenName), JsonConverter(typeof(WordConverter<TokenName>))]
public readonly record struct TokenName([property: Id(0)] string Value) : IWord<TokenName>
{
    /// <summary>The token that the first start makes.</summary>
    public static TokenName Administrator { get; } = new("administrator");

    public static string Rule => "1 to 64 letters, digits, '_' or '-'";

    public static bool TryCreate(string? text, out TokenName word)
    {
        word = new TokenName(text ?? "");
        return WordRules.IsName(text, allowDot: false);
    }

    public override string ToString() => Value;
}

/// <summary>What a token allows; each role may do what the ones before it may.</summary>
public enum Role
{
    /// <summary>Reads.</summary>
    Viewer,

    /// <summary>Also runs pods and operations.</summary>
    Operator,

    /// <summary>Also imports, uploads, publishes, disables, enables and deletes.</summary>
    Publisher,

    /// <summary>Also keeps tokens, backups and support bundles.</summary>
    Administrator,
}

/// <summary>How a token stands.</summary>
public enum TokenStatus
{
    Live,
    Expired,
    Revoked,
}

/// <summary>A token as it is stored: never the secret, only its SHA-256. The secret has 256 random bits, so a slow hash would add nothing.</summary>
/// <param name="Name">Who the log says asked.</param>
/// <param name="Role">What it allows.</param>
/// <param name="Hash">SHA-256 of the token's whole text.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="ExpiresAt">When it stops working; null: never.</param>
/// <param name="RevokedAt">When somebody made it useless.</param>
/// <param name="LastUsedAt">Last use, to <see cref="TokenMachine.UseStep"/>.</param>
/// <param name="ExpiryNotedAt">When the expiry was written to the activity log.</param>
[GenerateSerializer, Immutable, Alias(Aliases.Token)]
public sealed record AccessToken(
    [property: Id(0)] TokenName Name,
    [property: Id(1)] Role Role,
    [property: Id(2)] Digest Hash,
    [property: Id(3)] DateTimeOffset CreatedAt,
    [property: Id(4)] DateTimeOffset? ExpiresAt,
    [property: Id(5)] DateTimeOffset? RevokedAt = null,
    [property: Id(6)] DateTimeOffset? LastUsedAt = null,
    [property: Id(7)] DateTimeOffset? ExpiryNotedAt = null)
{
    public TokenStatus StatusAt(DateTimeOffset now) =>
        RevokedAt is not null ? TokenStatus.Revoked : ExpiresAt <= now ? TokenStatus.Expired : TokenStatus.Live;
}

/// <summary>All tokens of the service, one record: a thousand of them are a few hundred kilobytes.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.TokenSet)]
public sealed record TokenSet
{
    /// <summary>In the order in which they were made.</summary>
    [Id(0)] public IReadOnlyList<AccessToken> Tokens { get; init; } = [];

    /// <summary>Rises with every change, so that a reader knows what it has seen.</summary>
    [Id(1)] public long Revision { get; init; }

    public AccessToken? Find(TokenName name) => Tokens.FirstOrDefault(t => t.Name == name);
}

public abstract record TokenCommand
{
    private TokenCommand()
    {
    }

    /// <summary>Add a token. A name whose token no longer works may be given again.</summary>
    public sealed record Issue(TokenName Name, Role Role, Digest Hash, DateTimeOffset? ExpiresAt) : TokenCommand;

    /// <summary>Put this secret in the place of whatever has the name: the way back of somebody who lost the administrator's token and owns the data folder.</summary>
    public sealed record Reset(TokenName Name, Role Role, Digest Hash) : TokenCommand;

    /// <summary>Make a token useless at once.</summary>
    public sealed record Revoke(TokenName Name) : TokenCommand;

    /// <summary>These were used.</summary>
    public sealed record Use(IReadOnlyList<TokenName> Names) : TokenCommand;

    /// <summary>Note whatever has expired.</summary>
    public sealed record NoteExpiry : TokenCommand;
}

public abstract record TokenEvent
{
    private TokenEvent()
    {
    }

    public sealed record Issued(AccessToken Token) : TokenEvent;

    public sealed record WasRevoked(TokenName Name) : TokenEvent;

    public sealed record WasUsed(TokenName Name) : TokenEvent;

    public sealed record Expired(TokenName Name) : TokenEvent;

    /// <summary>It no longer worked and its place or its name was needed.</summary>
    public sealed record Forgotten(TokenName Name) : TokenEvent;
}

public abstract record TokenStep
{
    private TokenStep()
    {
    }

    public sealed record Rest : TokenStep;

    /// <summary>Note expiries then.</summary>
    public sealed record NoteExpiryAt(DateTimeOffset When) : TokenStep;
}
