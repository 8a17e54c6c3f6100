using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: a cluster can be watched: one trace over all silos, and readiness that tells the truth about the database. Method: real processes, a real PostgreSQL server, a receiver of OTLP.</summary>
[Collection("servers")]
public sealed class WatchingTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_trace_goes_from_the_front_end_over_the_silos_to_every_pod_and_the_store()
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        await using var cluster = new SiloCluster(server);
        string[] settings = [$"Telemetry:Otlp:Endpoint={receiver.Grpc}", "Telemetry:Metrics=false"];
        await cluster.StartAsync(settings, settings, [.. settings, "Cluster:Role=Web"]);
        const int frontEnd = 2;
        string[] targets = [.. Enumerable.Range(1, 12).Select(n => $"pod-{n}")]; // spread over both silos as a rule
        var (folder, _) = cluster.MakeDisk("golden.raw", mebibytes: 1);
        foreach (var pod in (string[])["head-office", .. targets])
        {
            await cluster.Client(0).ConnectPodAsync(pod, new ConnectPodRequest { Family = "filesystem", Settings = new Dictionary<string, string> { ["datastore.ds"] = cluster.Pod(pod), ["sources"] = folder } }, cancellationToken: Token);
        }

        await Until.TrueAsync(async () => (await cluster.Client(0).ListPodsAsync(cancellationToken: Token)).Items.All(p => p.State == PodState.Connected), () => "all pods are connected");
        await cluster.Client(0).ImportAsync("win", new ImportRequest { Pod = "head-office", Source = "golden.raw", Version = "1.0" }, "import", Token);
        await EndAsync(cluster, "import");
        await cluster.Client(frontEnd).PublishAsync("win", "1.0", operation: "publish", cancellationToken: Token);
        await EndAsync(cluster, "publish");

        string? trace = null;
        List<OtlpSpan> Spans(string name) => [.. receiver.Spans.Where(s => s.Trace == trace && s.Name == name)];
        await Until.TrueAsync(() =>
        {
            trace = receiver.Spans.FirstOrDefault(s => s.Name.StartsWith("POST ", StringComparison.Ordinal) && s.Name.EndsWith("/publish", StringComparison.Ordinal))?.Trace;
            return Spans("imgmt.transfer receive").Count == targets.Length && Spans("imgmt.store write").Count > targets.Length;
        }, () => $"the trace has come: {receiver.Spans.Count} spans, {Spans("imgmt.transfer receive").Count} transfers, {Spans("imgmt.store write").Count} writes");
        Assert.Equal(targets.Order(StringComparer.Ordinal), Spans("imgmt.transfer receive").Select(s => s.Attributes["imgmt.pod.name"]).Order(StringComparer.Ordinal));
        var transferring = Spans("imgmt.transfer receive").Select(s => s.Resource["service.instance.id"]).Distinct().ToList();
        Assert.InRange(transferring.Count, 1, 2); // as Orleans placed them
        Assert.DoesNotContain(receiver.Spans.First(s => s.Trace == trace && s.Name.StartsWith("POST ", StringComparison.Ordinal)).Resource["service.instance.id"], transferring);
        Assert.All(Spans("imgmt.store write"), s => Assert.Equal("postgresql", s.Attributes["db.system.name"]));
    }

    [Fact]
    public async Task A_silo_whose_database_is_away_is_live_and_not_ready_and_ready_again_when_it_is_back()
    {
        await using var cluster = new SiloCluster(server);
        await cluster.StartAsync(["Store:WriteTimeout=5s"]);
        using var http = new HttpClient { BaseAddress = cluster.Silos[0].Url };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", cluster.Token);
        await Until.TrueAsync(async () => (await http.GetAsync(Routes.Startup, Token)).StatusCode == HttpStatusCode.OK, () => "it has started");
        Assert.Equal("ready\n", await http.GetStringAsync(Routes.Readiness, Token));

        await server.KillAsync();
        try
        {
            using var answer = await http.GetAsync(Routes.Readiness, Token);
            var text = await answer.Content.ReadAsStringAsync(Token);
            Assert.True(answer.StatusCode == HttpStatusCode.ServiceUnavailable, text);
            Assert.StartsWith("store.", JsonDocument.Parse(text).RootElement.GetProperty("code").GetString(), StringComparison.Ordinal);
            Assert.DoesNotContain("Username", text, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("password", text, StringComparison.OrdinalIgnoreCase);
            Assert.Equal("live\n", await http.GetStringAsync(Routes.Liveness, Token));
            Assert.Equal("started\n", await http.GetStringAsync(Routes.Startup, Token)); // a start is over once
            var metrics = await http.GetStringAsync(Routes.Metrics, Token);
            Assert.Contains("imgmt_silo_ready 0\n", metrics, StringComparison.Ordinal);
            Assert.Contains("imgmt_store_commits_total{db_system_name=\"postgresql\"}", metrics, StringComparison.Ordinal);
            Assert.DoesNotContain("imgmt_pod_count", metrics, StringComparison.Ordinal);
        }
        finally
        {
            await server.StartAsync();
        }

        await Until.TrueAsync(async () => (await http.GetAsync(Routes.Readiness, Token)).StatusCode == HttpStatusCode.OK, () => $"it is ready again.\n{cluster.Silos[0].Process}");
        await Until.TrueAsync( // the answer of one second is shared by all scrapes in it
            async () => (await http.GetStringAsync(Routes.Metrics, Token)).Contains("imgmt_silo_ready 1\n", StringComparison.Ordinal), () => "the metrics say so too");
    }

    private static Task EndAsync(SiloCluster cluster, string operation) => Until.TrueAsync(
        async () => (await cluster.Client(1).GetOperationAsync(operation, Token)).State == OperationState.Succeeded, () => $"{operation} has succeeded");
}
