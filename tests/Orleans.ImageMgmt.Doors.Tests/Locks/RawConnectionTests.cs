using System.Text;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Locks;

/// <summary>Goal: nobody harms the server by how they speak to it. Method: raw connections; each test ends with real work done for somebody else.</summary>
public sealed class RawConnectionTests
{
    private const int Megabyte = 1 << 20;

    [Theory]
    [InlineData("\0\u0001\u0002\u0003\r\n\r\n", "HTTP/1.1 400")]
    [InlineData("\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003\r\n\r\n", "HTTP/1.1 400")]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "")]
    [InlineData("GET /api/v1/me HTTP/9.9\r\n\r\n", "HTTP/1.1 505")]
    [InlineData("GET /api/v1/me HTTP/1.1\r\n\r\n", "HTTP/1.1 400")]
    [InlineData("GET /api/v1/%00 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400")]
    [InlineData("GET /api/v1/me HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "HTTP/1.1 400")]
    [InlineData("GET /api/v1/me HTTP/1.1\r\nHost: x\r\nA\u0000: y\r\n\r\n", "HTTP/1.1 400")]
    [InlineData("POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400")]
    [InlineData("POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", "HTTP/1.1 400")]
    [InlineData("POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nabc", "HTTP/1.1 400")]
    [InlineData("GET http://elsewhere.test/api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 400")]
    [InlineData("CONNECT elsewhere.test:443 HTTP/1.1\r\nHost: elsewhere.test:443\r\nConnection: close\r\n\r\n", "HTTP/1.1 401")]
    [InlineData("GET /api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", "HTTP/1.1 401")]
    [InlineData("GET /livez/../api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 401")]
    [InlineData("GET /livez/%2e%2e/api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 401")]
    [InlineData("GET //api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 401")]
    [InlineData("GET /API/V1/ME HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 401")]
    public async Task What_is_no_request_gets_nothing(string request, string answer)
    {
        await using var server = await DoorsHost.StartAsync();
        using var raw = await RawConnection.OpenAsync(server.Address);
        await raw.WriteAsync(request);

        Assert.StartsWith(answer, await raw.ReadToEndAsync(), StringComparison.Ordinal);
        await server.StillWorksAsync();
    }

    [Fact]
    public async Task A_gigabyte_of_headers_is_refused_after_a_few_kilobytes()
    {
        await using var server = await DoorsHost.StartAsync();
        using var raw = await RawConnection.OpenAsync(server.Address);
        await raw.WriteAsync("GET /api/v1/me HTTP/1.1\r\nHost: x\r\n");

        var sent = await FloodAsync(raw, i => $"X-{i}: {new string('a', 1000)}\r\n", 1L << 30);

        Assert.InRange(sent, 1, 64L * Megabyte); // what fits into the sockets' buffers on the way, far below a gigabyte
        await server.StillWorksAsync();
    }

    [Theory]
    [InlineData("GET /api/v1/me HTTP/1.1\r\nHost: x\r\n", "X: {0}\r\n", 2_000, 60, "431")]
    [InlineData("GET /api/v1/me HTTP/1.1\r\nHost: x\r\n", "X{1}: a\r\n", 0, 100, "431")]
    [InlineData("GET /", "{0}", 1_000, 10, "414")]
    public async Task Long_headers_many_headers_and_long_addresses_are_refused_by_their_own_status(string begin, string piece, int length, int times, string status)
    {
        await using var server = await DoorsHost.StartAsync();
        using var raw = await RawConnection.OpenAsync(server.Address);
        var text = new StringBuilder(begin);
        for (var i = 0; i < times; i++)
        {
            text.Append(string.Format(System.Globalization.CultureInfo.InvariantCulture, piece, new string('a', length), i));
        }

        await raw.WriteAsync(text + (begin.EndsWith('/') ? " HTTP/1.1\r\nHost: x\r\n\r\n" : "\r\n"));

        Assert.StartsWith($"HTTP/1.1 {status}", await raw.ReadToEndAsync(), StringComparison.Ordinal);
        await server.StillWorksAsync();
    }

    [Fact]
    public async Task A_client_that_sends_half_a_body_and_goes_changes_nothing()
    {
        await using var server = await DoorsHost.StartAsync();
        for (var i = 0; i < 50; i++)
        {
            using var raw = await RawConnection.OpenAsync(server.Address);
            await raw.WriteAsync($$"""POST {{Routes.Tokens}} HTTP/1.1{{"\r\n"}}Host: x{{"\r\n"}}Authorization: Bearer {{server.AdministratorToken}}{{"\r\n"}}Content-Type: application/json{{"\r\n"}}Content-Length: 60{{"\r\n\r\n"}}{"name":"half","role":""");
        }

        await server.StillWorksAsync();
        Assert.DoesNotContain("half", await server.Admin.GetStringAsync(Routes.Tokens, DoorsHost.Stop), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clients_that_ask_and_go_before_the_answer_leave_the_server_unharmed()
    {
        await using var server = await DoorsHost.StartAsync();
        for (var i = 0; i < 200; i++)
        {
            using var raw = await RawConnection.OpenAsync(server.Address);
            await raw.WriteAsync($"GET {Routes.Tokens} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.AdministratorToken}\r\n\r\n");
        }

        await server.StillWorksAsync();
    }

    /// <summary>Goal: slow senders do not hold the server. Method: headers that never end, with the shortest limit; the server closes, and answers others meanwhile.</summary>
    [Fact]
    public async Task Slow_headers_are_cut_off()
    {
        await using var server = await DoorsHost.StartAsync("Http:HeadersTimeout=1s");
        List<RawConnection> slow = [];
        for (var i = 0; i < 100; i++)
        {
            slow.Add(await RawConnection.OpenAsync(server.Address));
            await slow[i].WriteAsync("GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-Slow: ");
        }

        await server.StillWorksAsync();
        foreach (var raw in slow)
        {
            Assert.StartsWith("HTTP/1.1 408", await raw.ReadToEndAsync(), StringComparison.Ordinal);
            raw.Dispose();
        }

        await server.StillWorksAsync();
    }

    [Fact]
    public async Task A_slow_body_is_cut_off()
    {
        await using var server = await DoorsHost.StartAsync("Http:BodyRateGrace=2s", "Http:BodyRateBytes=100000");
        using var raw = await RawConnection.OpenAsync(server.Address);
        await raw.WriteAsync($"POST {Routes.Tokens} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.AdministratorToken}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{");

        Assert.StartsWith("HTTP/1.1 408", await raw.ReadToEndAsync(), StringComparison.Ordinal);
        await server.StillWorksAsync();
    }

    [Fact]
    public async Task An_endless_body_is_refused_after_the_limit()
    {
        await using var server = await DoorsHost.StartAsync();
        using var raw = await RawConnection.OpenAsync(server.Address);
        await raw.WriteAsync($"POST {Routes.Tokens} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.AdministratorToken}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");

        var sent = await FloodAsync(raw, _ => $"1000\r\n{new string(' ', 0x1000)}\r\n", 1L << 30);

        Assert.InRange(sent, Megabyte, 256L * Megabyte);
        await server.StillWorksAsync();
    }

    /// <summary>Sends pieces until the other side closes; returns the bytes that were sent.</summary>
    private static async Task<long> FloodAsync(RawConnection raw, Func<int, string> piece, long most)
    {
        long sent = 0;
        try
        {
            for (var i = 0; sent < most; i++)
            {
                var bytes = Encoding.ASCII.GetBytes(piece(i));
                await raw.Stream.WriteAsync(bytes, DoorsHost.Stop);
                sent += bytes.Length;
            }
        }
        catch (IOException)
        {
        }

        return sent;
    }
}
