using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests;

/// <summary>Goal: a reader gets over what breaks on the way, and believes nothing that is not what it asked for. Method: a server that is a method.</summary>
public sealed class HttpContentReaderTests
{
    private static readonly Uri Server = new("https://site-1.example:7482");
    private readonly byte[] bytes = new byte[(3 << 20) - 77];

    public HttpContentReaderTests() => new Random(3).NextBytes(bytes);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_request_that_breaks_is_made_again()
    {
        var breaks = 0;
        using var server = new MadeUpServer(bytes) { Before = _ => breaks++ % 3 == 1 ? throw new HttpRequestException("connection reset") : null };
        await using var reader = await server.OpenAsync();
        await AssertReadsAllAsync(reader);
        Assert.True(breaks > 4, $"{breaks} requests were made");
    }

    [Fact]
    public async Task A_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not()
    {
        var asked = 0;
        using var server = new MadeUpServer(bytes) { Before = _ => asked++ == 1 ? Refusal(HttpStatusCode.ServiceUnavailable, "blocks.busy") : null };
        await using var reader = await server.OpenAsync();
        await AssertReadsAllAsync(reader);

        asked = 0;
        server.Before = _ =>
        {
            asked++;
            return Refusal(HttpStatusCode.NotFound, "blocks.no-copy");
        };
        var refused = await Assert.ThrowsAsync<BlockCallException>(() => reader.ReadAsync(0, new byte[10], Stop).AsTask());
        Assert.Equal((HttpStatusCode.NotFound, "blocks.no-copy", 1), (refused.Status, refused.Code, asked));
    }

    [Fact]
    public async Task Tries_end()
    {
        var asked = 0;
        using var server = new MadeUpServer(bytes);
        await using var reader = await server.OpenAsync();
        server.Before = _ =>
        {
            asked++;
            throw new HttpRequestException("no route to host");
        };
        var broken = await Assert.ThrowsAsync<BlockCallException>(() => reader.ReadAsync(0, new byte[10], Stop).AsTask());
        Assert.Contains("no route to host", broken.Message, StringComparison.Ordinal);
        Assert.Equal(MadeUpServer.Options.Tries, asked);
    }

    [Fact]
    public async Task A_request_without_an_answer_ends_and_is_made_again()
    {
        var asked = 0;
        using var server = new MadeUpServer(bytes, TimeSpan.FromSeconds(1));
        await using var reader = await server.OpenAsync();
        server.Silence = () => asked++ == 0;
        await AssertReadsAllAsync(reader);
        Assert.True(asked > 1);
    }

    [Fact]
    public async Task A_ticket_is_renewed_before_it_ends_and_when_the_server_does_not_take_it()
    {
        using var server = new MadeUpServer(bytes) { TicketLife = TimeSpan.FromHours(1) };
        await using (var patient = await server.OpenAsync())
        {
            await AssertReadsAllAsync(patient);
            Assert.Equal(1, server.TicketsIssued);
            var refusals = 0;
            server.Before = _ => refusals++ == 0 ? Refusal(HttpStatusCode.Unauthorized, "blocks.ticket-expired") : null;
            await AssertReadsAllAsync(patient);
            Assert.Equal(2, server.TicketsIssued);
        }

        server.Before = null;
        server.TicketLife = MadeUpServer.Options.RenewBefore; // as good as over when it comes
        await using var hasty = await server.OpenAsync();
        await AssertReadsAllAsync(hasty);
        Assert.Equal(2 + server.RequestsOf(hasty), server.TicketsIssued);
    }

