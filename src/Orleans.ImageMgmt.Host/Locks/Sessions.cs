using System.Globalization;
using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>
/// The cookie of a browser that has shown a token. It holds the token's hash and its own end, encrypted with keys of the data folder, or of the database in a cluster; the token
/// itself is looked at with every request, so that a session ends when its token does.
/// </summary>
internal sealed class Sessions(IDataProtectionProvider protection, HostSettings settings, HttpOptions http, TimeProvider time)
{
    /// <summary>The claim that carries the hash of the token that was shown.</summary>
    public const string HashClaim = "token-hash";

    /// <summary>Longest cookie that is looked at; ours are shorter.</summary>
    private const int CookieLimit = 1_024;

    private readonly IDataProtector protector = protection.CreateProtector("imgmt.session.v1");

    public void Begin(HttpContext context, Digest hash)
    {
        var end = time.GetUtcNow() + http.SessionLifetime;
        var text = protector.Protect(string.Create(CultureInfo.InvariantCulture, $"{end.ToUnixTimeSeconds()} {hash.Value}"));
        context.Response.Cookies.Append(NameFor(context), text, Cookie(context, end));
    }

    public void End(HttpContext context) => context.Response.Cookies.Delete(NameFor(context), Cookie(context, null));

    /// <summary>The hash of the token that was shown, or null when there is no session, or none that counts.</summary>
    public Digest? Read(HttpContext context)
    {
        if (!context.Request.Cookies.TryGetValue(NameFor(context), out var text) || text.Length > CookieLimit)
        {
            return null;
        }

        try
        {
            return protector.Unprotect(text).Split(' ') is [var end, var hash]
                && long.TryParse(end, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
                && DateTimeOffset.FromUnixTimeSeconds(seconds) > time.GetUtcNow()
                && Digest.TryCreate(hash, out var digest) ? digest : null;
        }
        catch (CryptographicException)
        {
            return null; // not ours, or its key is gone
        }
    }

    /// <summary>Browsers share cookies between the ports of a host: each server has a name of its own, and a cluster one for all. The prefix makes a browser insist on TLS.</summary>
    private string NameFor(HttpContext context) => string.Create(CultureInfo.InvariantCulture,
        $"{(context.Request.IsHttps ? "__Host-" : "")}imgmt-session-{(settings.Cluster.IsOn ? settings.Cluster.Name : context.Connection.LocalPort)}");

    private static CookieOptions Cookie(HttpContext context, DateTimeOffset? end) => new()
    {
        HttpOnly = true,
        Secure = context.Request.IsHttps,
        SameSite = SameSiteMode.Strict,
        Path = "/",
        Expires = end,
        IsEssential = true,
    };
}
