using System.Net;
using System.Net.Http.Headers;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Locks;

/// <summary>Goal: no log gives a secret away. Method: the real program at its most talkative, every way in that a secret can take, and all that it printed searched.</summary>
public sealed class SecretLogTests
{
    [Theory]
    [InlineData("Text")]
    [InlineData("Json")]
    public async Task All_logs_at_their_most_talkative_hold_no_planted_secret(string format)
    {
        var folder = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        var (program, address, admin) = await ImgmtProgram.ServeAsync(Path.Combine(folder, "data"), $"Log:Format={format}", "Log:Level=Trace", "Log:HttpLevel=Trace", "Log:OrleansLevel=Debug");
        await using (program)
        {
            List<string> secrets = [admin];
            using var handler = new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false };
            using var client = new HttpClient(handler) { BaseAddress = address, Timeout = DoorsHost.Limit };
            var made = await PlantAsync(client, secrets, admin);
            await AskAsync(client, made);
            foreach (var place in (string[])[$"{Routes.Me}?token={made}", $"{Routes.Tokens}/{made}", $"/nowhere/{made}"])
            {
                using var answer = await client.GetAsync(place, DoorsHost.Stop); // a caller's mistake: a token in the address
                Assert.False(answer.IsSuccessStatusCode);
            }

            await AskAsync(client, Host.Secrets.New(), secrets);
            await AskAsync(client, "planted-other-credential-1", secrets);
            var session = await SignInTests.SignInAsync(client, made, "/");
            secrets.Add(session.Cookie.Split('=', 2)[1]);
            using var page = new HttpRequestMessage(HttpMethod.Get, "/dashboard/");
            page.Headers.Add("Cookie", session.Cookie + "; other=planted-cookie-2");
            secrets.Add("planted-cookie-2");
            using var dashboard = await client.SendAsync(page, DoorsHost.Stop);
            Assert.Equal(HttpStatusCode.OK, dashboard.StatusCode);
            await program.TerminateAsync();

            var output = program.Output;
            Assert.Contains(format == "Json" ? "\"LogLevel\":\"Debug\"" : "dbug: Microsoft.AspNetCore", output, StringComparison.Ordinal); // it was talkative
            Assert.Contains("imgmt_(hidden)", output, StringComparison.Ordinal);
            Assert.All(secrets, secret => Assert.False(output.Contains(secret, StringComparison.Ordinal), $"a log line holds a secret: {Line(output, secret)}"));
        }

        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData("Bearer imgmt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ok", "Bearer imgmt_(hidden) ok")]
    [InlineData("nothing here", "nothing here")]
    public void The_last_net_hides_tokens_and_leaves_the_rest(string text, string expected) => Assert.Equal(expected, Host.Secrets.Scrub(text));

    private static async Task<string> PlantAsync(HttpClient client, List<string> secrets, string admin)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Routes.Tokens) { Content = DoorsHost.Json(new { name = "planted", role = "publisher" }) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", admin);
        using var answer = await client.SendAsync(request, DoorsHost.Stop);
        var made = System.Text.Json.JsonDocument.Parse(await answer.Content.ReadAsStringAsync(DoorsHost.Stop)).RootElement.GetProperty("token").GetString()!;
        secrets.Add(made);
        return made;
    }

    private static async Task AskAsync(HttpClient client, string secret, List<string>? secrets = null)
    {
        secrets?.Add(secret);
        foreach (var scheme in (string[])["Bearer", "Basic"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, Routes.Me);
            request.Headers.TryAddWithoutValidation("Authorization", $"{scheme} {secret}");
            using var answer = await client.SendAsync(request, DoorsHost.Stop);
        }
    }

    private static string Line(string output, string secret) => output.Split('\n').FirstOrDefault(l => l.Contains(secret, StringComparison.Ordinal), "").Replace(secret, "***", StringComparison.Ordinal);
}
