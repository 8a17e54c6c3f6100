using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Locks;

/// <summary>Goal: however many watch one operation, each hears its end or is told that there is no place, and nobody else suffers. Method: a publish that
/// really runs, on simulated pods, and real event streams over loopback.</summary>
public sealed class EventStreamTests
{
    /// <summary>Streams that are asked for at once.</summary>
    private const int Asked = 10_000;

    /// <summary>How many of them get a place: the default of the server. IMGMT_EVENT_STREAMS=10000 gives one to all.</summary>
    private const int Places = 1_000;

    /// <summary>More memory for one open stream than this is a leak: a connection's buffers and a request's objects are far below.</summary>
    private const long BytesPerStream = 128 << 10;

    [Fact]
    public async Task One_token_cannot_take_all_event_streams()
    {
        await using var server = await DoorsHost.StartAsync("Http:EventStreamsPerToken=2", "Http:EventStreams=3");
        var operation = await RunningPublish.BeginAsync(server.Admin);
        using var first = await OpenAsync(server.Address, server.AdministratorToken, operation, HttpStatusCode.OK);
        using var second = await OpenAsync(server.Address, server.AdministratorToken, operation, HttpStatusCode.OK);
        Assert.Equal("limit.event-streams", await CodeAsync(server.Admin, operation));
        using var other = await OpenAsync(server.Address, await server.TokenAsync("other", "viewer"), operation, HttpStatusCode.OK);
        using var third = server.Client(await server.TokenAsync("third", "viewer"));
        Assert.Equal("server.busy", await CodeAsync(third, operation));

        first.Dispose();
        second.Dispose();

        await Until.TrueAsync(async () => await StatusAsync(third, operation) == HttpStatusCode.OK, "the streams are free again");
        await server.StillWorksAsync();
    }

    [Fact]
    public async Task Ten_thousand_event_streams_of_one_running_operation_hear_its_end_or_get_a_clear_answer_and_others_are_served()
    {
        var places = int.TryParse(Environment.GetEnvironmentVariable("IMGMT_EVENT_STREAMS"), CultureInfo.InvariantCulture, out var given) ? given : Places;
        var folder = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        var (program, address, token) = await ImgmtProgram.ServeAsync(Path.Combine(folder, "data"), $"Http:EventStreams={places}", $"Http:EventStreamsPerToken={places}",
            "Http:RequestsPerSecondPerAddress=100000", "Http:RequestsPerSecondPerToken=100000");
        await using (program)
        {
            using var client = new HttpClient { BaseAddress = address, Timeout = DoorsHost.Limit };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
            var operation = await RunningPublish.BeginAsync(client);
            var before = await MemoryAsync(client);
            // Those that get a place first, so that their memory is measured before others leave the garbage of their refusals.
            List<RawConnection> open = [];
            List<string> answers = [];
            var each = 0L;
            foreach (var count in (int[])[Math.Min(places, Asked), Asked])
            {
                while (open.Count < count)
                {
                    open.Add(await RawConnection.OpenAsync(address));
                    await open[^1].WriteAsync(Request(token, operation));
                }

                answers.AddRange(await Task.WhenAll(open.Skip(answers.Count).Select(raw => raw.StatusLineAsync())));
                each = each == 0 ? (await MemoryAsync(client) - before) / open.Count : each;
            }

            var watching = open.Where((_, i) => answers[i].StartsWith("HTTP/1.1 200", StringComparison.Ordinal)).ToList();
            Assert.Equal((Math.Min(places, Asked), Math.Max(0, Asked - places)), (watching.Count, answers.Count(a => a.StartsWith("HTTP/1.1 429", StringComparison.Ordinal))));
            open.Except(watching).ToList().ForEach(raw => raw.Dispose());
            Assert.Equal("live\n", await client.GetStringAsync(Routes.Liveness, DoorsHost.Stop));
            Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);
            TestContext.Current.TestOutputHelper?.WriteLine($"{watching.Count} streams, {each} bytes of resident memory each");
            Assert.True(each < BytesPerStream, $"A stream takes {each} bytes.");

            var ends = watching.Select(raw => raw.ReadToEndAsync()).ToList();
            await new ImageMgmtHttpClient(client).CancelOperationAsync(operation, cancellationToken: DoorsHost.Stop);
            Assert.All(await Task.WhenAll(ends), text => Assert.Contains("event: end\n", text, StringComparison.Ordinal));
            watching.ForEach(raw => raw.Dispose());
            await Until.TrueAsync(async () => await StatusAsync(client, operation) == HttpStatusCode.OK, "the streams are free again");
            await program.TerminateAsync();
        }

        Directory.Delete(folder, recursive: true);
    }

    private static async Task<RawConnection> OpenAsync(Uri address, string token, string operation, HttpStatusCode expected)
    {
        var raw = await RawConnection.OpenAsync(address);
        await raw.WriteAsync(Request(token, operation));
        Assert.StartsWith($"HTTP/1.1 {(int)expected} ", await raw.StatusLineAsync(), StringComparison.Ordinal);
        return raw;
    }

    /// <summary>Closed by the server when the stream has ended.</summary>
    private static string Request(string token, string operation) =>
        $"GET {Routes.Fill(Routes.OperationEvents, operation)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n";

    private static async Task<HttpStatusCode> StatusAsync(HttpClient client, string operation)
    {
        using var answer = await client.GetAsync(Routes.Fill(Routes.OperationEvents, operation), HttpCompletionOption.ResponseHeadersRead, DoorsHost.Stop);
        return answer.StatusCode;
    }

    private static async Task<string> CodeAsync(HttpClient client, string operation)
    {
        using var answer = await client.GetAsync(Routes.Fill(Routes.OperationEvents, operation), HttpCompletionOption.ResponseHeadersRead, DoorsHost.Stop);
        Assert.True(answer.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1));
        return await DoorsHost.CodeOfAsync(answer);
    }

    private static async Task<long> MemoryAsync(HttpClient client)
    {
        const string name = "dotnet_process_memory_working_set_bytes ";
        var text = await client.GetStringAsync(Routes.Metrics, DoorsHost.Stop);
        return (long)double.Parse(text.Split('\n').First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..], CultureInfo.InvariantCulture);
    }
}
