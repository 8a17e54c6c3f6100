using System.Globalization;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>A silo that is started again whenever it has ended, as a service manager does it.</summary>
internal sealed class ChaosSilo(Silo silo) : IAsyncDisposable
{
    /// <summary>What a service manager waits.</summary>
    private static readonly TimeSpan RestartAfter = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    private readonly List<ImgmtProcess> lives = [silo.Process];
    private TimeSpan down = RestartAfter;
    private bool isKilled;

    public int Starts => lives.Count;

    /// <summary>Ends that nobody brought about from outside: with which code, and the last thing that it said.</summary>
    public List<string> OwnEnds { get; } = [];

    public bool IsStopped { get; private set; }

    public async Task KeepUpAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            if (!silo.Process.HasEnded)
            {
                await Task.Delay(Look, TimeProvider.System, stop);
                continue;
            }

            if (!isKilled)
            {
                var code = await silo.Process.ExitAsync();
                OwnEnds.Add(string.Create(CultureInfo.InvariantCulture, $"exit {code}, {LastWord()}"));
            }

            await Task.Delay(down, TimeProvider.System, stop);
            (isKilled, IsStopped, down) = (false, false, RestartAfter);
            silo.Start();
            lives.Add(silo.Process);
        }
    }

    /// <summary>SIGKILL; it comes back after <paramref name="away"/>.</summary>
    public async Task KillAsync(TimeSpan away)
    {
        (isKilled, down) = (true, away);
        await silo.Process.KillAsync();
    }

    /// <summary>As <c>systemctl restart</c> would.</summary>
    public async Task TerminateAsync()
    {
        (isKilled, down) = (true, TimeSpan.Zero);
        await SignalAsync("TERM");
    }

    public async Task StopAsync()
    {
        IsStopped = true;
        await SignalAsync("STOP");
    }

    public async Task ContinueAsync()
    {
        IsStopped = false;
        await SignalAsync("CONT");
    }

    /// <summary>Everything that it has printed in all its lives.</summary>
    public IEnumerable<string> Lines => lives.SelectMany((life, at) => (string[])[$"--- life {at + 1}", .. life.Lines, .. life.Errors]);

    public async ValueTask DisposeAsync()
    {
        foreach (var life in lives)
        {
            await life.DisposeAsync();
        }
    }

    /// <summary>Why it ended, without what is different each time.</summary>
    private string LastWord() => silo.Process.Errors.LastOrDefault(line => line.StartsWith("imgmt:", StringComparison.Ordinal) || line.Contains("I have been told I am dead", StringComparison.Ordinal)) switch
    {
        null => "no word",
        ['i', ..] => "PostgreSQL is away or starting",
        _ => "declared dead",
    };

    private async Task SignalAsync(string signal)
    {
        if (silo.Process.HasEnded)
        {
            return;
        }

        using var kill = System.Diagnostics.Process.Start("kill", ["-" + signal, silo.Process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
    }
}
