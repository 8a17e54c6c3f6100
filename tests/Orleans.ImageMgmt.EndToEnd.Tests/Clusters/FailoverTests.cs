using System.Globalization;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>
/// Goal: what lived on a silo that is dead or hangs answers elsewhere; how soon is measured and printed, not asserted. Method: three real silos, pods on all of
/// them, SIGKILL or SIGSTOP, and each pod is asked at another silo until it answers. IMGMT_FAILOVER=all measures all settings, several times.
/// </summary>
[Collection("servers")]
public sealed class FailoverTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private const int Pods = 24;
    private const int Rounds = 3;

    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    private static readonly string[][] Settings =
    [
        ["Cluster:ProbeTimeout=1s", "Cluster:MissedProbes=2", "Cluster:AliveInterval=2s"],
        ["Cluster:ProbeTimeout=2s", "Cluster:MissedProbes=3", "Cluster:AliveInterval=10s"], // our defaults
        ["Cluster:ProbeTimeout=5s", "Cluster:MissedProbes=3", "Cluster:AliveInterval=30s"], // those of Orleans
    ];

    private static bool IsWhole => Environment.GetEnvironmentVariable("IMGMT_FAILOVER") == "all";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact, Trait("run", "long")]
    public async Task What_lived_on_a_silo_that_is_dead_or_hangs_answers_elsewhere()
    {
        foreach (var settings in IsWhole ? Settings : Settings[..1])
        {
            await using var cluster = new SiloCluster(server, settings);
            await cluster.StartAsync(3);
            await ConnectAsync(cluster);
            var (dead, hung, victim) = (new List<double>(), new List<double>(), 0);
            for (var round = 0; round < (IsWhole ? Rounds : 1); round++)
            {
                dead.Add(await MeasureAsync(cluster, victim++ % 3, "KILL"));
                hung.Add(await MeasureAsync(cluster, victim++ % 3, "STOP"));
            }

            output.WriteLine($"{string.Join(", ", settings)}: dead {Words(dead)}; hung {Words(hung)}");
        }
    }

    private static async Task ConnectAsync(SiloCluster cluster)
    {
        for (var n = 0; n < Pods; n++)
        {
            await cluster.Client(n % 3).ConnectPodAsync(NameOf(n), new ConnectPodRequest { Family = "simulated" }, cancellationToken: Token);
        }
    }

    /// <summary>Seconds until the last pod answers; then the silo is there again.</summary>
    private static async Task<double> MeasureAsync(SiloCluster cluster, int victim, string signal)
    {
        var process = cluster.Silos[victim].Process;
        using var client = ImageMgmtHttpClient.Create(cluster.Silos[(victim + 1) % 3].Url, cluster.Token);
        client.AnswerLimit = AnswerLimit;
        var began = TimeProvider.System.GetTimestamp();
        using (var kill = System.Diagnostics.Process.Start("kill", ["-" + signal, process.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync(Token);
        }

        var late = await Task.WhenAll(Enumerable.Range(0, Pods).Select(n => AnsweredLateAsync(client, NameOf(n), began)));
        var seconds = TimeProvider.System.GetElapsedTime(began).TotalSeconds;
        Assert.Contains(true, late); // else nothing lived there, and nothing is shown
        await process.KillAsync();
        cluster.Silos[victim].Start();
        await cluster.Silos[victim].ReadyAsync();
        return seconds;
    }

    /// <summary>Whether it did not answer at the first question.</summary>
    private static async Task<bool> AnsweredLateAsync(ImageMgmtHttpClient client, string pod, long began)
    {
        for (var asked = 1; ; asked++)
        {
            try
            {
                await client.GetPodAsync(pod, Token);
                return asked > 1;
            }
            catch (Exception problem) when (problem is ProblemException or HttpRequestException or TimeoutException)
            {
                Assert.True(TimeProvider.System.GetElapsedTime(began) < Limit, $"pod {pod} answers nowhere: {problem.Message}");
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Token);
            }
        }
    }

    private static string NameOf(int n) => string.Create(CultureInfo.InvariantCulture, $"pod-{n}");

    private static string Words(List<double> seconds) => string.Join(" ", seconds.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s:0.0} s")));
}
