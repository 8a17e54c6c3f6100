using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: nobody changes who gets a token without reading it. Method: every state × every command as committed text.</summary>
public sealed class TokenTableTests
{
    private static readonly TokenName admin = TokenName.Administrator;
    private static readonly TokenName ci = new("ci");
    private static readonly Digest one = Digest.FromBytes(new byte[Digest.ByteLength]);
    private static readonly Digest two = Digest.FromBytes([.. Enumerable.Repeat((byte)2, Digest.ByteLength)]);

    [Fact]
    public void The_token_machine_does_what_its_table_says()
    {
        var machine = new Machine<TokenSet, TokenCommand, TokenEvent, TokenStep>((s, c) => TokenMachine.Decide(s, c, Samples.Now), (s, e) => TokenMachine.Evolve(s, e, Samples.Now), TokenMachine.Next);
        Golden.Check("token", MachineTable.Write("token", machine, States(), Commands()));
    }

    [Fact]
    public void A_token_is_live_until_the_instant_at_which_it_expires()
    {
        var token = Token(ci, Role.Viewer, expires: Samples.Now);
        Assert.Equal(TokenStatus.Live, token.StatusAt(Samples.Now - TimeSpan.FromTicks(1)));
        Assert.Equal(TokenStatus.Expired, token.StatusAt(Samples.Now));
        Assert.Equal(TokenStatus.Revoked, (token with { RevokedAt = Samples.Start }).StatusAt(Samples.Now));
    }

    private static List<Sample<TokenSet>> States() =>
    [
        new("none", new TokenSet()),
        new("one administrator", Set(Token(admin, Role.Administrator))),
        new("administrator and ci", Set(Token(admin, Role.Administrator), Token(ci, Role.Publisher))),
        new("ci used just now", Set(Token(admin, Role.Administrator), Token(ci, Role.Publisher) with { LastUsedAt = Samples.Now })),
        new("ci will expire", Set(Token(admin, Role.Administrator), Token(ci, Role.Publisher, Samples.Now.AddHours(1)))),
        new("ci has expired", Set(Token(admin, Role.Administrator), Token(ci, Role.Publisher, Samples.Now.AddSeconds(-1)))),
        new("ci's expiry is noted", Set(Token(admin, Role.Administrator), Token(ci, Role.Publisher, Samples.Now.AddSeconds(-1)) with { ExpiryNotedAt = Samples.Now })),
        new("ci is revoked", Set(Token(admin, Role.Administrator), Token(ci, Role.Publisher) with { RevokedAt = Samples.Now })),
        new("two administrators", Set(Token(admin, Role.Administrator), Token(ci, Role.Administrator))),
        new("the other administrator is expired", Set(Token(admin, Role.Administrator), Token(ci, Role.Administrator, Samples.Start))),
    ];

    private static List<Sample<TokenCommand>> Commands() =>
    [
        new("Issue ci", new TokenCommand.Issue(ci, Role.Publisher, two, null)),
        new("Issue ci, the same again", new TokenCommand.Issue(ci, Role.Publisher, one, null)),
        new("Issue ci, expired already", new TokenCommand.Issue(ci, Role.Publisher, two, Samples.Now)),
        new("Reset administrator", new TokenCommand.Reset(admin, Role.Administrator, two)),
        new("Revoke ci", new TokenCommand.Revoke(ci)),
        new("Revoke administrator", new TokenCommand.Revoke(admin)),
        new("Use ci", new TokenCommand.Use([ci])),
        new("Use nobody", new TokenCommand.Use([new TokenName("nobody")])),
        new("NoteExpiry", new TokenCommand.NoteExpiry()),
    ];

    [Fact]
    public void A_full_set_forgets_the_oldest_that_no_longer_works_and_refuses_when_all_work()
    {
        var full = Set([.. Enumerable.Range(0, Limits.Tokens).Select(i => Token(new TokenName($"t{i}"), Role.Viewer))]);
        var issue = new TokenCommand.Issue(ci, Role.Viewer, two, null);
        Assert.Equal("token.too-many", TokenMachine.Decide(full, issue, Samples.Now).Refusal?.Code);

        var withDead = full with { Tokens = [.. full.Tokens.Select((t, i) => i is 5 or 7 ? t with { RevokedAt = Samples.Start } : t)] };
        var decision = TokenMachine.Decide(withDead, issue, Samples.Now);
        Assert.Equal(new TokenEvent.Forgotten(new TokenName("t5")), decision.Events[0]);
        Assert.Equal(Limits.Tokens, decision.Events.Aggregate(withDead, (s, e) => TokenMachine.Evolve(s, e, Samples.Now)).Tokens.Count);

        var reset = TokenMachine.Decide(full, new TokenCommand.Reset(admin, Role.Administrator, two), Samples.Now);
        Assert.Equal([new TokenEvent.Forgotten(new TokenName("t0"))], reset.Events.OfType<TokenEvent.Forgotten>());
        Assert.NotNull(reset.Events.Aggregate(full, (s, e) => TokenMachine.Evolve(s, e, Samples.Now)).Find(admin));
    }

    private static TokenSet Set(params AccessToken[] tokens) => new() { Tokens = tokens, Revision = 1 };

    private static AccessToken Token(TokenName name, Role role, DateTimeOffset? expires = null) => new(name, role, one, Samples.Start, expires);
}
