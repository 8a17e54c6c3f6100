using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Orleans.Storage;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// A grain that goes on by itself: it looks at its record, does one step, and says when to come back. Timer, reminder and pokes from
/// outside all end in <see cref="DriveOnceAsync"/>; none of them holds logic.
/// </summary>
internal abstract class DrivenGrain : Grain, IRemindable
{
    /// <summary>Longest wait before a step that threw is tried again.</summary>
    private static readonly TimeSpan MaxBackOff = TimeSpan.FromMinutes(1);

    /// <summary>The reminder is only the last resort, behind timers and the resume scan.</summary>
    private static readonly TimeSpan ReminderPeriod = TimeSpan.FromMinutes(5);

    private const string ReminderName = "drive";

    private IGrainTimer? timer;
    private bool hasReminder;
    private bool knowsReminder;
    private int failures;

    protected TimeProvider Time => field ??= ServiceProvider.GetService<TimeProvider>() ?? TimeProvider.System;

    protected ILogger Log => field ??= ServiceProvider.GetRequiredService<ILoggerFactory>().CreateLogger(GetType());

    protected DateTimeOffset Now => Time.GetUtcNow();

    protected IGrainStorage StateStorage => field ??= ServiceProvider.GetRequiredService<IGrainStorage>();

    /// <summary>Does the next step. Returns when to come back; null = nothing more to do until somebody asks.</summary>
    protected abstract Task<TimeSpan?> DriveOnceAsync();

    /// <summary>Pokes the grain and answers at once; nobody waits for a step.</summary>
    public Task DriveAsync()
    {
        Poke();
        return Task.CompletedTask;
    }

    public Task ReceiveReminder(string reminderName, TickStatus status) => DriveGuardedAsync();

    /// <summary>Changes a record. When the write fails its outcome may be unknown: the grain looks at what is durable before long, whoever asked.</summary>
    protected async Task<bool> ChangeAsync<TState>(StateCell<TState> cell, Func<TState, TState?> change) where TState : class, new()
    {
        try
        {
            return await cell.ChangeAsync(change);
        }
        catch
        {
            Poke();
            throw;
        }
    }

    /// <summary>Come back as soon as this turn is over.</summary>
    protected void Poke() => ComeBack(TimeSpan.Zero);

    /// <summary>Registered before an intent is stored: a crash between the two finds a reminder without an intent, which removes itself.</summary>
    protected async Task EnsureReminderAsync()
    {
        if (hasReminder)
        {
            return;
        }

        await this.RegisterOrUpdateReminder(ReminderName, ReminderPeriod, ReminderPeriod);
        (hasReminder, knowsReminder) = (true, true);
    }

    private async Task DropReminderAsync()
    {
        if (knowsReminder && !hasReminder)
        {
            return;
        }

        if (await this.GetReminder(ReminderName) is { } reminder)
        {
            await this.UnregisterReminder(reminder);
        }

        (hasReminder, knowsReminder) = (false, true);
    }

    private async Task DriveGuardedAsync()
    {
        try
        {
            var again = await DriveOnceAsync();
            failures = 0;
            if (again is { } wait)
            {
                ComeBack(wait);
            }
            else
            {
                timer?.Dispose();
                timer = null;
                if (UsesReminder)
                {
                    await DropReminderAsync();
                }
            }
        }
        catch (Exception problem)
        {
            failures++;
            var backOff = TimeSpan.FromSeconds(Math.Min(Math.Pow(2, Math.Min(failures, 10)), MaxBackOff.TotalSeconds));
            DrivingLog.StepFailed(Log, this.GetGrainId().ToString(), backOff.TotalSeconds, problem);
            ComeBack(backOff);
        }
    }

    /// <summary>Whether this kind of grain keeps a reminder while it has work.</summary>
    protected virtual bool UsesReminder => true;

    protected void ComeBack(TimeSpan wait)
    {
        if (timer is null)
        {
            timer = this.RegisterGrainTimer(_ => DriveGuardedAsync(), new GrainTimerCreationOptions(wait, Timeout.InfiniteTimeSpan) { KeepAlive = true });
        }
        else
        {
            timer.Change(wait, Timeout.InfiniteTimeSpan);
        }
    }
}

internal static partial class DrivingLog
{
    [LoggerMessage(EventId = 100, Level = LogLevel.Warning, Message = "{Grain} could not do its step; next try in {Seconds} s")]
    internal static partial void StepFailed(ILogger logger, string grain, double seconds, Exception problem);

    [LoggerMessage(EventId = 101, Level = LogLevel.Debug, Message = "A report to {Grain} was lost; the next ensure heals it")]
    internal static partial void ReportLost(ILogger logger, string grain, Exception problem);

    [LoggerMessage(EventId = 102, Level = LogLevel.Information, Message = "Resume scan: {Count} unfinished records driven")]
    internal static partial void Resumed(ILogger logger, int count);

    [LoggerMessage(EventId = 103, Level = LogLevel.Warning, Message = "Resume scan failed; it is tried again in {Seconds} s")]
    internal static partial void ResumeFailed(ILogger logger, double seconds, Exception problem);
}
