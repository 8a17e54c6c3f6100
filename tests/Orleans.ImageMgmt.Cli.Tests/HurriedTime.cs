using System.Collections.Concurrent;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>A clock on which short waits, such as those between tries, are over at once, and are written down. Longer ones are limits: they take as long as they do.</summary>
internal sealed class HurriedTime(TimeSpan upTo) : TimeProvider
{
    private readonly ConcurrentQueue<TimeSpan> waits = new();
    private long hurried;

    /// <summary>Waits that were over at once, in order.</summary>
    public IReadOnlyList<TimeSpan> Waits => [.. waits];

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + TimeSpan.FromTicks(Volatile.Read(ref hurried));

    public override long GetTimestamp() => base.GetTimestamp() + (long)(TimeSpan.FromTicks(Volatile.Read(ref hurried)).TotalSeconds * TimestampFrequency);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime > TimeSpan.Zero && dueTime <= upTo)
        {
            waits.Enqueue(dueTime);
            Interlocked.Add(ref hurried, dueTime.Ticks);
            dueTime = TimeSpan.Zero;
        }

        return base.CreateTimer(callback, state, dueTime, period);
    }
}
