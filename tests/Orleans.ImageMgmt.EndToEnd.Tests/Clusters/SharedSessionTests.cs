using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Npgsql;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: a browser that has signed in at one process of a cluster is signed in at all, also behind a balancer that sends every request elsewhere, and the
/// dashboard is behind that same door. Method: a silo and a front end that start at once on an empty database, and a browser's side by hand.</summary>
[Collection("servers")]
public sealed partial class SharedSessionTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_session_of_one_process_opens_the_dashboard_of_every_other_and_its_keys_are_sealed()
    {
        await using var cluster = new SiloCluster(server);
        var secret = Path.Combine(cluster.Root, "secret");
        await File.WriteAllBytesAsync(secret, RandomNumberGenerator.GetBytes(32), Token);
        File.SetUnixFileMode(secret, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        string[] common = [$"Cluster:SecretFile={secret}", "Http:TokenRefresh=1m"];
        await cluster.StartAsync(common, common, [.. common, "Cluster:Role=Web"]);

        for (var at = 0; at < cluster.Silos.Count; at++)
        {
            using var browser = Browser(cluster.Silos[at].Url);
            var cookie = await SignInAsync(browser, cluster.Token);
            foreach (var process in cluster.Silos)
            {
                using var other = Browser(process.Url);
                Assert.Equal(HttpStatusCode.Redirect, (await other.GetAsync("/dashboard/", Token)).StatusCode);
                other.DefaultRequestHeaders.Add("Cookie", cookie);
                Assert.Equal(HttpStatusCode.OK, (await other.GetAsync("/dashboard/", Token)).StatusCode);
                Assert.Contains("\"totalActiveHostCount\":2", await other.GetStringAsync("/dashboard/DashboardCounters", Token), StringComparison.OrdinalIgnoreCase);
            }
        }

        // All of them read the tokens within this minute, and a guess has just made them look again; one that is new works everywhere nevertheless.
        using var maker = ImageMgmtHttpClient.Create(cluster.Silos[0].Url, cluster.Token);
        await Task.WhenAll(cluster.Silos.Select(process => GuessAsync(process.Url, cluster.Token)));
        var made = await maker.CreateTokenAsync(new CreateTokenRequest { Name = "new", Role = Role.Viewer }, Token);
        foreach (var process in cluster.Silos)
        {
            using var user = ImageMgmtHttpClient.Create(process.Url, made.Token);
            Assert.Equal("new", (await user.GetMeAsync(Token)).Name);
        }

        var keys = await ReadKeysAsync(cluster.Database);
        Assert.Single(keys); // processes that start at once make one
        Assert.Contains("<sealed secret=", keys[0], StringComparison.Ordinal);
        Assert.DoesNotContain("masterKey", keys[0], StringComparison.Ordinal);

        var stranger = await cluster.AddAsync("without-the-secret");
        stranger.Start();
        Assert.Equal(2, await stranger.Process.ExitAsync());
        Assert.Contains(stranger.Process.Errors, line => line.Contains("give Cluster:SecretFile, the same file", StringComparison.Ordinal));
    }

    private static async Task GuessAsync(Uri server, string token)
    {
        using var guesser = ImageMgmtHttpClient.Create(server, token[..^1] + (token[^1] == 'A' ? 'B' : 'A'));
        Assert.Equal(HttpStatusCode.Unauthorized, (await Assert.ThrowsAsync<ProblemException>(() => guesser.GetMeAsync(Token))).StatusCode);
    }

    private static HttpClient Browser(Uri server)
    {
        var browser = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = server };
        browser.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("text/html"));
        return browser;
    }

    private static async Task<string> SignInAsync(HttpClient browser, string token)
    {
        using var page = await browser.GetAsync("/sign-in", Token);
        var form = Field().Match(await page.Content.ReadAsStringAsync(Token));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/sign-in")
        {
            Content = new FormUrlEncodedContent([new("token", token), new("returnTo", "/dashboard/"), new(form.Groups[1].Value, WebUtility.HtmlDecode(form.Groups[2].Value))]),
        };
        request.Headers.Add("Cookie", page.Headers.GetValues("Set-Cookie").Single().Split(';')[0]);
        using var answer = await browser.SendAsync(request, Token);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        return answer.Headers.GetValues("Set-Cookie").Single(cookie => cookie.StartsWith("imgmt-session-imgmt=", StringComparison.Ordinal)).Split(';')[0];
    }

    private static async Task<List<string>> ReadKeysAsync(string database)
    {
        await using var connection = new NpgsqlConnection(database + ";Search Path=imgmt");
        await connection.OpenAsync(Token);
        await using var command = new NpgsqlCommand("SELECT payload FROM state WHERE key = 'session-keys'", connection);
        await using var rows = await command.ExecuteReaderAsync(Token);
        var keys = new List<string>();
        while (await rows.ReadAsync(Token))
        {
            keys.Add(Encoding.UTF8.GetString((byte[])rows[0]));
        }

        return keys;
    }

    [GeneratedRegex("name=\"(__RequestVerificationToken)\" value=\"([^\"]*)\"")]
    private static partial Regex Field();
}
