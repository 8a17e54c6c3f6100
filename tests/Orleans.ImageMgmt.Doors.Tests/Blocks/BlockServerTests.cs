using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests;

/// <summary>Goal: whatever a receiver asks or leaves undone, it has a clear answer and nobody else notices.</summary>
public sealed class BlockServerTests
{
    [Theory]
    [InlineData(null, 400, "blocks.malformed")]
    [InlineData("bytes=0-", 400, "blocks.malformed")]
    [InlineData("bytes=-5", 400, "blocks.malformed")]
    [InlineData("bytes=5-4", 400, "blocks.malformed")]
    [InlineData("bytes=0-1,5-6", 400, "blocks.malformed")]
    [InlineData("bytes=0-9223372036854775807", 400, "blocks.malformed")]
    [InlineData("bytes=99999999999999999999-5", 400, "blocks.malformed")]
    [InlineData("lines=0-5", 400, "blocks.malformed")]
    [InlineData("bytes=0-1048576", 400, "blocks.batch-too-large")]
    [InlineData("bytes=3145216-3145216", 416, "blocks.out-of-range")]
    [InlineData("bytes=3145215-3145216", 416, "blocks.out-of-range")]
    [InlineData("bytes=9223372036854775000-9223372036854775001", 416, "blocks.out-of-range")]
    public async Task A_range_that_cannot_be_given_is_refused(string? range, int status, string code)
    {
        await using var host = await BlocksHost.StartAsync();
        Assert.Equal(3145216, host.Bytes.Length);
        Assert.Equal((status, code), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket().Text, range)));
        using var last = await host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket().Text, "bytes=3145215-3145215");
        Assert.Equal(host.Bytes[^1..], await last.Content.ReadAsByteArrayAsync(DoorsHost.Stop));
    }

    [Fact]
    public async Task Digests_and_packed_blocks_are_those_of_the_copy()
    {
        await using var host = await BlocksHost.StartAsync();
        await using var near = await host.LocalAsync();
        await using var far = await host.ReaderAsync();
        var digests = new DigestRequest(NumberRuns.Of([0, 1, 2]), [host.Content.ContentDigest]);
        var (here, there) = (new byte[DigestAnswer.MaxLength(3)], new byte[DigestAnswer.MaxLength(3)]);
        var length = await near.ReadDigestsAsync(digests, here, DoorsHost.Stop);
        Assert.Equal(length, await far.ReadDigestsAsync(digests, there, DoorsHost.Stop));
        Assert.Equal(here, there);
        Assert.Contains(here, digit => digit != 0);

        Assert.Equal(NumberRuns.MaxCount, far.MaxBlocksAt(0)); // the server has said so
        foreach (var level in new[] { 0, 1 })
        {
            foreach (var blocks in (long[][])[[3, 515, 516, 767], [.. Enumerable.Range(128, far.MaxBlocksAt(0))]])
            {
                var request = new BlockRequest(NumberRuns.Of(blocks), level, [host.Content.ContentDigest]);
                var (nearFrame, farFrame) = (new byte[BlockFrame.MaxLength], new byte[BlockFrame.MaxLength]);
                var size = await near.ReadBlocksAsync(request, nearFrame, DoorsHost.Stop);
                Assert.Equal(size, await far.ReadBlocksAsync(request, farFrame, DoorsHost.Stop));
                Assert.Equal(nearFrame[..size], farFrame[..size]);
            }
        }
    }

    [Theory]
    [InlineData("digests", 400, "blocks.malformed")]
    [InlineData("digests?pieces=-1&bases=", 400, "blocks.malformed")]
    [InlineData("digests?pieces=0", 400, "blocks.malformed")]
    [InlineData("digests?pieces=0&bases=x", 400, "blocks.malformed")]
    [InlineData("digests?pieces=0%2B3&bases=", 416, "blocks.out-of-range")]
    [InlineData("digests?pieces=2147483647&bases=", 416, "blocks.out-of-range")]
    [InlineData("digests?pieces=0%2B256&bases=", 416, "blocks.out-of-range")]
    [InlineData("digests?pieces=0%2B511&bases=", 400, "blocks.malformed")]
    [InlineData("packed?level=1&bases=", 400, "blocks.malformed")]
    [InlineData("packed?blocks=F&level=1&bases=", 400, "blocks.malformed")]
    [InlineData("packed?blocks=&level=1&bases=", 400, "blocks.malformed")]
    [InlineData("packed?blocks=0%2B511&level=1&bases=", 400, "blocks.malformed")]
    [InlineData("packed?blocks=768&level=1&bases=", 416, "blocks.out-of-range")]
    [InlineData("packed?blocks=0&level=10&bases=", 400, "blocks.malformed")]
    [InlineData("packed?blocks=0&level=1&bases=x", 400, "blocks.malformed")]
    public async Task Blocks_that_cannot_be_given_are_refused(string question, int status, string code)
    {
        await using var host = await BlocksHost.StartAsync();
        Assert.Equal((status, code), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(question), host.Ticket().Text, null)));
        await host.AssertServesAllAsync();
    }

    [Theory]
    [InlineData("GET", "/", 404)]
    [InlineData("GET", "/health/live", 404)]
    [InlineData("GET", "/blocks/v1/nothing/content", 400)]
    [InlineData("POST", "/blocks/v1/nothing/content", 405)]
    public async Task There_is_nothing_else_behind_the_port(string method, string path, int status)
    {
        await using var host = await BlocksHost.StartAsync();
        using var answer = await host.AskAsync(path, host.Ticket().Text, method: new HttpMethod(method));
        Assert.Equal(status, (int)answer.StatusCode);
    }

    [Fact]
    public async Task A_receiver_of_another_authority_gets_no_connection_and_gives_none()
    {
        await using var host = await BlocksHost.StartAsync();
        var foreign = PrivateAuthority.Make(null, DoorsHost.Now);
        using var certificate = foreign.Issue(CertificateName.Silo, PrivateAuthority.LeafLife, DoorsHost.Now);

        // It accepts the server and shows its own certificate: the server ends the handshake.
        var intruder = new PrivateTrust(certificate, host.ReceiverTrust.Authorities, TimeProvider.System);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket().Text, client: host.Client(intruder)));

        // It believes another authority: this server is nobody to it, and no ticket is shown.
        var other = new PrivateTrust(host.Receiver, foreign.Trusted, TimeProvider.System);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket().Text, client: host.Client(other)));

        // A frontend's certificate of the right authority is for the gateway.
        var frontend = new PrivateTrust(host.Issue(new CertificateName("frontend", CertificateKind.Client, "administrator")), host.ReceiverTrust.Authorities, TimeProvider.System);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket().Text, client: host.Client(frontend)));
        await host.AssertServesAllAsync();
    }

    [Fact]
    public async Task A_request_that_never_ends_its_headers_loses_its_connection()
    {
        await using var host = await BlocksHost.StartAsync(options => options.HeadersTimeout = TimeSpan.FromSeconds(1));
        var (_, stream) = await host.RawAsync();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET {host.RouteTo(BlockRoutes.Content)} HTTP/1.1\r\nHost: x\r\nX-Slow: "), DoorsHost.Stop);
        Assert.StartsWith("HTTP/1.1 408 ", await ReadToEndAsync(stream), StringComparison.Ordinal);
        await host.AssertServesAllAsync();
    }

    [Fact]
    public async Task A_connection_without_a_handshake_is_closed()
    {
        await using var host = await BlocksHost.StartAsync(options => options.HeadersTimeout = TimeSpan.FromSeconds(1));
        using var silent = new TcpClient();
        await silent.ConnectAsync("127.0.0.1", host.Address.Port, DoorsHost.Stop);
        Assert.Equal("", await ReadToEndAsync(silent.GetStream()));
        await host.AssertServesAllAsync();
    }

    [Theory]
    [InlineData(2, 64)]
    [InlineData(64, 2)]
    public async Task Connections_beyond_the_limit_are_closed_and_a_freed_one_counts_again(int connections, int perAddress)
    {
        await using var host = await BlocksHost.StartAsync(options => (options.Connections, options.ConnectionsPerAddress) = (connections, perAddress));
        var (first, _) = await host.RawAsync();
        await host.RawAsync();
        await Assert.ThrowsAnyAsync<IOException>(host.RawAsync);

        first.Close();
        await Until.TrueAsync(
            async () =>
            {
                try
                {
                    var (connection, _) = await host.RawAsync();
                    connection.Close();
                    return true;
                }
                catch (IOException)
                {
                    return false;
                }
            },
            "the place of the closed connection is free");
    }

    [Fact]
    public async Task A_receiver_that_stops_reading_harms_nobody_and_is_cut_off()
    {
        await using var host = await BlocksHost.StartAsync(options => (options.Reads, options.ReadsPerTicket) = (3, 2));
        var slow = host.Ticket().Text;
        var stalled = new List<SslStream> { await StallAsync(host, slow), await StallAsync(host, slow) };
        await StuckAsync(host, 2);

        // Its own ticket is used up; everybody else has full service.
        Assert.Equal((429, "blocks.too-many-reads"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), slow)));
        await host.AssertServesAllAsync();
        Assert.Equal(2, host.Server.Reads);

        host.Time.Advance(new BlocksOptions().SendTimeout);
        await Until.TrueAsync(() => Task.FromResult(host.Server.Reads == 0), "their places are free again", () => $"{host.Server.Reads} reads");
        foreach (var stream in stalled)
        {
            await ReadToEndAsync(stream); // ends: the connection was closed
        }

        using var again = await host.AskAsync(host.RouteTo(BlockRoutes.Content), slow);
        Assert.Equal(206, (int)again.StatusCode);
    }

    [Fact]
    public async Task When_all_places_are_taken_a_read_waits_its_time_and_is_told_to_come_again()
    {
        await using var host = await BlocksHost.StartAsync(options => (options.Reads, options.ReadsPerTicket, options.ReadsWaiting) = (1, 1, 1));
        await StallAsync(host, host.Ticket().Text);
        await StuckAsync(host, 1);

        var waiting = host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket().Text);
        await Until.TrueAsync(() => Task.FromResult(host.Server.Reads == 2), "the second one waits");
        Assert.Equal((503, "blocks.busy"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket().Text)));
        Assert.False(waiting.IsCompleted);

        host.Time.Advance(new BlocksOptions().TurnWait);
        using var told = await waiting;
        Assert.Equal(503, (int)told.StatusCode);
        Assert.Equal("1", told.Headers.RetryAfter!.ToString());

        host.Time.Advance(new BlocksOptions().SendTimeout);
        await host.AssertServesAllAsync();
    }

    [Fact]
    public async Task The_whole_artefact_is_fetched_from_an_address_and_goes_on_where_it_broke()
    {
        await using var host = await BlocksHost.StartAsync();
        var nobody = host.Client(null); // a platform has no certificate of ours
        using var head = await host.AskAsync(host.ArtefactPath(), null, null, nobody, HttpMethod.Head);
        Assert.Equal(host.Bytes.Length, head.Content.Headers.ContentLength);

        using var whole = await host.AskAsync(host.ArtefactPath(), null, null, nobody);
        Assert.Equal(SHA256.HashData(host.Bytes), SHA256.HashData(await whole.Content.ReadAsByteArrayAsync(DoorsHost.Stop)));

        using var rest = await host.AskAsync(host.ArtefactPath(), null, "bytes=2000000-", nobody);
        Assert.Equal(206, (int)rest.StatusCode);
        Assert.Equal(host.Bytes[2_000_000..], await rest.Content.ReadAsByteArrayAsync(DoorsHost.Stop));

        Assert.Equal((416, "blocks.out-of-range"), await BlocksHost.RefusalOf(host.AskAsync(host.ArtefactPath(), null, $"bytes={host.Bytes.Length}-", nobody)));
        Assert.Equal((403, "blocks.ticket-use"), await BlocksHost.RefusalOf(
            host.AskAsync($"{host.RouteTo(BlockRoutes.Artefact)}?{BlockRoutes.TicketQuery}={host.Ticket().Text}", null, null, nobody)));
        Assert.Equal((401, "blocks.ticket-missing"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Artefact), host.Ticket().Text, null, nobody)));
    }

    /// <summary>Asks for far more than the system's buffers take, and reads none of it.</summary>
    private static async Task<SslStream> StallAsync(BlocksHost host, string ticket)
    {
        const int Requests = 64;
        var (_, stream) = await host.RawAsync();
        var one = $"GET {host.RouteTo(BlockRoutes.Content)} HTTP/1.1\r\nHost: x\r\nAuthorization: {BlockRoutes.Scheme} {ticket}\r\nRange: bytes=0-1048575\r\n\r\n";
        for (var i = 0; i < Requests; i++)
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(one), DoorsHost.Stop);
        }

        return stream;
    }

    /// <summary>So many answers are under way, and none has gone out for a few looks: the buffers between are full.</summary>
    private static async Task StuckAsync(BlocksHost host, int reads)
    {
        const int Looks = 4;
        var (given, same) = (-1L, 0);
        await Until.TrueAsync(
            () =>
            {
                same = host.Server.BytesGiven == given && host.Server.Reads == reads ? same + 1 : 0;
                given = host.Server.BytesGiven;
                return Task.FromResult(same >= Looks);
            },
            "the answers are stuck", () => $"{host.Server.Reads} reads, {given} bytes");
    }

    private static async Task<string> ReadToEndAsync(Stream stream)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(DoorsHost.Stop);
        limit.CancelAfter(DoorsHost.Limit);
        var text = new StringBuilder();
        var buffer = new byte[64 << 10];
        try
        {
            while (await stream.ReadAsync(buffer, limit.Token) is > 0 and var read)
            {
                text.Append(text.Length < 1_000 ? Encoding.Latin1.GetString(buffer, 0, Math.Min(read, 1_000)) : "");
            }
        }
        catch (IOException)
        {
            // A reset is an end too.
        }
        catch (OperationCanceledException) when (!DoorsHost.Stop.IsCancellationRequested)
        {
            Assert.Fail("The server keeps the connection.");
        }

        return text.ToString();
    }
}
