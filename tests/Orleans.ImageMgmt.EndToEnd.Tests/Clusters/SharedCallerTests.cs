using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Host;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: frontends call a cluster with the client SDK as who their certificate says, on whichever silo a grain lives. Method: two silos with gateways and a front
/// end, all processes of their own; callers are connected to the second silo, and the grains that they call live on the first.</summary>
[Collection("servers")]
public sealed class SharedCallerTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    private const int Pods = 12;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_caller_is_known_on_silos_that_it_is_not_connected_to_and_goes_on_when_one_is_killed()
    {
        await using var cluster = new SiloCluster(server);
        var gateways = new[] { 0, 1 }.Select(_ => $"127.0.0.1:{SiloLocks.FreePort(IPAddress.Loopback)}").ToArray();
        await cluster.StartAsync([$"Gateway:Listen={gateways[0]}"]);
        for (var n = 0; n < Pods; n++)
        {
            await cluster.Client(0).ConnectPodAsync(NameOf(n).ToString(), new ConnectPodRequest { Family = "simulated" }, cancellationToken: Token); // they live on the only silo
        }

        await JoinAsync(cluster, "second", $"Gateway:Listen={gateways[1]}");
        await JoinAsync(cluster, "web", "Cluster:Role=Web");
        using var runner = await CallerAsync(cluster, "runner", "operator", gateways[1]);
        using var reader = await CallerAsync(cluster, "reader", "viewer", gateways[1]);
        var operating = runner.Services.GetRequiredService<ImageMgmtClient>();
        var reading = reader.Services.GetRequiredService<ImageMgmtClient>();
        for (var n = 0; n < Pods; n++)
        {
            var pod = NameOf(n);
            await operating.SetPodLabelsAsync(pod, new Dictionary<string, string> { ["site"] = "east" }, ImageMgmtClient.Because("the test"), cancellationToken: Token);
            var refused = await Assert.ThrowsAsync<RefusedException>(() => reading.DrainPodAsync(pod, ImageMgmtClient.Because("no business of mine"), cancellationToken: Token));
            Assert.Equal("role.missing", refused.Refusal.Code);
        }

        var log = await cluster.Client(2).ListActivityAsync(cancellationToken: Token);
        Assert.Equal(Pods, log.Items.Count(line => line is { Actor: "runner" }));
        Assert.DoesNotContain(log.Items, line => line.Actor == "reader");

        await cluster.Silos[0].Process.KillAsync();
        for (var n = 0; n < Pods; n++)
        {
            Assert.NotNull((await AnsweredAsync(() => reading.GetPodAsync(NameOf(n)))).Pod.Spec);
        }
    }

    [Fact]
    public async Task A_gateway_that_is_not_the_front_ends_port_is_refused_with_a_sentence()
    {
        await using var cluster = new SiloCluster(server);
        await cluster.StartAsync(["Cluster:Role=Silo"]);
        var other = await cluster.AddAsync("other", "Gateway:Listen=127.0.0.2:7481");
        other.Start();

        Assert.Equal(2, await other.Process.ExitAsync());
        Assert.Contains(other.Process.Errors, line => line.Contains("Gateway:Listen is 127.0.0.2:7481. In a cluster it is the port that front ends use too", StringComparison.Ordinal));
    }

    private static async Task JoinAsync(SiloCluster cluster, string name, params string[] settings)
    {
        var process = await cluster.AddAsync(name, settings);
        process.Start();
        await process.ReadyAsync();
    }

    private static PodName NameOf(int n) => new($"pod-{n}");

    /// <summary>A frontend in all but its process.</summary>
    private static async Task<IHost> CallerAsync(SiloCluster cluster, string name, string role, params string[] gateways)
    {
        var folder = Path.Combine(cluster.Root, "callers", name);
        await using var issue = ImgmtProcess.Start("trust", "issue-client", "--data", Path.Combine(cluster.Root, "authority"), "--name", name, "--role", role, "--out", folder);
        Assert.True(await issue.ExitAsync() == 0, issue.ToString());
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.AddImageMgmtClient(options =>
        {
            foreach (var gateway in gateways)
            {
                options.Gateways.Add(gateway);
            }

            options.CertificateFile = Path.Combine(folder, "client.crt");
            options.KeyFile = Path.Combine(folder, "client.key");
            options.AuthorityFile = Path.Combine(folder, "ca.crt");
            options.ClusterId = "imgmt";
            options.ConnectRetry = TimeSpan.FromMilliseconds(100);
            options.ResponseTimeout = TimeSpan.FromSeconds(5);
        });
        var caller = builder.Build();
        await caller.StartAsync(Token);
        return caller;
    }

    /// <summary>While the dead silo's grains have not moved, calls may fail; a caller is refused by nobody.</summary>
    private static async Task<T> AnsweredAsync<T>(Func<Task<T>> call)
    {
        T? answer = default;
        await Until.TrueAsync(async () =>
        {
            try
            {
                answer = await call();
                return true;
            }
            catch (Exception problem) when (problem is ServiceUnavailableException)
            {
                return false;
            }
        }, () => "the pod answers at the silo that is left");
        return answer!;
    }
}
