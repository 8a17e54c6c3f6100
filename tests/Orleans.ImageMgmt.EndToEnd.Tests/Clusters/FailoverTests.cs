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

    /// <summary>New grains go where there is most room, sometimes all to one silo: the wrong one was taken then.</summary>
    private const int Tries = 24;

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
            var (turn, rounds) = (0, IsWhole ? Rounds : 1);
            var (dead, hung) = (new List<double>(), new List<double>());
            for (var tries = 0; tries < Tries && (dead.Count < rounds || hung.Count < rounds); tries++)
            {
                var (signal, seconds) = dead.Count <= hung.Count ? ("KILL", dead) : ("STOP", hung);
                if (await MeasureAsync(cluster, turn++, signal) is { } late)
                {
                    seconds.Add(late);
                }
            }

            Assert.Equal((rounds, rounds), (dead.Count, hung.Count));
            output.WriteLine($"{string.Join(", ", settings)}: dead {Words(dead)}; hung {Words(hung)}");
        }
    }

    /// <summary>New ones for each measurement: those of the last one have left a silo that was away since.</summary>
    private static async Task ConnectAsync(SiloCluster cluster, int turn)
    {
        for (var n = 0; n < Pods; n++)
        {
            await cluster.Client(n % 3).ConnectPodAsync(NameOf(turn, n), new ConnectPodRequest { Family = "simulated" }, cancellationToken: Token);
        }
    }

    /// <summary>Seconds until the last pod answers; then the silo is there again. Null when no pod lived on it.</summary>
    private static async Task<double?> MeasureAsync(SiloCluster cluster, int turn, string signal)
    {
        await ConnectAsync(cluster, turn);
        var victim = turn % 3;
        var process = cluster.Silos[victim].Process;
        using var client = ImageMgmtHttpClient.Create(cluster.Silos[(victim + 1) % 3].Url, cluster.Token);
        client.AnswerLimit = AnswerLimit;
        var began = TimeProvider.System.GetTimestamp();
        using (var kill = System.Diagnostics.Process.Start("kill", ["-" + signal, process.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync(Token);
        }

        var late = await Task.WhenAll(Enumerable.Range(0, Pods).Select(n => AnsweredLateAsync(client, NameOf(turn, n), began)));
        var seconds = TimeProvider.System.GetElapsedTime(began).TotalSeconds;
        await process.KillAsync();
        cluster.Silos[victim].Start();
        await cluster.Silos[victim].ReadyAsync();
        return late.Contains(true) ? seconds : null;
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

    private static string NameOf(int turn, int n) => string.Create(CultureInfo.InvariantCulture, $"pod-{turn}-{n}");

    private static string Words(List<double> seconds) => string.Join(" ", seconds.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s:0.0} s")));
}
