using System.Net;
using System.Text.RegularExpressions;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Locks;

/// <summary>Goal: a person gets in with a browser, and nobody else does through it. Method: the browser's side by hand: forms, cookies, redirects.</summary>
public sealed partial class SignInTests
{
    [Fact]
    public async Task A_browser_without_a_session_is_shown_the_sign_in_page_and_a_program_is_told_to_bring_a_token()
    {
        await using var server = await DoorsHost.StartAsync();
        using var client = server.Client();
        using var page = await GetAsync(client, "/dashboard/?a=b", html: true);
        Assert.Equal((HttpStatusCode.Redirect, "/sign-in?returnTo=%2Fdashboard%2F%3Fa%3Db"), (page.StatusCode, page.Headers.Location?.OriginalString));
        using var program = await GetAsync(client, "/dashboard/", html: false);
        Assert.Equal((HttpStatusCode.Unauthorized, "token.missing"), (program.StatusCode, await DoorsHost.CodeOfAsync(program)));
        using var api = await GetAsync(client, Routes.Me, html: true);
        Assert.Equal(HttpStatusCode.Unauthorized, api.StatusCode);
    }

    [Fact]
    public async Task The_page_needs_no_script_and_lets_nothing_in_from_elsewhere()
    {
        await using var server = await DoorsHost.StartAsync();
        using var page = await GetAsync(server.Client(), "/sign-in", html: true);
        var html = await page.Content.ReadAsStringAsync(DoorsHost.Stop);

        Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotMatch("(?i)(href|src|action)=\"?https?:", html);
        var policy = page.Headers.GetValues("Content-Security-Policy").Single();
        Assert.StartsWith("default-src 'none'; style-src 'sha256-", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        var style = Regex.Match(html, "<style>(.*?)</style>", RegexOptions.Singleline).Groups[1].Value;
        Assert.Contains(Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(style))), policy, StringComparison.Ordinal);
        Assert.Equal("no-store", page.Headers.CacheControl?.ToString());
    }

    [Fact]
    public async Task A_token_opens_the_dashboard_and_signing_out_closes_it()
    {
        await using var server = await DoorsHost.StartAsync();
        using var client = server.Client();
        var session = await SignInAsync(client, server.AdministratorToken, "/dashboard/");

        Assert.Matches($"^imgmt-session-{server.Address.Port}=", session.Cookie);
        Assert.Contains("httponly", session.Attributes, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", session.Attributes, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("path=/", session.Attributes, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("expires=", session.Attributes, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(server.AdministratorToken, session.Cookie, StringComparison.Ordinal);
        Assert.Equal("/dashboard/", session.Location);
        using var dashboard = await GetAsync(client, "/dashboard/", html: true, session.Cookie);
        Assert.Equal(HttpStatusCode.OK, dashboard.StatusCode);
        using var counters = await GetAsync(client, "/dashboard/ClusterStats", html: false, session.Cookie);
        Assert.Equal(HttpStatusCode.OK, counters.StatusCode);
        using var trace = await GetAsync(client, "/dashboard/Trace", html: false, session.Cookie);
        Assert.Equal(HttpStatusCode.Forbidden, trace.StatusCode);
        using var script = await GetAsync(client, "/dashboard/index.min.js", html: false, session.Cookie);
        Assert.StartsWith("window.hideTrace=true;", await script.Content.ReadAsStringAsync(DoorsHost.Stop), StringComparison.Ordinal);

        using var inside = await GetAsync(client, "/sign-in", html: true, session.Cookie);
        Assert.Contains("signed in as <strong>administrator</strong>", await inside.Content.ReadAsStringAsync(DoorsHost.Stop), StringComparison.Ordinal);
        using var left = await PostAsync(client, "/sign-out", inside, session.Cookie);
        Assert.Equal(HttpStatusCode.SeeOther, left.StatusCode);
        Assert.Contains(left.Headers.GetValues("Set-Cookie"), c => c.StartsWith($"imgmt-session-{server.Address.Port}=;", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_session_reads_and_changes_nothing_and_ends_with_its_token()
    {
        await using var server = await DoorsHost.StartAsync();
        using var client = server.Client();
        var session = await SignInAsync(client, await server.TokenAsync("person", "administrator"), "/");
        using var reads = await GetAsync(client, Routes.Tokens, html: false, session.Cookie);
        Assert.Equal(HttpStatusCode.OK, reads.StatusCode);
        using var change = new HttpRequestMessage(HttpMethod.Post, Routes.Tokens) { Content = DoorsHost.Json(new { name = "stolen", role = "administrator" }) };
        change.Headers.Add("Cookie", session.Cookie);
        using var refused = await client.SendAsync(change, DoorsHost.Stop);
        Assert.Equal((HttpStatusCode.Unauthorized, "token.missing"), (refused.StatusCode, await DoorsHost.CodeOfAsync(refused)));

        await server.Admin.DeleteAsync(Routes.Fill(Routes.Token, "person"), DoorsHost.Stop);

        using var ended = await GetAsync(client, "/dashboard/", html: true, session.Cookie);
        Assert.Equal(HttpStatusCode.Redirect, ended.StatusCode);
    }

    [Fact]
    public async Task A_viewers_session_sees_the_dashboard_but_not_what_grains_keep()
    {
        await using var server = await DoorsHost.StartAsync();
        using var client = server.Client();
        var session = await SignInAsync(client, await server.TokenAsync("reader", "viewer"), "/");
        using var dashboard = await GetAsync(client, "/dashboard/", html: true, session.Cookie);
        Assert.Equal(HttpStatusCode.OK, dashboard.StatusCode);
        using var state = await GetAsync(client, "/dashboard/GrainState?grainId=all&grainType=tokens", html: false, session.Cookie);
        Assert.Equal((HttpStatusCode.Forbidden, "role.insufficient"), (state.StatusCode, await DoorsHost.CodeOfAsync(state)));
    }

    [Theory]
    [InlineData("imgmt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("")]
    [InlineData("<script>alert(1)</script>")]
    public async Task A_wrong_token_opens_nothing_and_the_page_says_so(string token)
    {
        await using var server = await DoorsHost.StartAsync();
        using var client = server.Client();
        using var page = await GetAsync(client, "/sign-in?returnTo=\"><script>alert(1)</script>", html: true);
        using var answer = await PostAsync(client, "/sign-in", page, null, ("token", token), ("returnTo", "/\"><script>"));
        var html = await answer.Content.ReadAsStringAsync(DoorsHost.Stop);

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Contains("There is no such token", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("session", string.Join(' ', answer.Headers.TryGetValues("Set-Cookie", out var set) ? set : []), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/sign-in")]
    [InlineData("/sign-out")]
    public async Task A_form_that_was_sent_from_elsewhere_does_nothing(string path)
    {
        await using var server = await DoorsHost.StartAsync();
        using var client = server.Client();
        using var forged = await client.PostAsync(path, new FormUrlEncodedContent(new Dictionary<string, string> { ["token"] = server.AdministratorToken }), DoorsHost.Stop);
        Assert.Equal(HttpStatusCode.BadRequest, forged.StatusCode);
        Assert.DoesNotContain("imgmt-session", string.Join(' ', forged.Headers.TryGetValues("Set-Cookie", out var set) ? set : []), StringComparison.Ordinal);

        using var page = await GetAsync(client, "/sign-in", html: true);
        using var withoutCookie = await client.PostAsync(path, new FormUrlEncodedContent([KeyValuePair.Create("token", server.AdministratorToken), Field(await page.Content.ReadAsStringAsync(DoorsHost.Stop))]), DoorsHost.Stop);
        Assert.Equal(HttpStatusCode.BadRequest, withoutCookie.StatusCode);
        using var noForm = await client.PostAsync(path, DoorsHost.Json(new { token = server.AdministratorToken }), DoorsHost.Stop);
        Assert.Equal(HttpStatusCode.BadRequest, noForm.StatusCode);
    }

    [Theory]
    [InlineData("https://elsewhere.test/")]
    [InlineData("//elsewhere.test/")]
    [InlineData("/\\elsewhere.test/")]
    [InlineData("/\t/elsewhere.test/")]
    [InlineData("javascript:alert(1)")]
    [InlineData("/a\r\nX-Planted: yes")]
    [InlineData("")]
    [InlineData("/sign-in")]
    public async Task Nobody_is_led_away_after_signing_in(string returnTo)
    {
        await using var server = await DoorsHost.StartAsync();
        var session = await SignInAsync(server.Client(), server.AdministratorToken, returnTo);

        Assert.Equal("/dashboard/", session.Location);
    }

    [Fact]
    public async Task A_forged_old_or_damaged_session_is_no_session()
    {
        await using var server = await DoorsHost.StartAsync();
        using var client = server.Client();
        var session = await SignInAsync(client, server.AdministratorToken, "/");
        foreach (var cookie in (string[])[session.Cookie + "x", session.Cookie[..^4] + "AAAA", $"imgmt-session-{server.Address.Port}={new string('A', 5_000)}", $"imgmt-session-{server.Address.Port}=administrator"])
        {
            using var answer = await GetAsync(client, "/dashboard/", html: true, cookie);
            Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
        }
    }

    [Fact]
    public async Task The_keys_of_sessions_are_their_users_alone_and_outlive_a_restart()
    {
        var root = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        string port, cookie;
        await using (var server = await DoorsHost.StartInAsync(root, ownsRoot: false))
        {
            cookie = (await SignInAsync(server.Client(), server.AdministratorToken, "/")).Cookie.Split('=', 2)[1];
            var keys = Path.Combine(server.Data, "session-keys");
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, new DirectoryInfo(keys).UnixFileMode);
            Assert.All(Directory.GetFiles(keys), f => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(f)));
            port = server.Address.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        await using var again = await DoorsHost.StartInAsync(root, ownsRoot: true);
        using var answer = await GetAsync(again.Client(), "/dashboard/", html: true, $"imgmt-session-{again.Address.Port}={cookie}");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.NotEmpty(port);
    }

    internal sealed record Session(string Cookie, string Attributes, string? Location);

    internal static async Task<Session> SignInAsync(HttpClient client, string token, string returnTo)
    {
        using var page = await GetAsync(client, "/sign-in", html: true);
        using var answer = await PostAsync(client, "/sign-in", page, null, ("token", token), ("returnTo", returnTo));
        Assert.True(answer.StatusCode == HttpStatusCode.SeeOther, $"{answer.StatusCode} {await answer.Content.ReadAsStringAsync(DoorsHost.Stop)}");
        Assert.False(answer.Headers.Contains("X-Planted"));
        var set = answer.Headers.GetValues("Set-Cookie").Single(c => c.Contains("imgmt-session", StringComparison.Ordinal));
        return new Session(set.Split(';')[0], set[(set.IndexOf(';', StringComparison.Ordinal) + 1)..], answer.Headers.Location?.OriginalString);
    }

    private static async Task<HttpResponseMessage> GetAsync(HttpClient client, string path, bool html, string? cookie = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Add("Accept", html ? "text/html,application/xhtml+xml,*/*;q=0.8" : "application/json");
        if (cookie is not null)
        {
            request.Headers.Add("Cookie", cookie);
        }

        return await client.SendAsync(request, DoorsHost.Stop);
    }

    /// <summary>Sends the form of a page, with the cookie that came with the page.</summary>
    private static async Task<HttpResponseMessage> PostAsync(HttpClient client, string path, HttpResponseMessage page, string? cookie, params IEnumerable<(string Key, string Value)> fields)
    {
        var form = page.Headers.TryGetValues("Set-Cookie", out var set) ? set.Select(c => c.Split(';')[0]).ToList() : [];
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        request.Headers.Add("Cookie", string.Join("; ", cookie is null ? form : [.. form, cookie]));
        request.Content = new FormUrlEncodedContent([.. fields.Select(f => KeyValuePair.Create(f.Key, f.Value)), Field(await page.Content.ReadAsStringAsync(DoorsHost.Stop))]);
        return await client.SendAsync(request, DoorsHost.Stop);
    }

    private static KeyValuePair<string, string> Field(string html) => FormField().Match(html) is { Success: true } m ? KeyValuePair.Create(m.Groups[1].Value, WebUtility.HtmlDecode(m.Groups[2].Value)) : default;

    [GeneratedRegex("name=\"(__RequestVerificationToken)\" value=\"([^\"]*)\"")]
    private static partial Regex FormField();
}
