using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Doors.Tests.Upkeep;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Watching;

/// <summary>Goal: a real Prometheus scrapes the real program with a token from a file, takes all it sends, and loads the alert rules. Method: Debian's Prometheus on loopback, asked through its own HTTP interface.</summary>
public sealed class PrometheusTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Prometheus_scrapes_the_service_with_a_viewers_token_and_loads_its_alerts()
    {
        using var folder = new TemporaryFolder();
        await using var server = ServerProcess.Start(Path.Combine(folder.Path, "data"), []);
        await server.ReadyAsync();
        var token = Path.Combine(folder.Path, "imgmt.token");
        await File.WriteAllTextAsync(token, await ViewerAsync(server.Http), Stop);
        await ConnectAsync(server.Http, folder.Path);

        await using var prometheus = await Prometheus.StartAsync(folder.Path, server.Http.BaseAddress!, token);

        await prometheus.UntilAsync("up{job=\"imgmt\"}", value => value == 1);
        await prometheus.UntilAsync("imgmt_pod_count{imgmt_pod_state=\"connected\"}", value => value == 1);
        await prometheus.UntilAsync("imgmt_silo_ready", value => value == 1);
        await prometheus.UntilAsync("increase(http_server_request_duration_seconds_count{http_route=\"/metrics\"}[30s])", value => value > 0);
        await prometheus.UntilAsync("histogram_quantile(0.5, rate(imgmt_store_commit_duration_seconds_bucket[30s]))", value => value is > 0 and < 10);
        await prometheus.UntilAsync("count(target_info{service_name=\"imgmt\"})", value => value == 1);
        await prometheus.UntilAsync("count({__name__=~\"orleans_.+\"})", value => value > 5);

        var targets = await prometheus.AskAsync("/api/v1/targets?state=active");
        Assert.All(targets.GetProperty("data").GetProperty("activeTargets").EnumerateArray(), target => Assert.Equal(("up", ""), (target.GetProperty("health").GetString(), target.GetProperty("lastError").GetString())));
        var rules = await prometheus.AskAsync("/api/v1/rules");
        var loaded = rules.GetProperty("data").GetProperty("groups").EnumerateArray().SelectMany(g => g.GetProperty("rules").EnumerateArray()).ToList();
        Assert.Equal(11, loaded.Count);
        Assert.All(loaded, rule => Assert.NotEqual("err", rule.GetProperty("health").GetString()));
        Assert.DoesNotContain(loaded, rule => rule.GetProperty("name").GetString() == "ImgmtNoSilo" && rule.GetProperty("state").GetString() == "firing");
    }

    [Fact]
    public async Task Without_a_token_Prometheus_gets_nothing_and_says_so()
    {
        using var folder = new TemporaryFolder();
        await using var server = ServerProcess.Start(Path.Combine(folder.Path, "data"), []);
        await server.ReadyAsync();
        var token = Path.Combine(folder.Path, "imgmt.token");
        await File.WriteAllTextAsync(token, "imgmt_" + new string('x', 43), Stop);

        await using var prometheus = await Prometheus.StartAsync(folder.Path, server.Http.BaseAddress!, token);

        await prometheus.UntilAsync("up{job=\"imgmt\"}", value => value == 0);
        var targets = await prometheus.AskAsync("/api/v1/targets?state=active");
        Assert.Contains("401", Assert.Single(targets.GetProperty("data").GetProperty("activeTargets").EnumerateArray()).GetProperty("lastError").GetString(), StringComparison.Ordinal);
    }

    private static async Task<string> ViewerAsync(HttpClient http)
    {
        using var answer = await http.PostAsync(Routes.Tokens, DoorsHost.Json(new { name = "prometheus", role = "viewer" }), Stop);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Stop)).RootElement.GetProperty("token").GetString()!;
    }

    private static async Task ConnectAsync(HttpClient http, string folder)
    {
        using var client = new ImageMgmtHttpClient(http);
        await client.ConnectPodAsync("a", new ConnectPodRequest { Family = "filesystem", Settings = new Dictionary<string, string> { ["datastore.ds"] = Directory.CreateDirectory(Path.Combine(folder, "a")).FullName } }, cancellationToken: Stop);
        await Until.TrueAsync(async () => (await client.GetPodAsync("a", Stop)).State == PodState.Connected, "the pod is connected");
    }

    /// <summary>A Prometheus of its own with everything in a folder. Disposing kills it.</summary>
    private sealed class Prometheus : IAsyncDisposable
    {
        private readonly Process process;
        private readonly HttpClient http;
        private readonly Task<string> errors;

        private Prometheus(Process process, Uri address)
        {
            (this.process, http) = (process, new HttpClient { BaseAddress = address, Timeout = DoorsHost.Limit });
            errors = process.StandardError.ReadToEndAsync();
        }

        public static async Task<Prometheus> StartAsync(string folder, Uri target, string token)
        {
            var configuration = Path.Combine(folder, "prometheus.yml");
            await File.WriteAllTextAsync(configuration, $$"""
                global: { scrape_interval: 1s, evaluation_interval: 1s }
                rule_files: ["{{Path.Combine(Sources.Root, "silo-config", "prometheus-alerts.yml")}}"]
                scrape_configs:
                  - job_name: imgmt
                    authorization: { credentials_file: {{token}} }
                    static_configs: [{ targets: ["{{target.Authority}}"] }]
                """, Stop);
            var address = new Uri($"http://127.0.0.1:{FreePort()}");
            return new Prometheus(Process.Start(new ProcessStartInfo("prometheus",
                [$"--config.file={configuration}", $"--storage.tsdb.path={Path.Combine(folder, "tsdb")}", $"--web.listen-address={address.Authority}"]) { RedirectStandardError = true })!, address);
        }

        /// <summary>Asks until a query has one answer that is as wanted.</summary>
        public Task UntilAsync(string query, Predicate<double> isWanted)
        {
            var seen = "nothing";
            return Until.TrueAsync(async () =>
            {
                Assert.False(process.HasExited, process.HasExited ? await errors : "");
                try
                {
                    var answer = await AskAsync($"/api/v1/query?query={Uri.EscapeDataString(query)}");
                    seen = answer.ToString();
                    return answer.GetProperty("data").GetProperty("result").EnumerateArray().Any(r => isWanted(double.Parse(r.GetProperty("value")[1].GetString()!, CultureInfo.InvariantCulture)));
                }
                catch (HttpRequestException)
                {
                    return false; // it is not up yet
                }
            }, query, () => seen);
        }

        public async Task<JsonElement> AskAsync(string path) => JsonDocument.Parse(await http.GetStringAsync(path, Stop)).RootElement;

        public async ValueTask DisposeAsync()
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
            await errors;
            process.Dispose();
            http.Dispose();
        }

        private static int FreePort()
        {
            using var probe = new TcpListener(IPAddress.Loopback, 0);
            probe.Start();
            return ((IPEndPoint)probe.LocalEndpoint).Port;
        }
    }
}
