using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>
/// Finds out who asks: by the bearer token (RFC 6750), or by the session of a browser that has shown one. A session only reads: a page of
/// another program on this host could make a browser send a change.
/// </summary>
internal sealed class TokenAuthentication(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder,
    TokenDirectory tokens, TokenUse use, Sessions sessions, TimeProvider time) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "token";

    private const string Bearer = "Bearer ";
    private const string Realm = "Bearer realm=\"imgmt\"";

    private Refusal? refusal;
    private bool areTokensUnreadable;
    private bool cameBySession;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization;
        cameBySession = header.Count == 0;
        var hash = !cameBySession ? FromHeader(header) : SessionMayAct() ? sessions.Read(Context) : null;
        if (hash is null)
        {
            return refusal is null ? AuthenticateResult.NoResult() : AuthenticateResult.Fail(refusal.Code);
        }

        AccessToken? token;
        try
        {
            token = await tokens.FindAsync(hash.Value, Context.RequestAborted);
        }
        catch (Exception problem) when (!Context.RequestAborted.IsCancellationRequested)
        {
            LocksLog.TokensUnreadable(Logger, problem);
            areTokensUnreadable = true;
            return AuthenticateResult.Fail("access.unavailable");
        }

        refusal = token?.StatusAt(time.GetUtcNow()) switch
        {
            null => new Refusal("token.unknown", "There is no such token.", "Check that the whole token was sent, and to this server."),
            TokenStatus.Expired => new Refusal("token.expired", $"Token {token.Name} has expired.", "Ask an administrator for a new one."),
            TokenStatus.Revoked => new Refusal("token.revoked", $"Token {token.Name} was revoked.", "Ask an administrator for a new one."),
            _ => null,
        };
        if (refusal is not null)
        {
            return AuthenticateResult.Fail(refusal.Code);
        }

        use.Note(token!);
        return AuthenticateResult.Success(new AuthenticationTicket(PrincipalOf(token!), SchemeName));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (areTokensUnreadable)
        {
            return Answers.WriteAsync(Context, StatusCodes.Status503ServiceUnavailable, "The tokens cannot be read",
                new Refusal("access.unavailable", "The server cannot read its tokens at the moment, so nobody can come in.", "Try again soon; if it stays so, look into the server's log."),
                TimeSpan.FromSeconds(5));
        }

        if (cameBySession && IsBrowserPage())
        {
            Response.Redirect(SignIn.AddressFor(Request));
            return Task.CompletedTask;
        }

        LocksLog.Refused(Logger, Context.Connection.RemoteIpAddress?.ToString() ?? "unknown", refusal?.Code ?? "token.missing");
        Response.Headers.WWWAuthenticate = refusal is null ? Realm : $"{Realm}, error=\"invalid_token\"";
        return Answers.WriteAsync(Context, StatusCodes.Status401Unauthorized, "A token is needed", refusal
            ?? new Refusal("token.missing", "The request carries no token.", "Send it in the header: Authorization: Bearer TOKEN."));
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        var needed = Roles.All.LastOrDefault(role => Context.GetEndpoint()?.Metadata.GetOrderedMetadata<IAuthorizeData>().Any(a => a.Policy == role) == true) ?? Roles.Viewer;
        var own = Context.User.FindFirstValue(ClaimTypes.Role);
        return Answers.WriteAsync(Context, StatusCodes.Status403Forbidden, "The token's role does not allow this",
            new Refusal("role.insufficient", $"Token {Context.User.Identity?.Name} has the role {own}; this needs {needed}.", $"Use a token of role {needed} or above."));
    }

    private static ClaimsPrincipal PrincipalOf(AccessToken token) => new(new ClaimsIdentity(
        [new Claim(ClaimTypes.Name, token.Name.Value), new Claim(ClaimTypes.Role, Roles.Of(token.Role)), new Claim(Sessions.HashClaim, token.Hash.Value)], SchemeName));

    private Digest? FromHeader(Microsoft.Extensions.Primitives.StringValues header)
    {
        var text = header.Count == 1 ? header[0]! : "";
        var hash = text.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) ? Secrets.HashOf(text[Bearer.Length..].Trim(' ')) : null;
        refusal = hash is not null ? null
            : new Refusal("token.malformed", "The Authorization header holds no token of this service.", "Send it as: Authorization: Bearer imgmt_….");
        return hash;
    }

    private bool SessionMayAct() => HttpMethods.IsGet(Request.Method) || HttpMethods.IsHead(Request.Method) || Request.Path == SignIn.OutPath;

    /// <summary>A person opens a page; programs, and the scripts of a page, ask for something else.</summary>
    private bool IsBrowserPage() => HttpMethods.IsGet(Request.Method) && !Request.Path.StartsWithSegments(Api.Routes.Root)
        && Request.Headers[HeaderNames.Accept].ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase);
}
