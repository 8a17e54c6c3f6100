using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Doors.Tests.Upkeep;
using Orleans.ImageMgmt.Host;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Watching;

/// <summary>Goal: a collector gets the metrics, and one trace from the request to the pod and the store. Method: the real program in a process of its own, and a receiver that reads what it sends.</summary>
public sealed class TelemetryTests
{
    private const string CallersTrace = "0af7651916cd43dd8448eb211c80319c";

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Grpc")]
    [InlineData("HttpProtobuf")]
    public async Task One_trace_goes_from_the_request_through_grains_to_the_pod_and_the_store(string protocol)
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        using var folder = new TemporaryFolder();
        var endpoint = protocol == "Grpc" ? receiver.Grpc : receiver.Http;
        await using var server = ServerProcess.Start(Path.Combine(folder.Path, "data"),
            [$"Telemetry:Otlp:Endpoint={endpoint}", $"Telemetry:Otlp:Protocol={protocol}", "Telemetry:Interval=1s", "ImageMgmt:EnsureInterval=200ms"]);
        await server.ReadyAsync();
        using var client = new ImageMgmtHttpClient(server.Http);
        await PrepareAsync(client, folder.Path);

        await PublishTracedAsync(server.Http);
        await EndAsync(client, "publish-1");

        await Until.TrueAsync(() => Task.FromResult(receiver.Spans.Any(s => s is { Trace: CallersTrace, Name: "imgmt.transfer receive" }) && receiver.Metrics.Any(m => m.Name == "imgmt.operation.duration" && m.Points.Any(p => p.Attributes["imgmt.operation.kind"] == "publish"))
            && receiver.Spans.Where(s => s.Trace == CallersTrace).Any(s => s.Name == "imgmt.store write" && Above(receiver, s).Any(a => a.Name == "imgmt.transfer receive"))), "the trace and the metrics have come");
        var trace = receiver.Spans.Where(s => s.Trace == CallersTrace).ToList();
        var request = Assert.Single(trace, s => s.Parent == "b7ad6b7169203331");
        Assert.StartsWith("POST /api/v1/images/", request.Name, StringComparison.Ordinal);
        var transfer = trace.First(s => s.Name == "imgmt.transfer receive");
        Assert.Equal(("a", "win/1.0"), (transfer.Attributes["imgmt.pod.name"], transfer.Attributes["imgmt.version.id"]));
        Assert.Contains(Above(receiver, transfer), s => s.Id == request.Id);
        Assert.Contains(Above(receiver, transfer), s => s.Name.Contains("PodGrain", StringComparison.Ordinal));
        Assert.All(trace.Where(s => s.Name == "imgmt.store write"), s => Assert.Equal("sqlite", s.Attributes["db.system.name"]));
        Assert.All(receiver.Spans, s => Assert.Equal(("imgmt", ProgramVersion.Current.Version), (s.Resource["service.name"], s.Resource["service.version"])));
        Assert.All(receiver.Spans.Where(s => s.Parent.Length == 0 && s.LinkedTraces.Count == 0), s => Assert.Matches("^(GET|PUT|POST|PATCH|DELETE|HEAD) ?", s.Name));

