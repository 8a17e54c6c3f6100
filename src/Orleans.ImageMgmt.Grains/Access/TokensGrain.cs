using Orleans.Concurrency;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Grains;

internal sealed class StoredTokens : Recorded
{
    public TokenSet Set { get; init; } = new();

    /// <summary>Lists show no tokens: their own list comes from the grain.</summary>
    protected override IEnumerable<CatalogRow> Rows() => [];
}

/// <summary>Tells the doors of this process that a token changed, so that a revoked one is refused by the very next request. The grain says so where it lives,
/// a door where somebody asked for the change: in a cluster these are two processes.</summary>
public sealed class TokenChanges
{
    private long count;

    public long Count => Interlocked.Read(ref count);

    public void Note() => Interlocked.Increment(ref count);
}

[GrainType(GrainTypeName), Reentrant]
internal sealed class TokensGrain(ImageMgmtOptions options, TokenChanges changes) : DrivenGrain, ITokensGrain
{
    internal const string GrainTypeName = "tokens";
    internal const string StateName = "tokens";

    private StateCell<StoredTokens> cell = null!;

    protected override TimeSpan FirstBackOff => options.StepRetry;

    /// <summary>An expiry works without anybody noting it; only the line in the log waits until the grain is next awake.</summary>
    protected override bool UsesReminder => false;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        cell = new StateCell<StoredTokens>(StateStorage, StateName, this.GetGrainId());
        await cell.ReadAsync();
        changes.Note();
        Poke();
    }

    public Task<TokenSet?> GetAsync(long knownRevision) => Task.FromResult(cell.Current.Set is var set && set.Revision == knownRevision && cell.Exists ? null : set);

    public async Task<Reply<AccessToken>> IssueAsync(TokenOrder order)
    {
        var refusal = await ApplyAsync(new TokenCommand.Issue(order.Name, order.Role, order.Hash, order.ExpiresAt), order.By);
        return refusal is null ? Reply.Of(cell.Current.Set.Find(order.Name)!) : Reply.Refused<AccessToken>(refusal);
    }

    public async Task<Reply<AccessToken>> RevokeAsync(TokenName name, RequestedBy by)
    {
        var refusal = await ApplyAsync(new TokenCommand.Revoke(name), by);
        return refusal is null ? Reply.Of(cell.Current.Set.Find(name)!) : Reply.Refused<AccessToken>(refusal);
    }

    public Task UsedAsync(IReadOnlyList<TokenName> names) => ApplyAsync(new TokenCommand.Use(names), Activity.Service);

    protected override async Task<TimeSpan?> DriveOnceAsync()
    {
        if (TokenMachine.Next(cell.Current.Set) is not TokenStep.NoteExpiryAt due)
        {
            return null;
        }

        // A grain timer takes no longer than this; it simply looks again.
        var wait = due.When - Now;
        if (wait > TimeSpan.Zero)
        {
            return wait < LongestWait ? wait : LongestWait;
        }

        await ApplyAsync(new TokenCommand.NoteExpiry(), Activity.Service);
        return TimeSpan.Zero;
    }

    private static TimeSpan LongestWait { get; } = TimeSpan.FromDays(1);

    private async Task<Refusal?> ApplyAsync(TokenCommand command, RequestedBy by)
    {
        Refusal? refusal = null;
        try
        {
            await ChangeAsync(cell, current =>
            {
                (var next, refusal) = TokenWriting.Apply(current, command, by, Now);
                return next;
            });
        }
        finally
        {
            changes.Note(); // also when it threw: the write may have happened
        }

        if (command is not TokenCommand.Use)
        {
            Poke();
        }

        return refusal;
    }
}

/// <summary>One change of the stored tokens, with its lines in the activity log.</summary>
internal static class TokenWriting
{
    internal static (StoredTokens? Next, Refusal? Refusal) Apply(StoredTokens current, TokenCommand command, RequestedBy by, DateTimeOffset now)
    {
        var decision = TokenMachine.Decide(current.Set, command, now);
        return decision.Events.Count == 0 ? (null, decision.Refusal) : (new StoredTokens
        {
            Set = decision.Events.Aggregate(current.Set, (set, e) => TokenMachine.Evolve(set, e, now)),
            UnknownFields = current.UnknownFields,
            ThisWriteOnly = [.. decision.Events.SelectMany(e => Lines(e, command, by, now))],
        }, null);
    }

    private static IEnumerable<Projection> Lines(TokenEvent happened, TokenCommand command, RequestedBy by, DateTimeOffset now) => happened switch
    {
        TokenEvent.Issued { Token: var t } => [Activity.Line(now, by, command is TokenCommand.Reset ? "token.reset" : "token.issued",
            $"Token {t.Name} of role {t.Role.ToString().ToLowerInvariant()}, {(t.ExpiresAt is { } end ? $"works until {end:yyyy-MM-ddTHH:mm:ssZ}" : "does not expire")}")],
        TokenEvent.WasRevoked e => [Activity.Line(now, by, "token.revoked", $"Token {e.Name}")],
        TokenEvent.Expired e => [Activity.Line(now, Activity.Service, "token.expired", $"Token {e.Name}")],
        TokenEvent.Forgotten e => [Activity.Line(now, by, "token.forgotten", $"Token {e.Name} made room")],
        _ => [],
    };
}
