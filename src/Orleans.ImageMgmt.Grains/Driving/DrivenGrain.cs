using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Grains.Durable;
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

    /// <summary>Doublings of the first back-off: enough to reach the longest one from any sensible option.</summary>
    private const int MaxDoublings = 16;

    /// <summary>The reminder is only the last resort, behind timers and the resume scan.</summary>
    private static readonly TimeSpan ReminderPeriod = TimeSpan.FromMinutes(5);

    private const string ReminderName = "drive";

    private readonly Gate reminderGate = new(); // a drop and a registration of a reentrant grain must not overlap
    private IGrainTimer? timer;
    private DateTimeOffset? dueAt;
    private bool isDriving;
    private bool hasReminder;
    private bool knowsReminder;
    private int openIntents;
    private int failures;

    protected TimeProvider Time => field ??= ServiceProvider.GetService<TimeProvider>() ?? TimeProvider.System;

    protected ILogger Log => field ??= ServiceProvider.GetRequiredService<ILoggerFactory>().CreateLogger(GetType());

    protected DateTimeOffset Now => Time.GetUtcNow();

    protected IGrainStorage StateStorage => field ??= ServiceProvider.GetRequiredService<IGrainStorage>();

    /// <summary>Wait before a step that threw is tried again; doubles with every failure in a row.</summary>
    protected abstract TimeSpan FirstBackOff { get; }

    /// <summary>Does the next step. Returns when to come back; null = nothing more to do until somebody asks.</summary>
    protected abstract Task<TimeSpan?> DriveOnceAsync();

    /// <summary>Pokes the grain and answers at once; nobody waits for a step.</summary>
    public virtual Task DriveAsync()
    {
        Poke();
        return Task.CompletedTask;
    }

    public Task ReceiveReminder(string reminderName, TickStatus status)
    {
        hasReminder = true; // perhaps from a registration whose answer was lost
        Poke();
        return Task.CompletedTask;
    }

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

    /// <summary>Come back after so long, or sooner when somebody asked for that before. A call while a step runs is never lost: the step's
    /// own wish to rest does not overrule it.</summary>
    protected void ComeBack(TimeSpan wait)
    {
        var at = Now + wait;
        if (dueAt <= at)
        {
            return;
        }

        dueAt = at;
        if (!isDriving)
        {
            SetTimer(wait);
        }
    }

    /// <summary>Stores an intent with the reminder around it: registered before the intent is stored, so that a crash between the two finds a
    /// reminder without an intent, which removes itself; not dropped while the intent is being stored. The grain drives afterwards even when
    /// the write threw, for its commit may have happened.</summary>
    protected async Task<T> AcceptAsync<T>(Func<Task<T>> store)
    {
        openIntents++;
        try
        {
            if (UsesReminder)
            {
                await EnsureReminderAsync();
            }

            return await store();
        }
        finally
        {
            openIntents--;
            Poke();
        }
    }

    /// <summary>Whether this kind of grain keeps a reminder while it has work.</summary>
    protected virtual bool UsesReminder => true;

    private async Task DriveGuardedAsync()
    {
        (isDriving, dueAt) = (true, null);
        try
        {
            var again = await DriveOnceAsync();
            failures = 0;
            if (again is { } wait)
            {
                ComeBack(wait);
            }
            else if (dueAt is null && UsesReminder)
            {
                await DropReminderAsync();
            }
        }
        catch (Exception problem)
        {
            var backOff = BackOffAfter(++failures);
            DrivingLog.StepFailed(Log, this.GetGrainId().ToString(), backOff.TotalSeconds, problem);
            dueAt = Now + backOff;
        }
        finally
        {
            isDriving = false;
        }

        if (dueAt is { } due)
        {
            SetTimer(due > Now ? due - Now : TimeSpan.Zero);
        }
        else
        {
            timer?.Dispose();
            timer = null;
        }
    }

    private TimeSpan BackOffAfter(int failed)
    {
        var backOff = FirstBackOff * Math.Pow(2, Math.Min(failed - 1, MaxDoublings));
        return backOff < MaxBackOff ? backOff : MaxBackOff;
    }

    private Task<bool> EnsureReminderAsync() => reminderGate.PassAsync(async () =>
    {
        if (!hasReminder)
        {
            knowsReminder = false; // an answer that is lost leaves it open
            await RegisterReminderAsync();
            (hasReminder, knowsReminder) = (true, true);
        }

        return true;
    });

    /// <summary>Orleans passes on what its database said; for whoever asked it is the store that cannot be written.</summary>
    private async Task RegisterReminderAsync()
    {
        try
        {
            await this.RegisterOrUpdateReminder(ReminderName, ReminderPeriod, ReminderPeriod);
        }
        catch (Exception problem) when (problem is not (StoreException or OrleansException or TimeoutException or OperationCanceledException))
        {
            throw new StoreUnavailableException(StoreUnavailableException.InputOutput, $"The reminder of {this.GetGrainId()} cannot be stored: {problem.Message} Nothing was begun.", problem);
        }
    }

    private Task<bool> DropReminderAsync() => reminderGate.PassAsync(async () =>
    {
        if ((knowsReminder && !hasReminder) || openIntents > 0)
        {
            return false;
        }

        if (await this.GetReminder(ReminderName) is { } reminder)
        {
            await this.UnregisterReminder(reminder);
        }

        (hasReminder, knowsReminder) = (false, true);
        return true;
    });

    private void SetTimer(TimeSpan wait)
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
