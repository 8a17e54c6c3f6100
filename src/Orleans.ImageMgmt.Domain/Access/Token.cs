using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>Name of a token: <c>[A-Za-z0-9_-]{1,64}</c>. It stands in the activity log as who asked.</summary>
/// <param name="Value">The text.</param>
[GenerateSerializer, Immutable, Alias(Aliases.TokenName), JsonConverter(typeof(WordConverter<TokenName>))]
public readonly record struct TokenName([property: Id(0)] string Value) : IWord<TokenName>
{
    /// <summary>The token that the first start makes.</summary>
    public static TokenName Administrator { get; } = new("administrator");

    /// <summary>What a valid name looks like, for error sentences.</summary>
    public static string Rule => "1 to 64 letters, digits, '_' or '-'";

    /// <summary>Reads the text form. False when it breaks <see cref="Rule"/>; the word is of no use then.</summary>
    public static bool TryCreate(string? text, out TokenName word)
    {
        word = new TokenName(text ?? "");
        return WordRules.IsName(text, allowDot: false);
    }

    /// <summary>The name.</summary>
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
    /// <summary>It works.</summary>
    Live,

    /// <summary>Its time is over.</summary>
    Expired,

    /// <summary>Somebody made it useless.</summary>
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
    /// <summary>How it stands at a time; revoked wins over expired.</summary>
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

    /// <summary>The token of that name, whether it works or not; null: there is none.</summary>
    public AccessToken? Find(TokenName name) => Tokens.FirstOrDefault(t => t.Name == name);
}

/// <summary>What is asked of the tokens, and what the world reports about it.</summary>
public abstract record TokenCommand
{
    private TokenCommand()
    {
    }

    /// <summary>Add a token. A name whose token no longer works may be given again.</summary>
    /// <param name="Name">Which one, by name.</param>
    /// <param name="Role">What it allows.</param>
    /// <param name="Hash">SHA-256 of the token's whole text.</param>
    /// <param name="ExpiresAt">When it stops working; null: never.</param>
    public sealed record Issue(TokenName Name, Role Role, Digest Hash, DateTimeOffset? ExpiresAt) : TokenCommand;

    /// <summary>Put this secret in the place of whatever has the name: the way back of somebody who lost the administrator's token and owns the data folder.</summary>
    /// <param name="Name">Which one, by name.</param>
    /// <param name="Role">What it allows.</param>
    /// <param name="Hash">SHA-256 of the token's whole text.</param>
    public sealed record Reset(TokenName Name, Role Role, Digest Hash) : TokenCommand;

    /// <summary>Make a token useless at once.</summary>
    /// <param name="Name">Which one, by name.</param>
    public sealed record Revoke(TokenName Name) : TokenCommand;

    /// <summary>These were used.</summary>
    /// <param name="Names">Which, by name.</param>
    public sealed record Use(IReadOnlyList<TokenName> Names) : TokenCommand;

    /// <summary>Note whatever has expired.</summary>
    public sealed record NoteExpiry : TokenCommand;
}

/// <summary>What happened to the tokens.</summary>
public abstract record TokenEvent
{
    private TokenEvent()
    {
    }

    /// <summary>A token was added.</summary>
    /// <param name="Token">The token as it is stored.</param>
    public sealed record Issued(AccessToken Token) : TokenEvent;

    /// <summary>A token was made useless.</summary>
    /// <param name="Name">Which one, by name.</param>
    public sealed record WasRevoked(TokenName Name) : TokenEvent;

    /// <summary>A token was used for the first time in <see cref="TokenMachine.UseStep"/>.</summary>
    /// <param name="Name">Which one, by name.</param>
    public sealed record WasUsed(TokenName Name) : TokenEvent;

    /// <summary>The end of a token's time was noted.</summary>
    /// <param name="Name">Which one, by name.</param>
    public sealed record Expired(TokenName Name) : TokenEvent;

    /// <summary>It no longer worked and its place or its name was needed.</summary>
    /// <param name="Name">Which one, by name.</param>
    public sealed record Forgotten(TokenName Name) : TokenEvent;
}

/// <summary>What to do next about the tokens.</summary>
public abstract record TokenStep
{
    private TokenStep()
    {
    }

    /// <summary>Nothing, until somebody asks.</summary>
    public sealed record Rest : TokenStep;

    /// <summary>Note expiries then.</summary>
    /// <param name="When">The time, UTC.</param>
    public sealed record NoteExpiryAt(DateTimeOffset When) : TokenStep;
}
