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
