using System.Net;
using System.Net.Http.Headers;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: a silo that is asked to end says so first, goes on answering, and hands over what it has in hand; nothing travels twice but what was on its way.
/// Method: two real silos, SIGTERM in the middle of transfers, and what each of them wrote down of every chunk.</summary>
[Collection("servers")]
public sealed class HandOverTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    private static readonly string[] Targets = ["east", "west", "north", "south"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_silo_that_is_asked_to_end_hands_its_transfers_over()
    {
        await using var cluster = new SiloCluster(server);
        string Trace(int silo) => Path.Combine(cluster.Root, $"trace-{silo}.txt");
        await cluster.StartAsync([$"ImageMgmt:TransferTrace={Trace(0)}", "Cluster:DrainTime=3s"], [$"ImageMgmt:TransferTrace={Trace(1)}", "Cluster:DrainTime=3s"]);
        var work = await ClusterWork.BeginAsync(cluster, [cluster.Client(0), cluster.Client(1)], "through-a-hand-over", Targets, "receive:slow=2MB/s");
        var leaves = new TransferLedger(Trace(0)).Staged > 0 ? 0 : 1; // one that has something in hand
        var stays = 1 - leaves;
        var before = new TransferLedger(Trace(stays)).Staged;

        using var door = new HttpClient { BaseAddress = cluster.Silos[leaves].Url };
        door.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", cluster.Token);
        await cluster.Silos[leaves].Process.TerminateAsync();
        await ClusterWork.UntilAsync(async () => (await door.GetAsync(Routes.Readiness, Token)).StatusCode == HttpStatusCode.ServiceUnavailable, "it says that it is not ready");
        Assert.Contains("service.stopping", await (await door.GetAsync(Routes.Readiness, Token)).Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await door.GetAsync(Routes.Images, Token)).StatusCode);
        Assert.Equal(0, await cluster.Silos[leaves].Process.ExitAsync());
        var ended = await work.EndAsync(cluster.Client(stays), "through-a-hand-over");

        Assert.Equal(OperationState.Succeeded, ended.State);
        await work.CheckCopiesAsync(cluster, Targets);
        Assert.True(new TransferLedger(Trace(stays)).Staged > before, "the silo that stayed has staged nothing more");
        new TransferLedger(Trace(leaves), Trace(stays)).AssertNothingWasSentTwice(ClusterWork.Mebibytes * Targets.Length, kills: 1, transfers: Targets.Length);
    }
}
