namespace Orleans.ImageMgmt.Domain;

/// <summary>How often and how long a copy is tried again.</summary>
/// <param name="MaxTries">Tries before a copy is <see cref="CopyState.Failed"/>. Default: 8.</param>
/// <param name="MaxTime">Time from the intent after which no new try begins. Default: 24 hours: a site may be down for a working day.</param>
/// <param name="FirstDelay">Before the second try; doubles each time. Default: 2 s.</param>
/// <param name="MaxDelay">Longest wait between two tries. Default: 5 minutes.</param>
public sealed record RetryPolicy(int MaxTries, TimeSpan MaxTime, TimeSpan FirstDelay, TimeSpan MaxDelay)
{
    /// <summary>Eight tries in 24 hours, 2 s to 5 minutes apart.</summary>
    public static RetryPolicy Default { get; } = new(8, TimeSpan.FromHours(24), TimeSpan.FromSeconds(2), TimeSpan.FromMinutes(5));

    /// <summary>The wait before the next try.</summary>
    /// <param name="tries">Tries that have failed, 1 or more.</param>
    /// <returns><see cref="FirstDelay"/>, doubled for each further try, at most <see cref="MaxDelay"/>.</returns>
    public TimeSpan DelayAfter(int tries)
    {
        var factor = Math.Pow(2, Math.Clamp(tries - 1, 0, 30));
        var delay = FirstDelay.TotalMilliseconds * factor;
        return delay >= MaxDelay.TotalMilliseconds ? MaxDelay : TimeSpan.FromMilliseconds(delay);
    }
}
