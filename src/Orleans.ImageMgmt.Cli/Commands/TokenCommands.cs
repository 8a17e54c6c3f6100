using System.CommandLine;
using System.Globalization;
using System.Text;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Tokens: who may do what.</summary>
internal static class TokenCommands
{
    /// <summary>ISO 8601 and nothing that two countries read in two ways.</summary>
    private static readonly string[] Moments = ["yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd'T'HH:mm:ssK"];

    public static Command Create(Wiring wiring) => wiring.Group("token", "Who may do what. Only an administrator manages tokens.", Make(wiring), List(wiring), Revoke(wiring));

    private static Command Make(Wiring wiring)
    {
        var name = new Argument<string>("NAME") { Description = "Its name, which stands in the activity log." };
        var role = Asked.Word<Role>("--role", "viewer, operator, publisher or administrator; each may do what the one before may.");
        role.Required = true;
        var expires = new Option<string?>("--expires") { Description = "When it stops working: 12h, 90d, a date such as 2027-01-31 (to its end, UTC), or 2027-01-31T18:00Z. Left out: never.", HelpName = "WHEN" };
        var file = new Option<string?>("--file") { Description = "Write it into this new file, readable by you alone, instead of printing it.", HelpName = "FILE" };
        var reason = Asked.Reason();
        return wiring.Verb("create", "Makes a token and shows it, this one time.",
            ["imgctl token create ci-packer --role publisher --expires 90d --file ~/ci.token", "imgctl token create wallboard --role viewer | ssh board 'cat > board.token'"],
            async (run, stop) =>
            {
                var request = new CreateTokenRequest { Name = run.Get(name), Role = run.Get(role)!.Value, ExpiresAt = Until(run.Get(expires), run.Screen.Time.GetUtcNow()), Reason = run.Get(reason) };
                if (run.Get(file) is { } path)
                {
                    var kept = await IntoFileAsync(run, request, path, stop);
                    run.Printer.Done(kept, NameOf, $"Token {kept.Name} ({Shown.State<Role>(kept.Role).ToLowerInvariant()}) is in {path}.");
                    return ExitCodes.Well;
                }

                var made = await run.Client.CreateTokenAsync(request, stop);
                if (!run.Printer.Structured(made, [NameOf(made.Resource)]))
                {
                    run.Hint($"Token {made.Resource.Name}, {Shown.State<Role>(made.Resource.Role).ToLowerInvariant()}, {(made.Resource.ExpiresAt is { } end ? $"until {Shown.Time(end)}" : "without end")}. It is shown only now:");
                    await run.Screen.Out.WriteLineAsync(Plain.Line(made.Token));
                }

                return ExitCodes.Well;
            }, name, role, expires, file, reason);
    }

    /// <summary>The file comes first: a token that could be written nowhere would exist without anybody having it.</summary>
    private static async Task<TokenResource> IntoFileAsync(Invocation run, CreateTokenRequest request, string path, CancellationToken stop)
    {
        if (File.Exists(path) || Directory.Exists(path))
        {
            throw new CliProblem(ExitCodes.Refused, $"{path} exists.", "Name a new file; a token is never written over something else.");
        }

        await using var file = PrivateFile.Create(path, mustBeNew: true);
        CreatedToken? made = null;
        try
        {
            made = await run.Client.CreateTokenAsync(request, stop);
            await file.WriteAsync(Encoding.UTF8.GetBytes(made.Token + "\n"), CancellationToken.None);
            await file.FlushAsync(CancellationToken.None);
            RandomAccess.FlushToDisk(file.SafeFileHandle);
            return made.Resource;
        }
        catch (Exception problem)
        {
            File.Delete(path);
            if (made is null || problem is not IOException)
            {
                throw;
            }

            throw new CliProblem(ExitCodes.Failed, $"Token {request.Name} was made, but could not be written to {path}: {problem.Message}",
                $"Nobody has it; revoke it with: imgctl token revoke {request.Name} --yes", inner: problem);
        }
    }

    private static Command List(Wiring wiring)
    {
        var limit = Asked.Limit();
        return wiring.Verb("list", "Lists tokens; never the tokens themselves.", ["imgctl token list"], async (run, stop) =>
        {
            var tokens = await run.Client.AllTokensAsync(stop).FirstAsync(run.Get(limit), run, stop);
            var now = run.Screen.Time.GetUtcNow();
            run.Printer.Many(tokens, NameOf, rows =>
            {
                var table = new Table(new("NAME", 0, 12), new("ROLE"), new("STATE", 1), new("EXPIRES", 2), new("LAST USED", 3, IsNumber: true), new("AGE", 4, IsNumber: true));
                foreach (var token in rows)
                {
                    var state = token.RevokedAt is not null ? "Revoked" : token.ExpiresAt <= now ? "Expired" : "Active";
                    table.Add(token.Name, Shown.State<Role>(token.Role).ToLowerInvariant(), state, token.ExpiresAt is null ? "never" : Shown.Time(token.ExpiresAt), token.LastUsedAt is null ? "never" : Shown.Age(token.LastUsedAt, now), Shown.Age(token.CreatedAt, now));
                }

                return table;
            }, "There are no tokens.");
            return ExitCodes.Well;
        }, limit);
    }

    private static Command Revoke(Wiring wiring)
    {
        var (token, reason, yes) = (wiring.Names.Token(), Asked.Reason(), Asked.Yes());
        return wiring.Verb("revoke", "Makes a token useless at once.", ["imgctl token revoke ci-packer --reason \"laptop lost\" --yes"], async (run, stop) =>
        {
            await run.ConfirmAsync($"Revoke token {run.Get(token)}? Whoever uses it is locked out at once.", run.Get(yes), stop);
            await run.Client.RevokeTokenAsync(run.Get(token), run.Get(reason), stop);
            run.Printer.Done(new { Name = run.Get(token), Revoked = true }, gone => $"token/{gone.Name}", $"Token {run.Get(token)} is revoked.");
            return ExitCodes.Well;
        }, token, reason, yes);
    }

    private static string NameOf(TokenResource token) => $"token/{token.Name}";

    /// <summary><c>12h</c> and <c>90d</c> from now, or a date at its end in UTC.</summary>
    internal static DateTimeOffset? Until(string? when, DateTimeOffset now)
    {
        if (when is null)
        {
            return null;
        }

        if (when.Length > 1 && int.TryParse(when[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is > 0 and <= 100_000)
        {
            switch (when[^1])
            {
                case 'h':
                    return now.AddHours(count);
                case 'd':
                    return now.AddDays(count);
                default:
                    break;
            }
        }

        if (DateOnly.TryParseExact(when, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date) && date < DateOnly.MaxValue)
        {
            return new DateTimeOffset(date.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero).AddDays(1);
        }

        return DateTimeOffset.TryParseExact(when, Moments, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time
            : throw CliProblem.Usage($"--expires takes 12h, 90d, a date such as 2027-01-31 or a time such as 2027-01-31T18:00Z, not '{when}'.");
    }
}
