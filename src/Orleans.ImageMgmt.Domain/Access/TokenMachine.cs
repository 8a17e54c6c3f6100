namespace Orleans.ImageMgmt.Domain;

/// <summary>The rules of tokens.</summary>
public static class TokenMachine
{
    /// <summary>Uses of one token within this are one: otherwise every request would be a write.</summary>
    public static TimeSpan UseStep { get; } = TimeSpan.FromMinutes(1);

    /// <summary>What a command leads to. A command that comes again leads to nothing; one that breaks a rule is refused.</summary>
    public static Decision<TokenEvent> Decide(TokenSet set, TokenCommand command, DateTimeOffset now) => command switch
    {
        TokenCommand.Issue c => DecideIssue(set, c, now),
        TokenCommand.Reset c => new([.. Forget(set.Find(c.Name)), .. Room(set, c.Name, now, orElse: true)!, Issued(c.Name, c.Role, c.Hash, null, now)], null),
        TokenCommand.Revoke c => DecideRevoke(set, c, now),
        TokenCommand.Use c => new([.. set.Tokens.Where(t => c.Names.Contains(t.Name) && !(t.LastUsedAt > now - UseStep)).Select(t => new TokenEvent.WasUsed(t.Name))], null),
        TokenCommand.NoteExpiry => new([.. set.Tokens.Where(t => IsUnnoted(t) && t.ExpiresAt <= now).Select(t => new TokenEvent.Expired(t.Name))], null),
        _ => throw new NotSupportedException(command.ToString()),
    };

    /// <summary>The record after something happened. Takes whatever was decided; refuses nothing.</summary>
    public static TokenSet Evolve(TokenSet set, TokenEvent happened, DateTimeOffset now)
    {
        IReadOnlyList<AccessToken> tokens = happened switch
        {
            TokenEvent.Issued e => [.. set.Tokens, e.Token],
            TokenEvent.WasRevoked e => Replace(set, e.Name, t => t with { RevokedAt = now }),
            TokenEvent.WasUsed e => Replace(set, e.Name, t => t with { LastUsedAt = now }),
            TokenEvent.Expired e => Replace(set, e.Name, t => t with { ExpiryNotedAt = now }),
            TokenEvent.Forgotten e => [.. set.Tokens.Where(t => t.Name != e.Name)],
            _ => throw new NotSupportedException(happened.ToString()),
        };
        return set with { Tokens = tokens, Revision = set.Revision + 1 };
    }

    /// <summary>What to do now, from the record and the clock alone: so that a crash is just another start.</summary>
    public static TokenStep Next(TokenSet set) => set.Tokens.Where(IsUnnoted).Min(t => t.ExpiresAt) is { } first
        ? new TokenStep.NoteExpiryAt(first) : new TokenStep.Rest();

    private static Decision<TokenEvent> DecideIssue(TokenSet set, TokenCommand.Issue c, DateTimeOffset now)
    {
        var known = set.Find(c.Name);
        if (known?.StatusAt(now) == TokenStatus.Live)
        {
            return known.Hash == c.Hash && known.Role == c.Role
                ? Decision<TokenEvent>.Nothing // the same request again
                : Decision<TokenEvent>.Refuse("token.exists", $"There is a token {c.Name} already.", "Choose another name, or revoke that one first.");
        }

        if (c.ExpiresAt <= now)
        {
            return Decision<TokenEvent>.Refuse("token.expires-in-the-past", $"Token {c.Name} would be expired before it is used.", "Give a time to come, or none.");
        }

        var room = Room(set, c.Name, now, orElse: false);
        return room is null
            ? Decision<TokenEvent>.Refuse("token.too-many", $"There are {Limits.Tokens} tokens and all of them work.", "Revoke one that nobody needs.")
            : new([.. Forget(known), .. room, Issued(c.Name, c.Role, c.Hash, c.ExpiresAt, now)], null);
    }

    private static Decision<TokenEvent> DecideRevoke(TokenSet set, TokenCommand.Revoke c, DateTimeOffset now)
    {
        if (set.Find(c.Name) is not { } token)
        {
            return Decision<TokenEvent>.Refuse("token.unknown", $"There is no token {c.Name}.", "List the tokens to see which exist.");
        }

        if (token.RevokedAt is not null)
        {
            return Decision<TokenEvent>.Nothing;
        }

        // One that has expired is no loss.
        var isLast = token.Role == Role.Administrator && token.StatusAt(now) == TokenStatus.Live
            && !set.Tokens.Any(t => t.Name != c.Name && t.Role == Role.Administrator && t.StatusAt(now) == TokenStatus.Live);
        return isLast
            ? Decision<TokenEvent>.Refuse("token.last-administrator", $"Token {c.Name} is the only administrator: without it nobody could make tokens.",
                "Make another administrator token first.")
            : Decision<TokenEvent>.Of(new TokenEvent.WasRevoked(c.Name));
    }

    private static bool IsUnnoted(AccessToken token) => token is { ExpiresAt: not null, RevokedAt: null, ExpiryNotedAt: null };

    private static TokenEvent.Issued Issued(TokenName name, Role role, Digest hash, DateTimeOffset? expires, DateTimeOffset now) =>
        new(new AccessToken(name, role, hash, now, expires));

    private static IEnumerable<TokenEvent> Forget(AccessToken? known) => known is null ? [] : [new TokenEvent.Forgotten(known.Name)];

    /// <summary>Nothing where there is room, else the oldest token that no longer works. Null when all work, or with <paramref name="orElse"/> the oldest of all.</summary>
    private static IEnumerable<TokenEvent>? Room(TokenSet set, TokenName newcomer, DateTimeOffset now, bool orElse)
    {
        var others = set.Tokens.Where(t => t.Name != newcomer).ToList();
        if (others.Count < Limits.Tokens)
        {
            return [];
        }

        var dead = others.Find(t => t.StatusAt(now) != TokenStatus.Live) ?? (orElse ? others[0] : null);
        return dead is null ? null : Forget(dead);
    }

    private static IReadOnlyList<AccessToken> Replace(TokenSet set, TokenName name, Func<AccessToken, AccessToken> change) =>
        [.. set.Tokens.Select(t => t.Name == name ? change(t) : t)];
}
