using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Lets a scrub read so many bytes in a second, and holds it back while transfers are at work.</summary>
/// <param name="policy">The rate.</param>
/// <param name="time">Measures it.</param>
/// <param name="isBusy">Whether a transfer is at work on this silo.</param>
internal sealed class ScrubPace(ScrubPolicy policy, TimeProvider time, Func<bool> isBusy)
{
    /// <summary>How long one piece waits for transfers: a silo that is never idle is scrubbed too, a little at a time.</summary>
    private static readonly TimeSpan YieldLimit = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(250);

    private readonly Lock gate = new();
    private readonly long begin = time.GetTimestamp();
    private TimeSpan next;

    /// <param name="bytes">That are about to be read.</param>
    /// <param name="waits">Called while it waits: that is no stall.</param>
    public async ValueTask WaitAsync(int bytes, Action waits, CancellationToken cancellationToken)
    {
        for (var waited = TimeSpan.Zero; waited < YieldLimit && isBusy(); waited += LookAgain)
        {
            waits();
            await Task.Delay(LookAgain, time, cancellationToken);
        }

        TimeSpan wait;
        lock (gate)
        {
            var now = time.GetElapsedTime(begin);
            next = next > now ? next : now;
            wait = next - now;
            next += TimeSpan.FromSeconds((double)bytes / policy.BytesPerSecond);
        }

        if (wait > TimeSpan.Zero)
        {
            waits();
            await Task.Delay(wait, time, cancellationToken);
        }
    }
}
