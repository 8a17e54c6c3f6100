using System.Net;
using System.Net.Http.Headers;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: front ends scale apart from silos, and everything that HTTP offers works from a process that has none. Method: two silos without doors and one
/// front end, all processes of their own, on a real PostgreSQL server.</summary>
[Collection("servers")]
public sealed class FrontEndTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    private static readonly string[] Targets = ["east", "west", "north"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_front_end_does_the_whole_job_and_goes_on_when_a_silo_is_killed()
    {
        await using var cluster = new SiloCluster(server);
        await cluster.StartAsync(["Cluster:Role=Silo"], ["Cluster:Role=Silo"], ["Cluster:Role=Web", "Probes:Listen=127.0.0.1:0"]);
        var web = cluster.Client(2);
        var work = await ClusterWork.BeginAsync(cluster, [web], "through-a-front-end", Targets, "receive:slow=3MB/s");
        Assert.Equal("golden.raw", Assert.Single((await web.ListSourcesAsync("head-office", cancellationToken: Token)).Items).Path);
        Assert.Single((await web.PlanPublishAsync("Win10POS", "1.0", new PublishRequest { Pods = ["east"] }, cancellationToken: Token)).Pods);

        await cluster.Silos[0].Process.KillAsync();
        var ended = await work.EndAsync(web, "through-a-front-end");

        Assert.Equal(OperationState.Succeeded, ended.State);
        await work.CheckCopiesAsync(cluster, Targets);
        await UploadAsync(web, work.Folder);
        var events = new List<OperationEvent>();
        await foreach (var happened in web.WatchOperationAsync("through-a-front-end", cancellationToken: Token))
        {
            events.Add(happened);
        }

        Assert.NotEmpty(events);
        Assert.Equal("live\nready\nstarted\n", await ProbesAsync(cluster.Silos[2]));
    }

    [Fact, Trait("run", "long")]
    public async Task A_silo_without_doors_says_how_it_is_and_nothing_else_and_a_front_end_without_silos_says_why_it_is_not_ready()
    {
        await using var cluster = new SiloCluster(server);
        await cluster.StartAsync(["Cluster:Role=Silo"], ["Cluster:Role=Web"]);
        using var silo = Http(cluster, 0);
        using var web = Http(cluster, 1);
        Assert.Equal("ready\n", await silo.GetStringAsync(Routes.Readiness, Token));
        Assert.Contains("imgmt_silo_ready 1", await silo.GetStringAsync(Routes.Metrics, Token), StringComparison.Ordinal);
        foreach (var path in (string[])[Routes.Images, Routes.Tokens, "/sign-in", "/dashboard/", Routes.OpenApi])
        {
            Assert.Equal(HttpStatusCode.NotFound, (await silo.GetAsync(path, Token)).StatusCode);
        }

        Assert.Equal("ready\n", await web.GetStringAsync(Routes.Readiness, Token));

        await cluster.Silos[0].Process.KillAsync();

        using var notReady = await web.GetAsync(Routes.Readiness, Token);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, true), (notReady.StatusCode, (await notReady.Content.ReadAsStringAsync(Token)).Contains("cluster.no-silo", StringComparison.Ordinal)));
        using var noWork = await web.PostAsync(Routes.Fill(Routes.ImageDisable, "Win10POS"), new StringContent("{}", new MediaTypeHeaderValue("application/json")), Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, noWork.StatusCode);

        cluster.Silos[0].Start();
        await cluster.Silos[0].ReadyAsync();
        await ClusterWork.UntilAsync(async () => (await web.GetAsync(Routes.Readiness, Token)).StatusCode == HttpStatusCode.OK, "the front end is ready again");
    }

    private static HttpClient Http(SiloCluster cluster, int process)
    {
        var client = new HttpClient { BaseAddress = cluster.Silos[process].Url };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", cluster.Token);
        return client;
    }

    private static async Task UploadAsync(ImageMgmtHttpClient web, string folder)
    {
        var disk = new FileInfo(Path.Combine(folder, "golden.raw"));
        var upload = await web.BeginUploadAsync("head-office", new UploadRequest { Name = "sent.raw", LengthBytes = disk.Length }, Token);
        await using var content = disk.OpenRead();
        await web.SendUploadAsync(upload.Id, content, cancellationToken: Token);
        Assert.Contains("sent.raw", (await web.ListSourcesAsync("head-office", cancellationToken: Token)).Items.Select(source => source.Path));
    }

    private static async Task<string> ProbesAsync(Silo process)
    {
        var said = process.Process.Errors.Single(line => line.Contains("Answering probes at ", StringComparison.Ordinal));
        using var client = new HttpClient { BaseAddress = new Uri(said[(said.LastIndexOf(' ') + 1)..]) };
        return await client.GetStringAsync("/livez", Token) + await client.GetStringAsync("/readyz", Token) + await client.GetStringAsync("/startupz", Token);
    }
}
