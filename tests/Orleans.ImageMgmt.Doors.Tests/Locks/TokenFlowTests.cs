using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Grains.Durable;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Locks;

/// <summary>Goal: tokens do what they promise from the first start to their end. Method: a real server, real HTTP, real files.</summary>
public sealed class TokenFlowTests
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    [Fact]
    public async Task The_first_start_leaves_a_token_and_an_address_that_only_their_user_can_read()
    {
        await using var server = await DoorsHost.StartAsync();
        var token = Path.Combine(server.Data, "administrator.token");
        var endpoint = Path.Combine(server.Data, "endpoint.json");

        Assert.Equal(Private, File.GetUnixFileMode(token));
        Assert.Equal(Private, File.GetUnixFileMode(endpoint));
        Assert.Matches("^imgmt_[A-Za-z0-9_-]{43}\n$", await File.ReadAllTextAsync(token, DoorsHost.Stop));
        var note = JsonDocument.Parse(await File.ReadAllTextAsync(endpoint, DoorsHost.Stop)).RootElement;
        Assert.Equal(server.Address, new Uri(note.GetProperty("url").GetString()!));
        Assert.Equal(Environment.ProcessId, note.GetProperty("processId").GetInt32());
        Assert.Empty(Directory.GetFiles(server.Data, "*.new"));
        var me = await server.Admin.GetFromJsonAsync<MeResource>(Routes.Me, ImageMgmtJson.Options, DoorsHost.Stop);
        Assert.Equal(("administrator", Role.Administrator), (me!.Name, me.Role));
    }

    [Fact]
    public async Task A_second_start_keeps_the_tokens_and_makes_no_file_that_was_removed()
    {
        var root = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        string admin, viewer;
        await using (var server = await DoorsHost.StartInAsync(root, ownsRoot: false))
        {
            (admin, viewer) = (server.AdministratorToken, await server.TokenAsync("reader", "viewer"));
            Assert.Equal(HttpStatusCode.OK, (await server.Client(viewer).GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);
            File.Delete(Path.Combine(server.Data, "administrator.token"));
        }

        Assert.False(File.Exists(Path.Combine(root, "data", "endpoint.json")), "a server that ended is nowhere");
        await using var again = await DoorsHost.StartInAsync(root, ownsRoot: true);
        Assert.Equal("", again.AdministratorToken);
        var tokens = await again.Client(admin).GetFromJsonAsync<Page<TokenResource>>(Routes.Tokens, ImageMgmtJson.Options, DoorsHost.Stop);
        Assert.Equal(["administrator", "reader"], tokens!.Items.Select(t => t.Name));
        Assert.NotNull(tokens.Items[1].LastUsedAt);
        Assert.Equal(HttpStatusCode.OK, (await again.Client(viewer).GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);
    }

    [Fact]
    public async Task A_first_start_that_was_cut_between_file_and_record_goes_on_with_the_file()
    {
        var root = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        Directory.CreateDirectory(Path.Combine(root, "data"));
        var left = Host.Secrets.New();
        await File.WriteAllTextAsync(Path.Combine(root, "data", "administrator.token"), left + "\n", DoorsHost.Stop);

        await using var server = await DoorsHost.StartInAsync(root, ownsRoot: true);

        Assert.Equal(left, server.AdministratorToken);
        Assert.Equal(HttpStatusCode.OK, (await server.Admin.GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);
    }

    [Fact]
    public async Task A_token_is_shown_once_works_and_stops_with_the_very_next_request_after_it_is_revoked()
    {
        await using var server = await DoorsHost.StartAsync();
        var text = await server.TokenAsync("ci", "publisher");
        using var ci = server.Client(text);
        Assert.Equal(HttpStatusCode.OK, (await ci.GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);
        Assert.DoesNotContain(text, await server.Admin.GetStringAsync(Routes.Tokens, DoorsHost.Stop), StringComparison.Ordinal);

        using var revoked = await server.Admin.DeleteAsync(Routes.Fill(Routes.Token, "ci") + "?reason=left", DoorsHost.Stop);
        Assert.Equal(HttpStatusCode.NoContent, revoked.StatusCode);

        using var refused = await ci.GetAsync(Routes.Me, DoorsHost.Stop);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Equal("Bearer realm=\"imgmt\", error=\"invalid_token\"", refused.Headers.WwwAuthenticate.ToString());
        Assert.Equal("token.revoked", await DoorsHost.CodeOfAsync(refused));
        Assert.Equal(HttpStatusCode.NoContent, (await server.Admin.DeleteAsync(Routes.Fill(Routes.Token, "ci"), DoorsHost.Stop)).StatusCode);
        Assert.NotEqual(text, await server.TokenAsync("ci", "viewer")); // the name is free again
    }

    [Fact]
    public async Task A_token_stops_when_its_time_is_over_and_the_activity_log_tells_its_whole_life()
    {
        await using var server = await DoorsHost.StartAsync();
        using var brief = server.Client(await server.ExpiredTokenAsync("brief", "viewer"));
        using var refused = await brief.GetAsync(Routes.Me, DoorsHost.Stop);
        Assert.Equal("token.expired", await DoorsHost.CodeOfAsync(refused));
        await server.TokenAsync("gone", "operator");
        await server.Admin.DeleteAsync(Routes.Fill(Routes.Token, "gone") + "?reason=moved", DoorsHost.Stop);

        var log = server.Services.GetRequiredService<CatalogReader>();
        IReadOnlyList<string> Lines(IEnumerable<ActivityRow> rows) => [.. rows.Select(r => $"{r.Actor} {r.Action} {r.Body}")];
        await Until.TrueAsync(async () => Lines((await log.ListActivityAsync(new ActivityQuery(), DoorsHost.Stop))).Any(l => l.Contains("token.expired", StringComparison.Ordinal)), "the expiry is noted");
        var lines = Lines((await log.ListActivityAsync(new ActivityQuery(), DoorsHost.Stop)));
        Assert.Contains(lines, l => l.StartsWith("imgmt token.issued", StringComparison.Ordinal) && l.Contains("first start", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("administrator token.issued", StringComparison.Ordinal) && l.Contains("http 127.0.0.1", StringComparison.Ordinal) && l.Contains("gone", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("administrator token.revoked", StringComparison.Ordinal) && l.Contains("moved", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("imgmt token.expired", StringComparison.Ordinal) && l.Contains("brief", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, l => l.Contains("imgmt_", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_last_administrator_cannot_be_revoked_and_a_second_one_can()
    {
        await using var server = await DoorsHost.StartAsync();
        using var last = await server.Admin.DeleteAsync(Routes.Fill(Routes.Token, "administrator"), DoorsHost.Stop);
        Assert.Equal((HttpStatusCode.Conflict, "token.last-administrator"), (last.StatusCode, await DoorsHost.CodeOfAsync(last)));
        using var second = server.Client(await server.TokenAsync("second", "administrator"));

        using var first = await second.DeleteAsync(Routes.Fill(Routes.Token, "administrator"), DoorsHost.Stop);

        Assert.Equal(HttpStatusCode.NoContent, first.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.Admin.GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);
    }

    [Theory]
    [InlineData("""{"name":"ok"}""", "role")]
    [InlineData("""{"name":"ok","role":"emperor"}""", "role")]
    [InlineData("""{"name":"ok","role":3}""", "role")]
    [InlineData("""{"name":"a b","role":"viewer"}""", "name")]
    [InlineData("""{"name":"","role":"viewer"}""", "name")]
    [InlineData("""{"name":"ok","role":"viewer","expiresAt":"2001-01-01T00:00:00Z"}""", "expiresAt")]
    [InlineData("""{"name":"ok","role":"viewer","hash":"x"}""", "hash")]
    [InlineData("[]", "body")]
    [InlineData("{", "body")]
    [InlineData("", "body")]
    [InlineData("null", "body")]
    public async Task A_request_for_a_token_that_cannot_be_made_says_which_field_is_wrong(string body, string field)
    {
        await using var server = await DoorsHost.StartAsync();
        using var answer = await server.Admin.PostAsync(Routes.Tokens, new StringContent(body, System.Text.Encoding.UTF8, "application/json"), DoorsHost.Stop);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("request.invalid", await DoorsHost.CodeOfAsync(answer));
        var problem = await answer.Content.ReadFromJsonAsync<Problem>(ImageMgmtJson.Options, DoorsHost.Stop);
        Assert.Contains(problem!.Errors!, e => e.Field == field || (field == "role" && e.Field == "body"));
    }

    [Fact]
    public async Task Tokens_come_in_pages()
    {
        await using var server = await DoorsHost.StartAsync();
        foreach (var name in (string[])["c", "a", "b", "D"])
        {
            await server.TokenAsync(name, "viewer");
        }

        var client = new ImageMgmtHttpClient(server.Admin);
        List<string> seen = [];
        PageRequest? next = new() { Limit = 2 };
        while (next is not null)
        {
            var page = await client.ListTokensAsync(next, DoorsHost.Stop);
            Assert.InRange(page.Items.Count, 1, 2);
            seen.AddRange(page.Items.Select(t => t.Name));
            next = page.NextCursor is { } cursor ? new PageRequest { Limit = 2, Cursor = cursor } : null;
        }

        Assert.Equal(["D", "a", "administrator", "b", "c"], seen);
        using var wrong = await server.Admin.GetAsync(Routes.Tokens + "?limit=501&cursor=../x", DoorsHost.Stop);
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        Assert.Equal(["limit", "cursor"], (await wrong.Content.ReadFromJsonAsync<Problem>(ImageMgmtJson.Options, DoorsHost.Stop))!.Errors!.Select(e => e.Field));
    }

    [Theory]
    [InlineData("Bearer", "token.malformed")]
    [InlineData("Bearer ", "token.malformed")]
    [InlineData("Bearer imgmt_short", "token.malformed")]
    [InlineData("Basic YWRtaW46YWRtaW4=", "token.malformed")]
    [InlineData("Bearer imgmt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "token.unknown")]
    [InlineData(null, "token.missing")]
    public async Task What_is_no_token_is_refused_with_a_word_that_says_why(string? header, string code)
    {
        await using var server = await DoorsHost.StartAsync();
        using var client = server.Client();
        using var request = new HttpRequestMessage(HttpMethod.Get, Routes.Me);
        if (header is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", header);
        }

        using var answer = await client.SendAsync(request, DoorsHost.Stop);

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.StartsWith("Bearer realm=\"imgmt\"", answer.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        Assert.Equal(code, await DoorsHost.CodeOfAsync(answer));
    }

    /// <summary>Goal: a leaked database gives nobody away. Method: every file of the data folder is searched for every token that was made.</summary>
    [Fact]
    public async Task No_file_of_the_data_folder_holds_a_token_but_the_administrators_own()
    {
        var root = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        List<string> secrets = [];
        await using (var server = await DoorsHost.StartInAsync(root, ownsRoot: false))
        {
            secrets.Add(server.AdministratorToken);
            secrets.Add(await server.TokenAsync("one", "viewer"));
            await server.Client(secrets[1]).GetAsync(Routes.Me, DoorsHost.Stop);
        }

        foreach (var file in Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Where(f => Path.GetFileName(f) != "administrator.token"))
        {
            var text = System.Text.Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file, DoorsHost.Stop));
            Assert.All(secrets, secret => Assert.False(text.Contains(secret, StringComparison.Ordinal), file));
            Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(file) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite));
        }

        Directory.Delete(root, recursive: true);
    }
}