    [Fact]
    public async Task What_is_not_the_manifest_or_not_the_range_is_not_taken()
    {
        using var server = new MadeUpServer(bytes);
        var other = Digest.FromBytes(SHA256.HashData("another"u8));
        await Assert.ThrowsAsync<InvalidDataException>(() => server.OpenAsync(other));

        await using var reader = await server.OpenAsync();
        server.Before = request => request.Headers.Range is null ? null : new HttpResponseMessage(HttpStatusCode.PartialContent) { Content = new ByteArrayContent(bytes[..9]) };
        var wrong = await Assert.ThrowsAsync<BlockCallException>(() => reader.ReadAsync(0, new byte[10], Stop).AsTask());
        Assert.Contains("9 bytes", wrong.Message, StringComparison.Ordinal);
        server.Before = _ => new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent(bytes[..10]) };
        await Assert.ThrowsAsync<BlockCallException>(() => reader.ReadAsync(0, new byte[10], Stop).AsTask());
    }

    [Theory]
    [InlineData(null, BlockRequest.UsualBlocks)] // an older build says nothing
    [InlineData("511", NumberRuns.MaxCount)]
    [InlineData("300", 300)]
    [InlineData("1", BlockRequest.UsualBlocks)]
    [InlineData("2147483647", NumberRuns.MaxCount)]
    [InlineData("-5", BlockRequest.UsualBlocks)]
    [InlineData("many", BlockRequest.UsualBlocks)]
    public async Task How_long_a_request_may_be_is_what_the_server_says_within_limits(string? told, int expected)
    {
        using var server = new MadeUpServer(bytes) { MaxBlocks = told };
        await using var reader = await server.OpenAsync();
        Assert.Equal(expected, reader.MaxBlocksAt(0));
    }

    [Fact]
    public async Task No_more_requests_are_under_way_than_there_are_connections()
    {
        using var server = new MadeUpServer(bytes);
        await using var reader = await server.OpenAsync();
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => reader.ReadAsync(i * 1000, new byte[1000], Stop).AsTask()));
        Assert.InRange(server.MostAtOnce, 1, MadeUpServer.Options.Connections);
    }

    private async Task AssertReadsAllAsync(HttpContentReader reader)
    {
        var read = new byte[bytes.Length];
        await reader.ReadAsync(0, read, Stop);
        Assert.Equal(SHA256.HashData(bytes), SHA256.HashData(read));
    }

    private static HttpResponseMessage Refusal(HttpStatusCode status, string code) =>
        new(status) { Content = new ByteArrayContent(System.Text.Encoding.UTF8.GetBytes($$"""{"status":{{(int)status}},"code":"{{code}}","detail":"no"}""")) };

    /// <summary>Answers as a block server does, unless told otherwise.</summary>
    private sealed class MadeUpServer : HttpMessageHandler
    {
        public static readonly BlockCallOptions Options = new() { FirstDelay = TimeSpan.FromMilliseconds(1) };

        private readonly byte[] bytes;
        private readonly TimeSpan patience;
        private readonly ContentManifest manifest;
        private readonly HttpMessageInvoker http;
        private int requests;
        private int atOnce;
        private int mostAtOnce;

        public MadeUpServer(byte[] bytes, TimeSpan? patience = null)
        {
            (this.bytes, this.patience) = (bytes, patience ?? Options.RequestTimeout);
            var digests = bytes.Chunk(ContentManifest.MinChunkSize).SelectMany(SHA256.HashData).ToArray();
            manifest = new ContentManifest(bytes.Length, ContentManifest.MinChunkSize, Digest.FromBytes(SHA256.HashData(bytes)), digests);
            http = new HttpMessageInvoker(this, disposeHandler: false);
        }

        /// <summary>Answers instead, or breaks.</summary>
        public Func<HttpRequestMessage, HttpResponseMessage?>? Before { get; set; }

        /// <summary>Whether nothing comes at all.</summary>
        public Func<bool> Silence { get; set; } = () => false;

        /// <summary>Null: it is not said.</summary>
        public string? MaxBlocks { get; init; }

        public TimeSpan TicketLife { get; set; } = TimeSpan.FromHours(1);

        public int TicketsIssued { get; private set; }

        public int MostAtOnce => mostAtOnce;

        public Task<HttpContentReader> OpenAsync(Digest? asked = null)
        {
            requests = 0;
            return HttpContentReader.OpenAsync(
                new BlockSource(Server, asked ?? manifest.ComputeDigest(), _ => ValueTask.FromResult(Issue())), http, Options with { RequestTimeout = patience }, TimeProvider.System, Stop);
        }

        /// <summary>Since it was opened; there is one reader at a time.</summary>
        public int RequestsOf(HttpContentReader reader) => reader.Manifest.Length == bytes.Length ? requests : 0;

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref requests);
            var now = Interlocked.Increment(ref atOnce);
            InterlockedMax(ref mostAtOnce, now);
            try
            {
                await Task.Yield();
                if (Silence())
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
                }

                Assert.Equal(BlockRoutes.Scheme, request.Headers.Authorization!.Scheme);
                return Before?.Invoke(request) ?? Answer(request);
            }
            finally
            {
                Interlocked.Decrement(ref atOnce);
            }
        }

        protected override void Dispose(bool disposing)
        {
            http.Dispose();
            base.Dispose(disposing);
        }

        private IssuedTicket Issue() => new($"ticket-{++TicketsIssued}", TimeProvider.System.GetUtcNow() + TicketLife);

        private HttpResponseMessage Answer(HttpRequestMessage request)
        {
            if (request.Headers.Range is not { } range)
            {
                var answer = new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent(manifest.Encode()) };
                if (MaxBlocks is not null)
                {
                    answer.Headers.Add(BlockRoutes.MaxBlocksHeader, MaxBlocks);
                }

                return answer;
            }

            var (from, to) = ((int)range.Ranges.Single().From!, (int)range.Ranges.Single().To!);
            return new HttpResponseMessage(HttpStatusCode.PartialContent) { Content = new ByteArrayContent(bytes, from, to - from + 1) };
        }

        private static void InterlockedMax(ref int most, int now)
        {
            for (var seen = most; now > seen; seen = most)
            {
                Interlocked.CompareExchange(ref most, now, seen);
            }
        }
    }
}
