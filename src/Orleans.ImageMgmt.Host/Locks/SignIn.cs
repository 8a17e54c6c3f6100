using System.Security.Claims;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>The page where a person shows a token to get a session, and ends it.</summary>
internal static class SignIn
{
    public const string Path = "/sign-in";
    public const string OutPath = "/sign-out";

    private const string Home = "/dashboard/";
    private const string ReturnField = "returnTo";
    private const string TokenField = "token";

    /// <summary>Longest address to come back to.</summary>
    private const int ReturnLimit = 512;

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet(Path, (HttpContext context, IAntiforgery forms) => ShowAsync(context, forms, StatusCodes.Status200OK, null))
            .AllowAnonymous().ExcludeFromDescription();
        app.MapPost(Path, EnterAsync).AllowAnonymous().WithMetadata(new BodyLimit(8 << 10)).ExcludeFromDescription();
        app.MapPost(OutPath, LeaveAsync).AllowAnonymous().WithMetadata(new BodyLimit(8 << 10)).ExcludeFromDescription();
        app.MapGet("/", () => Results.Redirect(Home)).RequireAuthorization(Roles.Viewer).ExcludeFromDescription();
    }

    /// <summary>Where a browser without a session is sent, to come back afterwards.</summary>
    public static string AddressFor(HttpRequest request) => $"{Path}{QueryString.Create(ReturnField, Local(request.Path + request.QueryString))}";

    private static async Task EnterAsync(HttpContext context, IAntiforgery forms, TokenDirectory tokens, Sessions sessions, TimeProvider time, ILogger<Sessions> log)
    {
        if (await ReadFormAsync(context, forms) is not { } form)
        {
            await ShowAsync(context, forms, StatusCodes.Status400BadRequest, "The page was too old, or was sent from elsewhere. Try again.");
            return;
        }

        var hash = Secrets.HashOf(form[TokenField].ToString().Trim());
        var token = hash is null ? null : await tokens.FindAsync(hash.Value, context.RequestAborted);
        var status = token?.StatusAt(time.GetUtcNow());
        if (status != TokenStatus.Live)
        {
            LocksLog.Refused(log, context.Connection.RemoteIpAddress?.ToString() ?? "unknown", "sign-in.refused");
            await ShowAsync(context, forms, StatusCodes.Status401Unauthorized, status switch
            {
                TokenStatus.Expired => "This token has expired. Ask an administrator for a new one.",
                TokenStatus.Revoked => "This token was revoked. Ask an administrator for a new one.",
                _ => "There is no such token. Check that you copied all of it.",
            }, form[ReturnField]);
            return;
        }

        sessions.Begin(context, token!.Hash);
        SeeOther(context, Local(form[ReturnField]));
    }

    private static async Task LeaveAsync(HttpContext context, IAntiforgery forms, Sessions sessions)
    {
        if (await ReadFormAsync(context, forms) is null)
        {
            await ShowAsync(context, forms, StatusCodes.Status400BadRequest, "The page was too old, or was sent from elsewhere. Try again.");
            return;
        }

        sessions.End(context);
        SeeOther(context, Path);
    }

    /// <summary>The form, when it comes from a page of ours; else null.</summary>
    private static async Task<IFormCollection?> ReadFormAsync(HttpContext context, IAntiforgery forms)
    {
        try
        {
            if (!context.Request.HasFormContentType)
            {
                return null;
            }

            await forms.ValidateRequestAsync(context);
            return await context.Request.ReadFormAsync(context.RequestAborted);
        }
        catch (Exception problem) when (problem is AntiforgeryValidationException or InvalidDataException)
        {
            return null;
        }
    }

    private static Task ShowAsync(HttpContext context, IAntiforgery forms, int status, string? fault, string? returnTo = null)
    {
        var form = forms.GetAndStoreTokens(context);
        var who = context.User.Identity is { IsAuthenticated: true, Name: { } name } ? new SignedIn(name, context.User.FindFirstValue(ClaimTypes.Role) ?? "") : null;
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.ContentSecurityPolicy = SignInPage.Policy;
        var back = Local(returnTo ?? (string?)context.Request.Query[ReturnField]);
        return context.Response.WriteAsync(SignInPage.Render(new SignInModel(form.FormFieldName, form.RequestToken ?? "", back, fault, who)), context.RequestAborted);
    }

    /// <summary>An address inside this server, whatever was asked: nobody is led away from here.</summary>
    private static string Local(string? address) => address is ['/', ..] and not ['/', '/' or '\\', ..]
        && address.Length <= ReturnLimit && !address.Any(char.IsControl) && !address.StartsWith(Path, StringComparison.OrdinalIgnoreCase) && !address.StartsWith(OutPath, StringComparison.OrdinalIgnoreCase)
        ? address : Home;

    private static void SeeOther(HttpContext context, string address)
    {
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = new Uri(address, UriKind.Relative).ToString() is var text && text.All(char.IsAscii) ? text : Home;
    }
}

/// <summary>The longest body that one endpoint takes; null: any length.</summary>
internal sealed record BodyLimit(long? MaxRequestBodySize) : IRequestSizeLimitMetadata;
