using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Locks;

/// <summary>Goal: whoever asks too much gets a clear answer, and nobody else suffers. Method: small limits, real requests.</summary>
public sealed class LimitTests
{
    [Fact]
    public async Task A_body_over_the_limit_is_refused_before_it_is_read()
    {
        await using var server = await DoorsHost.StartAsync();
        using var content = new ByteArrayContent(new byte[(1 << 20) + 1]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, Routes.Tokens) { Content = content };
        request.Headers.ExpectContinue = true;
        using var answer = await server.Admin.SendAsync(request, DoorsHost.Stop);

        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "request.too-large"), (answer.StatusCode, await DoorsHost.CodeOfAsync(answer)));
        await server.StillWorksAsync();
    }

    [Fact]
    public async Task A_token_that_asks_too_often_is_told_when_to_come_back_and_others_are_not_slowed()
    {
        await using var server = await DoorsHost.StartAsync("Http:RequestsPerSecondPerToken=1", "Http:BurstSeconds=5");
        using var greedy = server.Client(await server.TokenAsync("greedy", "viewer"));
        HttpResponseMessage? refused = null;
        for (var i = 0; i < 50 && refused is null; i++)
        {
            var answer = await greedy.GetAsync(Routes.Me, DoorsHost.Stop);
            refused = answer.StatusCode == HttpStatusCode.TooManyRequests ? answer : null;
        }

        Assert.NotNull(refused);
        Assert.Equal("limit.rate", await DoorsHost.CodeOfAsync(refused));
        Assert.True(refused.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1));
        await server.StillWorksAsync();
    }

    [Fact]
    public async Task An_address_that_asks_too_often_is_stopped_before_its_token_is_looked_at_and_liveness_is_not()
    {
        await using var server = await DoorsHost.StartAsync("Http:RequestsPerSecondPerAddress=1", "Http:BurstSeconds=5");
        using var nobody = server.Client();
        var codes = new List<HttpStatusCode>();
        for (var i = 0; i < 50 && !codes.Contains(HttpStatusCode.TooManyRequests); i++)
        {
            codes.Add((await nobody.GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);
        }

        Assert.Contains(HttpStatusCode.TooManyRequests, codes);
        Assert.Equal("live\n", await nobody.GetStringAsync(Routes.Liveness, DoorsHost.Stop));
        await Until.TrueAsync(async () => (await server.Admin.GetAsync(Routes.Me, DoorsHost.Stop)).IsSuccessStatusCode, "the address may ask again");
    }

    /// <summary>A request whose body does not come holds a place until it ends, also when it says that it wants an event stream.</summary>
    [Fact]
    public async Task More_requests_at_once_than_the_limit_are_told_that_the_server_is_busy()
    {
        await using var server = await DoorsHost.StartAsync("Http:ConcurrentRequests=3", "Http:BodyRateGrace=5m");
        var held = await HoldAsync(server, server.AdministratorToken, 3, "text/event-stream");
        await Until.TrueAsync(
            async () =>
            {
                await RenewAsync(server, held, server.AdministratorToken, "text/event-stream");
                return (await server.Admin.GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode == HttpStatusCode.ServiceUnavailable;
            },
            "all places are taken",
            () => Shown(held));
        using var refused = await server.Admin.GetAsync(Routes.Me, DoorsHost.Stop);
        Assert.Equal("server.busy", await DoorsHost.CodeOfAsync(refused));
        Assert.True(refused.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1));
        using var nobody = server.Client();
        Assert.Equal("live\n", await nobody.GetStringAsync(Routes.Liveness, DoorsHost.Stop));

        held.ForEach(raw => raw.Dispose());

        await Until.TrueAsync(async () => (await server.Admin.GetAsync(Routes.Me, DoorsHost.Stop)).IsSuccessStatusCode, "the places are free again");
        await server.StillWorksAsync();
    }

    [Fact]
    public async Task Changes_of_one_token_over_its_number_are_refused_and_its_reads_and_the_changes_of_others_are_not()
    {
        await using var server = await DoorsHost.StartAsync("Http:ConcurrentChangesPerToken=2", "Http:BodyRateGrace=5m");
        var token = await server.TokenAsync("greedy", "administrator");
        using var greedy = server.Client(token);
        await RefusedWhileHeldAsync(server, greedy, token, 2);

        Assert.Equal(HttpStatusCode.OK, (await greedy.GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);
        await server.StillWorksAsync(); // another token makes one
    }

    [Fact]
    public async Task Changes_of_all_over_their_number_are_refused_and_reads_are_not()
    {
        await using var server = await DoorsHost.StartAsync("Http:ConcurrentChanges=3", "Http:BodyRateGrace=5m");
        var token = await server.TokenAsync("greedy", "administrator");
        using var other = server.Client(await server.TokenAsync("other", "administrator"));
        await RefusedWhileHeldAsync(server, other, token, 3);

        Assert.Equal(HttpStatusCode.OK, (await other.GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);
    }

    [Fact]
    public async Task More_unfinished_operations_than_the_limit_are_not_begun_and_one_that_was_is_still_known_by_its_key()
    {
        await using var server = await DoorsHost.StartAsync("Http:UnfinishedOperations=2");
        await RunningPublish.BeginAsync(server.Admin);
        await Until.TrueAsync(async () => (await PublishAsync("second")).StatusCode == HttpStatusCode.Accepted, "the import is no longer counted");

        using var refused = await PublishAsync("third");

        Assert.Equal((HttpStatusCode.TooManyRequests, "limit.operations"), (refused.StatusCode, await DoorsHost.CodeOfAsync(refused)));
        Assert.True(refused.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.Accepted, (await PublishAsync("second")).StatusCode);
        Assert.Equal(HttpStatusCode.Accepted, (await server.Admin.PostAsync(Routes.Fill(Routes.OperationCancel, "second"), DoorsHost.Json(new { }), DoorsHost.Stop)).StatusCode);
        await Until.TrueAsync(async () => (await PublishAsync("third")).StatusCode == HttpStatusCode.Accepted, "one has ended");

        async Task<HttpResponseMessage> PublishAsync(string operation)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, Routes.Fill(Routes.VersionPublish, "held", "1.0")) { Content = DoorsHost.Json(new { pods = new[] { "held-target" } }) };
            request.Headers.Add(ApiHeaders.IdempotencyKey, operation);
            return await server.Admin.SendAsync(request, DoorsHost.Stop);
        }
    }

    /// <summary>Changes that have begun and do not end take all places; one more is refused.</summary>
    private static async Task RefusedWhileHeldAsync(DoorsHost server, HttpClient asking, string holder, int places)
    {
        var held = await HoldAsync(server, holder, places, "application/json");
        HttpResponseMessage? refused = null;
        await Until.TrueAsync(
            async () =>
            {
                await RenewAsync(server, held, holder, "application/json");
                refused = await asking.PostAsync(Routes.Tokens, DoorsHost.Json(new { name = $"t-{Guid.NewGuid():N}", role = "viewer" }), DoorsHost.Stop);
                return refused.StatusCode == HttpStatusCode.TooManyRequests;
            },
            "all places are taken",
            () => Shown(held));
        Assert.Equal("limit.changes", await DoorsHost.CodeOfAsync(refused!));
        Assert.True(refused!.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1));
        using var read = await asking.GetAsync(Routes.Me, DoorsHost.Stop);
        Assert.Equal(HttpStatusCode.OK, read.StatusCode);
        held.ForEach(raw => raw.Dispose());
        await Until.TrueAsync(
            async () => (await asking.PostAsync(Routes.Tokens, DoorsHost.Json(new { name = $"t-{Guid.NewGuid():N}", role = "viewer" }), DoorsHost.Stop)).IsSuccessStatusCode, "the places are free again");
    }

    private static string Shown(IEnumerable<RawConnection> held) => string.Join("; ", held.Select(raw => raw.Seen()));

    private static async Task<List<RawConnection>> HoldAsync(DoorsHost server, string token, int count, string accept)
    {
        List<RawConnection> held = [];
        for (var i = 0; i < count; i++)
        {
            held.Add(await RawConnection.OpenAsync(server.Address));
            await held[i].WriteAsync(Held(token, accept));
        }

        return held;
    }

    /// <summary>Whoever was refused, because a question of the test itself had the place at that moment, asks again.</summary>
    private static async Task RenewAsync(DoorsHost server, List<RawConnection> held, string token, string accept)
    {
        for (var i = 0; i < held.Count; i++)
        {
            if (held[i].Seen() != RawConnection.Nothing)
            {
                held[i].Dispose();
                held[i] = await RawConnection.OpenAsync(server.Address);
                await held[i].WriteAsync(Held(token, accept));
            }
        }
    }

    /// <summary>A request that has begun and does not end: its body does not come.</summary>
    private static string Held(string token, string accept) => new StringBuilder($"POST {Routes.Tokens} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n")
        .Append($"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{").ToString();
}
