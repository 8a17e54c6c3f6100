using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: whatever answers, the typed client ends: with the answer, with a refusal, or with a time-out; and it never asks for another thing than was named.</summary>
public sealed class HttpClientTests
{
    private static readonly TimeSpan Little = TimeSpan.FromMilliseconds(50);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    public async Task A_name_that_would_lead_to_another_address_is_refused_before_anything_is_asked(string name)
    {
        await using var server = await OddServer.StartAsync(http => http.Response.WriteAsync("{}"));
        using var client = ImageMgmtHttpClient.Create(server.Url, null);
        Func<Task>[] asks =
        [
            () => client.DeleteVersionAsync("Win10POS", name), () => client.DisableVersionAsync("Win10POS", name), () => client.DeleteImageAsync(name), () => client.GetPodAsync(name),
            () => client.CancelOperationAsync(name), () => client.RevokeTokenAsync(name), () => client.GetUploadAsync(name),
        ];
        foreach (var ask in asks)
        {
            Assert.Equal("client.invalid-name", (await Assert.ThrowsAsync<ProblemException>(ask)).Code);
        }

        Assert.Equal(0, server.Asked);
    }

    [Fact]
    public async Task An_answer_that_stops_in_the_middle_is_a_time_out()
    {
        await using var server = await OddServer.StartAsync(http => OddServer.AndThenSilenceAsync(http, "application/json", "{\"name\":"));
        using var client = ImageMgmtHttpClient.Create(server.Url, null);
        client.AnswerLimit = Little;
        await Assert.ThrowsAsync<TimeoutException>(() => client.GetPodAsync("pod-1", Stop));
    }

