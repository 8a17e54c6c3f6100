using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>A token to be made. The secret is made by whoever shows it; only its hash travels.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Role">What it shall allow.</param>
/// <param name="Hash">SHA-256 of the token's text.</param>
/// <param name="ExpiresAt">When it stops working; null: never.</param>
/// <param name="By">Who asks, from where and why.</param>
[GenerateSerializer, Immutable, Alias(Aliases.TokenOrder)]
public sealed record TokenOrder(
    [property: Id(0)] TokenName Name,
    [property: Id(1)] Role Role,
    [property: Id(2)] Digest Hash,
    [property: Id(3)] DateTimeOffset? ExpiresAt,
    [property: Id(4)] RequestedBy By);

/// <summary>Keeps all tokens.</summary>
[Alias(Aliases.TokensGrain)]
public interface ITokensGrain : IGrainWithStringKey
{
    /// <summary>All of them, or null when nothing changed since <paramref name="knownRevision"/>.</summary>
    [Alias("Get")]
    Task<TokenSet?> GetAsync(long knownRevision);

    /// <summary>Adds a token. Refused when its name has a token that works, or when there are <see cref="Limits.Tokens"/> that all work.</summary>
    [Alias("Issue")]
    Task<Reply<AccessToken>> IssueAsync(TokenOrder order);

    /// <summary>Makes a token useless at once; again is harmless.</summary>
    [Alias("Revoke")]
    Task<Reply<AccessToken>> RevokeAsync(TokenName name, RequestedBy by);

    /// <summary>These were used lately.</summary>
    [Alias("Used")]
    Task UsedAsync(IReadOnlyList<TokenName> names);

    /// <summary>Goes on with whatever is due; harmless at any time.</summary>
    [Alias("Drive")]
    Task DriveAsync();
}
