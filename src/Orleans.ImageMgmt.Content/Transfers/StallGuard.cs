namespace Orleans.ImageMgmt.Content;

/// <summary>
/// Watches blocking reads of a source. A read of a dead share cannot be interrupted, so a reader that overstays is left behind: from then
/// on its <see cref="TryLeave"/> says no and it must not touch the staging file, which the next attempt may already be writing.
/// </summary>
internal sealed class StallGuard : IDisposable
{
    private const int Away = 0;
    private const int Reading = 1;
    private const int LeftBehind = 2;

    private readonly TaskCompletionSource stalled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource stop;
    private readonly TimeSpan limit;
    private readonly TimeProvider clock;
    private readonly ITimer timer;
    private readonly CancellationTokenRegistration cancelled;
    private Task beside = Task.CompletedTask;
    private long since;
    private int state;

    public StallGuard(TimeSpan limit, TimeProvider clock, CancellationToken cancellationToken)
    {
        this.limit = limit;
        this.clock = clock;
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Token = stop.Token;
        var period = TimeSpan.FromTicks(Math.Max(limit.Ticks / 4, TimeSpan.TicksPerMillisecond));
        timer = clock.CreateTimer(static guard => ((StallGuard)guard!).Look(), this, period, period);
        cancelled = cancellationToken.UnsafeRegister(static guard => ((StallGuard)guard!).LeaveBehind(), this);
    }

    /// <summary>Completes when a reader was left behind.</summary>
    public Task Stalled => stalled.Task;

    public CancellationToken Token { get; }

    /// <summary>Threads beside the reader that write to the staging file: they end with <see cref="Token"/>, and wait for the target alone.</summary>
    public void Beside(Task writers) => Volatile.Write(ref beside, writers);

    /// <summary>After a reader was left behind: when this has ended, nobody writes to the staging file any more.</summary>
    public async Task StopBesideAsync()
    {
        await stop.CancelAsync();
        await Volatile.Read(ref beside).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    public void Enter()
    {
        Volatile.Write(ref since, clock.GetTimestamp());
        if (Interlocked.CompareExchange(ref state, Reading, Away) != Away)
        {
            throw new OperationCanceledException(Token);
        }
    }

    /// <summary>False: the transfer is over for everybody else; end without a trace.</summary>
    public bool TryLeave() => Interlocked.CompareExchange(ref state, Away, Reading) == Reading;

    public void Dispose()
    {
        timer.Dispose();
        cancelled.Dispose();
        stop.Cancel();
        stop.Dispose();
    }

    private void Look()
    {
        if (Volatile.Read(ref state) == Reading && clock.GetElapsedTime(Volatile.Read(ref since)) >= limit)
        {
            LeaveBehind();
        }
    }

    /// <summary>On a time-out, and on cancellation: both must end a transfer whose source hangs.</summary>
    private void LeaveBehind()
    {
        if (Interlocked.CompareExchange(ref state, LeftBehind, Reading) == Reading)
        {
            stalled.TrySetResult();
        }
    }
}