    [Fact]
    public async Task A_caller_who_stops_is_told_from_a_server_that_is_late()
    {
        await using var server = await OddServer.StartAsync(OddServer.UntilGoneAsync);
        using var client = ImageMgmtHttpClient.Create(server.Url, null);
        using var stop = new CancellationTokenSource(Little);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.GetPodAsync("pod-1", stop.Token));
    }

    [Fact]
    public async Task The_limit_of_a_client_that_was_given_is_a_time_out_too()
    {
        await using var server = await OddServer.StartAsync(OddServer.UntilGoneAsync);
        using var given = new HttpClient { BaseAddress = server.Url, Timeout = Little };
        using var client = new ImageMgmtHttpClient(given);
        await Assert.ThrowsAsync<TimeoutException>(() => client.GetPodAsync("pod-1", Stop));
    }

    [Fact]
    public async Task A_support_bundle_that_stops_in_the_middle_is_a_time_out()
    {
        await using var server = await OddServer.StartAsync(http => OddServer.AndThenSilenceAsync(http, "application/zip", "PK"));
        using var http = new HttpClient { BaseAddress = server.Url };
        using var client = new ImageMgmtHttpClient(http, new HurriedTime(TimeSpan.FromMinutes(2)));
        await Assert.ThrowsAsync<TimeoutException>(() => client.DownloadSupportBundleAsync(Stream.Null, Stop));
    }

    [Fact]
    public async Task Redirects_are_not_followed_because_the_token_would_go_along()
    {
        await using var server = await OddServer.StartAsync(http =>
        {
            http.Response.Redirect("http://127.0.0.1:1/elsewhere");
            return Task.CompletedTask;
        });
        using var client = ImageMgmtHttpClient.Create(server.Url, "secret");
        Assert.Equal("client.unexpected-answer", (await Assert.ThrowsAsync<ProblemException>(() => client.GetPodAsync("pod-1", Stop))).Code);
        Assert.Equal(1, server.Asked);
    }

    [Theory]
    [InlineData("text/html", "<html>Sign in</html>")]
    [InlineData("text/event-stream", "event: operation\nid: 1\ndata: {\"state\":\"levitating\"}\n\n")]
    public async Task A_stream_that_is_none_of_this_API_ends_at_once(string type, string text)
    {
        await using var server = await OddServer.StartAsync(http => OddServer.AndThenSilenceAsync(http, type, text));
        using var client = ImageMgmtHttpClient.Create(server.Url, null);
        Assert.Equal("client.unexpected-answer", (await Assert.ThrowsAsync<ProblemException>(() => WatchAsync(client))).Code);
        Assert.Equal(1, server.Asked);
    }

    [Theory]
    [InlineData("2", true, 4)] // three more times
    [InlineData("2", false, 1)] // a change without a key could be made twice
    [InlineData("60", true, 1)] // too long to be waited for
    [InlineData(null, true, 1)]
    public async Task A_request_that_may_be_repeated_is_sent_again_while_the_server_has_no_time(string? after, bool isRead, int asked)
    {
        await using var server = await OddServer.StartAsync(http =>
        {
            http.Response.Headers.RetryAfter = after;
            return ProblemAsync(http, 503);
        });
        using var http = new HttpClient { BaseAddress = server.Url };
        using var client = new ImageMgmtHttpClient(http, new HurriedTime(TimeSpan.FromSeconds(30)));
        var refused = await Assert.ThrowsAsync<ProblemException>(() => isRead ? client.GetOperationAsync("publish-1", Stop) : client.RevokeTokenAsync("ci", cancellationToken: Stop));
        Assert.Equal("service.busy", refused.Code);
        Assert.Equal(asked, server.Asked);
    }

    [Fact]
    public async Task A_change_with_its_key_is_sent_again_with_the_same_key_until_the_server_has_time()
    {
        List<string?> keys = [];
        await using var server = await OddServer.StartAsync(http =>
        {
            keys.Add(http.Request.Headers["Idempotency-Key"]);
            http.Response.Headers.RetryAfter = "1";
            return keys.Count < 3 ? ProblemAsync(http, 503) : http.Response.WriteAsJsonAsync(Pictures.Publish(OperationState.Running).Operation, ImageMgmtJson.Options);
        });
        using var http = new HttpClient { BaseAddress = server.Url };
        using var client = new ImageMgmtHttpClient(http, new HurriedTime(TimeSpan.FromSeconds(30)));
        await client.PublishAsync("Win10POS", "1.1", operation: "key-1", cancellationToken: Stop);
        Assert.Equal(["key-1", "key-1", "key-1"], keys);
    }

    [Fact]
    public async Task A_watch_waits_as_long_as_the_server_asks_and_gives_up_in_the_end()
    {
        await using var server = await OddServer.StartAsync(http =>
        {
            http.Response.Headers.RetryAfter = "7";
            return ProblemAsync(http, 503);
        });
        var time = new HurriedTime(TimeSpan.FromSeconds(30));
        using var http = new HttpClient { BaseAddress = server.Url };
        using var client = new ImageMgmtHttpClient(http, time);
        Assert.Equal("service.busy", (await Assert.ThrowsAsync<ProblemException>(() => WatchAsync(client))).Code);
        Assert.Equal(ImageMgmtHttpClient.ReconnectLimit + 1, server.Asked);
        Assert.Equal(ImageMgmtHttpClient.ReconnectLimit, time.Waits.Count);
        Assert.All(time.Waits, wait => Assert.InRange(wait, TimeSpan.FromSeconds(7), TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public async Task A_list_whose_page_names_itself_as_the_next_ends()
    {
        await using var server = await OddServer.StartAsync(http => http.Response.WriteAsJsonAsync(new { items = Array.Empty<int>(), nextCursor = "same" }));
        using var client = ImageMgmtHttpClient.Create(server.Url, null);
        await Assert.ThrowsAsync<ProblemException>(async () =>
        {
            await foreach (var pod in client.AllPodsAsync(null, Stop))
            {
                Assert.Fail(pod.Name);
            }
        });
        Assert.Equal(2, server.Asked);
    }

    [Fact]
    public async Task An_upload_of_which_nothing_is_taken_ends_and_a_file_of_another_length_is_not_sent()
    {
        await using var server = await OddServer.StartAsync(async http =>
        {
            await http.Request.Body.CopyToAsync(Stream.Null);
            await http.Response.WriteAsJsonAsync(new UploadResource { Id = "u", Pod = "pod-1", Name = "disk.raw", State = UploadState.Open, LengthBytes = 4, OffsetBytes = 0, CreatedAt = TimeProvider.System.GetUtcNow() }, ImageMgmtJson.Options);
        });
        using var http = new HttpClient { BaseAddress = server.Url };
        using var client = new ImageMgmtHttpClient(http, new HurriedTime(TimeSpan.FromSeconds(30)));
        var stuck = await Assert.ThrowsAsync<HttpRequestException>(() => client.SendUploadAsync("u", new MemoryStream(new byte[4]), null, Stop));
        Assert.Contains("took none of the bytes", stuck.Message, StringComparison.Ordinal);
        Assert.Equal(2 * (ImageMgmtHttpClient.ReconnectLimit + 1), server.Asked);
        await Assert.ThrowsAsync<ArgumentException>(() => client.SendUploadAsync("u", new MemoryStream(new byte[3]), null, Stop));
    }

    internal static Task ProblemAsync(HttpContext http, int status)
    {
        http.Response.StatusCode = status;
        return http.Response.WriteAsJsonAsync(new Problem { Type = "urn:imgmt:problem:service.busy", Title = "Busy", Status = status, Code = "service.busy" }, ImageMgmtJson.Options, Problem.MediaType);
    }

    private static async Task WatchAsync(ImageMgmtHttpClient client)
    {
        await foreach (var change in client.WatchOperationAsync("op-1", null, Stop))
        {
            Assert.Fail(change.Name);
        }
    }
}
