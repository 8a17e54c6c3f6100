using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Orleans.ImageMgmt.Host;

internal sealed record SignedIn(string Name, string Role);

internal sealed record SignInModel(string FormField, string FormToken, string ReturnTo, string? Fault, SignedIn? Who);

/// <summary>The sign-in page: one file, no script, nothing from elsewhere. Its style is allowed by its hash.</summary>
internal static class SignInPage
{
    private const string Style = """
        :root{color-scheme:light dark;--ground:#eef1f6;--card:#fff;--ink:#17202e;--soft:#5b6677;--line:#cfd6e1;--field:#fff;--mark:#2457d6;--mark-ink:#fff;--bad:#b3261e;--bad-ground:#fdecea;--code:#f1f4f9}
        @media(prefers-color-scheme:dark){:root{--ground:#0f141c;--card:#18202c;--ink:#e8edf5;--soft:#9aa7ba;--line:#334053;--field:#111823;--mark:#6d9bff;--mark-ink:#0b1220;--bad:#ffb4ab;--bad-ground:#3b1a1a;--code:#111823}}
        *{box-sizing:border-box}
        body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif}
        main{width:100%;max-width:420px;background:var(--card);border:1px solid var(--line);border-radius:16px;padding:36px 36px 28px;box-shadow:0 12px 40px rgba(15,25,45,.10)}
        header{display:flex;align-items:center;gap:14px;margin-bottom:24px}
        header svg{width:44px;height:44px;flex:none}
        h1{font-size:22px;line-height:1.2;margin:0;letter-spacing:-.01em}
        header p{margin:2px 0 0;color:var(--soft);font-size:14px}
        label{display:block;font-weight:600;font-size:14px;margin-bottom:6px}
        input{width:100%;padding:11px 13px;border:1px solid var(--line);border-radius:10px;background:var(--field);color:inherit;font:15px ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
        button{width:100%;margin-top:16px;padding:12px;border:0;border-radius:10px;background:var(--mark);color:var(--mark-ink);font-family:inherit;font-weight:600;font-size:16px;line-height:1.1;cursor:pointer}
        button:hover{filter:brightness(1.08)}
        button.quiet{background:transparent;color:var(--ink);border:1px solid var(--line)}
        a.go{display:block;text-align:center;padding:12px;border-radius:10px;background:var(--mark);color:var(--mark-ink);font-weight:600;text-decoration:none;line-height:1}
        input:focus-visible,button:focus-visible,a:focus-visible,summary:focus-visible{outline:3px solid var(--mark);outline-offset:2px}
        .fault{margin:0 0 18px;padding:10px 13px;border-radius:10px;background:var(--bad-ground);color:var(--bad);font-size:14px}
        .who{margin:0 0 18px}
        details{margin-top:22px;border-top:1px solid var(--line);padding-top:16px;color:var(--soft);font-size:14px}
        summary{cursor:pointer}
        code{display:block;margin:8px 0;padding:9px 11px;border-radius:8px;background:var(--code);color:var(--ink);font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;overflow-wrap:anywhere}
        """;

    private const string Logo = """
        <svg viewBox="0 0 44 44" aria-hidden="true"><rect width="44" height="44" rx="11" fill="#2457d6"/><rect x="9" y="9" width="16" height="16" rx="4" fill="#fff"/><rect x="19" y="19" width="16" height="16" rx="4" fill="#2457d6" stroke="#fff" stroke-width="2.5"/><path d="m23 27 3 3 5-6" fill="none" stroke="#fff" stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round"/></svg>
        """;

    /// <summary>Nothing but this page's own style, and forms to this server only.</summary>
    public static string Policy { get; } =
        $"default-src 'none'; style-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Style)))}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    public static string Render(SignInModel model) => $"""
        <!doctype html>
        <html lang="en">
        <head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex"><title>Sign in · ImageMgmt</title><style>{Style}</style></head>
        <body><main>
        <header>{Logo}<div><h1>ImageMgmt</h1><p>Golden images on every pod</p></div></header>
        {(model.Fault is null ? "" : $"<p class=\"fault\" role=\"alert\">{Text(model.Fault)}</p>")}
        {(model.Who is { } who ? Inside(model, who) : Outside(model))}
        </main></body>
        </html>
        """;

    private static string Outside(SignInModel model) => $"""
        <form method="post" action="{SignIn.Path}" autocomplete="off">
        {Hidden(model)}
        <label for="token">Token</label>
        <input id="token" name="token" type="password" required autofocus spellcheck="false" autocapitalize="none" autocomplete="off" maxlength="128" placeholder="imgmt_…"{(model.Fault is null ? "" : " aria-invalid=\"true\"")}>
        <button type="submit">Sign in</button>
        </form>
        <details><summary>Where do I find a token?</summary>
        <p>An administrator makes one for you:</p><code>imgctl token create NAME --role viewer</code>
        <p>The first one is on the server, in its data folder:</p><code>cat ~/.local/share/imgmt/administrator.token</code></details>
        """;

    private static string Inside(SignInModel model, SignedIn who) => $"""
        <p class="who">You are signed in as <strong>{Text(who.Name)}</strong> with the role <strong>{Text(who.Role)}</strong>.</p>
        <a class="go" href="{Text(model.ReturnTo)}">Go on</a>
        <form method="post" action="{SignIn.OutPath}">
        {Hidden(model)}
        <button class="quiet" type="submit">Sign out</button>
        </form>
        """;

    private static string Hidden(SignInModel model) =>
        $"<input type=\"hidden\" name=\"{Text(model.FormField)}\" value=\"{Text(model.FormToken)}\"><input type=\"hidden\" name=\"returnTo\" value=\"{Text(model.ReturnTo)}\">";

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
