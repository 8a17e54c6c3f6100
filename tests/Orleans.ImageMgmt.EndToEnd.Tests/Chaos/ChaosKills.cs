using System.Globalization;
using Orleans.ImageMgmt.Testing;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>What is done to the processes while the load runs; drawn from the seed.</summary>
internal sealed class ChaosKills(ChaosEstate estate, ChaosDoors doors, PostgresServer server, int seed, Action<string> say)
{
    /// <summary>Between two strikes the service answers up to so many requests: whatever the machine, there is work in hand.</summary>
    private const int AnswersBetween = 150;

    /// <summary>A service that is down is struck all the same.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(12);

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    /// <summary>Shorter than a hung silo is declared dead, up to much longer.</summary>
    private const double LongestStop = 8;

    private readonly Random random = new(seed);
    private readonly List<Task> wakings = [];

    public int Kills { get; private set; }

    public int Stops { get; private set; }

    public int Terminations { get; private set; }

    public int DatabaseKills { get; private set; }

    /// <summary>Until the time is over, with a SIGKILL first and one death of PostgreSQL in the middle; then whoever is stopped is woken.</summary>
    public async Task RunAsync(TimeSpan time)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(began) < time || DatabaseKills == 0)
        {
            await PauseAsync(random.Next(AnswersBetween));
            if (DatabaseKills == 0 && TimeProvider.System.GetElapsedTime(began) > time / 2)
            {
                await KillDatabaseAsync();
            }
            else
            {
                await StrikeAsync();
            }
        }

        await Task.WhenAll(wakings);
    }

    private async Task PauseAsync(int answers)
    {
        var (began, until) = (TimeProvider.System.GetTimestamp(), doors.Answered + answers);
        while (doors.Answered < until && TimeProvider.System.GetElapsedTime(began) < LongestPause)
        {
            await Task.Delay(Look, TimeProvider.System);
        }
    }

    private async Task StrikeAsync()
    {
        var (at, kind) = (random.Next(estate.Silos.Count), random.NextDouble());
        var silo = estate.Silos[at];
        switch (Kills == 0 ? 0 : kind) // a short run has to have the worst of them whatever the seed
        {
            case < 0.6:
                await KillAsync(at, Seconds(0, 3));
                break;
            case < 0.7:
                await Task.WhenAll(KillAsync(at, Seconds(0, 3)), KillAsync((at + 1) % estate.Silos.Count, Seconds(0, 3)));
                break;
            case < 0.76:
                Terminations++;
                say(string.Create(CultureInfo.InvariantCulture, $"SIGTERM of silo {at + 1}"));
                await silo.TerminateAsync();
                break;
            default:
                var sleep = Seconds(0.3, LongestStop);
                if (!silo.IsStopped)
                {
                    Stops++;
                    say(string.Create(CultureInfo.InvariantCulture, $"SIGSTOP of silo {at + 1} for {sleep.TotalSeconds:0.0} s"));
                    await silo.StopAsync();
                    wakings.Add(WakeAsync(silo, sleep));
                }

                break;
        }
    }

    private async Task KillAsync(int at, TimeSpan away)
    {
        Kills++;
        say(string.Create(CultureInfo.InvariantCulture, $"SIGKILL of silo {at + 1}, away for {away.TotalSeconds:0.0} s"));
        await estate.Silos[at].KillAsync(away);
    }

    private async Task KillDatabaseAsync()
    {
        DatabaseKills++;
        var away = Seconds(1, 4);
        var killed = await server.KillAllAsync();
        say(string.Create(CultureInfo.InvariantCulture, $"SIGKILL of PostgreSQL, {killed} processes, away for {away.TotalSeconds:0.0} s"));
        await Task.Delay(away, TimeProvider.System);
        await server.StartAsync();
    }

    private static async Task WakeAsync(ChaosSilo silo, TimeSpan after)
    {
        await Task.Delay(after, TimeProvider.System);
        await silo.ContinueAsync();
    }

    private TimeSpan Seconds(double least, double most) => TimeSpan.FromSeconds(least + (random.NextDouble() * (most - least)));
}