        var copies = receiver.Metrics.Last(m => m.Name == "imgmt.copy.count");
        Assert.Equal("{copy}", copies.Unit);
        Assert.Contains(receiver.Metrics, m => m.Name == "imgmt.copy.count" && m.Points.Any(p => p.Attributes["imgmt.copy.state"] == "available" && p.Value >= 1));
        Assert.Contains(receiver.Metrics, m => m.Name == "http.server.request.duration");
        Assert.Contains(receiver.Metrics, m => m.Name.StartsWith("orleans-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_transfer_that_goes_on_after_a_restart_is_a_trace_of_its_own_with_a_link_to_the_request()
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        using var folder = new TemporaryFolder();
        string[] settings = [$"Telemetry:Otlp:Endpoint={receiver.Http}", "Telemetry:Otlp:Protocol=HttpProtobuf", "ImageMgmt:EnsureInterval=200ms"];
        await using (var first = ServerProcess.Start(Path.Combine(folder.Path, "data"), settings))
        {
            await first.ReadyAsync();
            using var client = new ImageMgmtHttpClient(first.Http);
            await PrepareAsync(client, folder.Path, "receive:slow=1MB/s");
            await PublishTracedAsync(first.Http);
            await Until.TrueAsync(async () => (await client.ListTargetsAsync("publish-1", cancellationToken: Stop)).Items.Any(t => t.Progress is { SentBytes: > 0 }), "bytes travel");
            await first.KillAsync();
        }

        await using var second = ServerProcess.Start(Path.Combine(folder.Path, "data"), settings);
        await second.ReadyAsync();
        using var again = new ImageMgmtHttpClient(second.Http);
        await EndAsync(again, "publish-1");

        await Until.TrueAsync(() => Task.FromResult(receiver.Spans.Any(s => s.Name == "imgmt.transfer receive" && s.LinkedTraces.Contains(CallersTrace))), "the resumed transfer's trace has come",
            () => string.Join(' ', receiver.Spans.Select(s => $"{s.Trace[..4]} {s.Name};")));
        Assert.All(receiver.Spans.Where(s => s.LinkedTraces.Contains(CallersTrace)), s => Assert.NotEqual(CallersTrace, s.Trace));
    }

    [Theory]
    [InlineData("Telemetry:Otlp:Endpoint=collector:4317", "Telemetry:Otlp:Endpoint is 'collector:4317'; the address of a collector is expected")]
    [InlineData("Telemetry:TraceRatio=2", "Telemetry:TraceRatio is 2; it must be from 0 to 1.")]
    [InlineData("Telemetry:Interval=1ms", "Telemetry:Interval is 00:00:00.0010000; it must be from 1 s to 1 h.")]
    public void Settings_that_cannot_work_are_refused_by_name(string setting, string sentence)
    {
        var refused = Assert.Throws<SettingsException>(() => new HostSettings("data").With([setting]));

        Assert.Contains(sentence, refused.Message, StringComparison.Ordinal);
    }

    /// <summary>The spans between one and its root.</summary>
    private static IEnumerable<OtlpSpan> Above(OtlpReceiver receiver, OtlpSpan span)
    {
        var byId = receiver.Spans.GroupBy(s => s.Id).ToDictionary(s => s.Key, s => s.First());
        for (var at = byId.GetValueOrDefault(span.Parent); at is not null; at = byId.GetValueOrDefault(at.Parent))
        {
            yield return at;
        }
    }

    private static async Task PrepareAsync(ImageMgmtHttpClient client, string folder, string? faultPlan = null)
    {
        var sources = Directory.CreateDirectory(Path.Combine(folder, "sources")).FullName;
        var bytes = new byte[16 << 20];
        new Random(1).NextBytes(bytes);
        await File.WriteAllBytesAsync(Path.Combine(sources, "win.raw"), bytes, Stop);
        foreach (var pod in (string[])["source", "a"])
        {
            var settings = new Dictionary<string, string> { ["datastore.ds"] = Directory.CreateDirectory(Path.Combine(folder, pod)).FullName, ["sources"] = sources };
            if (pod == "a" && faultPlan is not null)
            {
                settings["fault-plan"] = faultPlan;
            }

            await client.ConnectPodAsync(pod, new ConnectPodRequest { Family = "filesystem", Settings = settings }, cancellationToken: Stop);
        }

        await Until.TrueAsync(async () => (await client.GetPodAsync("source", Stop)).State == PodState.Connected && (await client.GetPodAsync("a", Stop)).State == PodState.Connected, "the pods are connected");
        await client.ImportAsync("win", new ImportRequest { Pod = "source", Source = "win.raw", Version = "1.0" }, "import-1", Stop);
        await EndAsync(client, "import-1");
    }

    /// <summary>As a caller who has a trace of its own asks.</summary>
    private static async Task PublishTracedAsync(HttpClient http)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/images/win/versions/1.0/publish") { Content = new StringContent("{}", Encoding.UTF8, new MediaTypeHeaderValue("application/json")) };
        request.Headers.Add("traceparent", $"00-{CallersTrace}-b7ad6b7169203331-01");
        request.Headers.Add("Idempotency-Key", "publish-1");
        using var answer = await http.SendAsync(request, Stop);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Stop));
        Assert.Equal("publish-1", JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Stop)).RootElement.GetProperty("id").GetString());
    }

    private static Task EndAsync(ImageMgmtHttpClient client, string operation) => Until.TrueAsync(async () =>
    {
        var seen = await client.GetOperationAsync(operation, Stop);
        Assert.True(seen.State is not (OperationState.Failed or OperationState.Cancelled or OperationState.PartiallySucceeded), seen.State.ToString());
        return seen.State == OperationState.Succeeded;
    }, $"{operation} has succeeded");
}
