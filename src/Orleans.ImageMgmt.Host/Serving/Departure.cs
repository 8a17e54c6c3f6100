using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Host;

/// <summary>That this process was asked to end: from then on it says that it is not ready, while it still answers.</summary>
internal sealed partial class Departure(ILogger<Departure> log)
{
    private int begun;

    public bool HasBegun => Volatile.Read(ref begun) != 0;

    /// <summary>Answers on for a while, so that nobody is sent here any more when the doors close.</summary>
    public async Task WaitAsync(TimeSpan wait, TimeProvider time)
    {
        if (Interlocked.Exchange(ref begun, 1) == 0 && wait > TimeSpan.Zero)
        {
            Leaving(log, wait.TotalSeconds);
            await Task.Delay(wait, time);
        }
    }

    [LoggerMessage(EventId = 8201, Level = LogLevel.Information, Message = "Asked to end: not ready any more, answering for another {Seconds} s, then what runs is handed over")]
    private static partial void Leaving(ILogger log, double seconds);
}

/// <summary>The command hears signals, and ends the host when it has taken its leave; the host by itself would close its doors at once. Systemd is told all the same.</summary>
internal sealed class CommandLifetime(IHostApplicationLifetime host, IServiceProvider services) : IHostLifetime, IDisposable
{
    private readonly List<CancellationTokenRegistration> registrations = [];

    public Task WaitForStartAsync(CancellationToken cancellationToken)
    {
        if (services.GetService<ISystemdNotifier>() is { IsEnabled: true } systemd)
        {
            registrations.Add(host.ApplicationStarted.Register(() => systemd.Notify(ServiceState.Ready)));
            registrations.Add(host.ApplicationStopping.Register(() => systemd.Notify(ServiceState.Stopping)));
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => registrations.ForEach(registration => registration.Dispose());
}
