namespace Orleans.ImageMgmt.Content;

/// <summary>Asks a limit of rate for bytes that travel packed: before an answer only a guess of its length is known, so what was guessed too high or too low is made up for
/// with the next ones. Safe for concurrent use.</summary>
internal sealed class WireRate(Func<long, int, CancellationToken, ValueTask<int>>? throttle)
{
    private readonly Lock gate = new();
    private double ratio = 1;
    private long credit;

    /// <summary>Returns when the answer may travel.</summary>
    /// <returns>The guess, for <see cref="Settle"/>.</returns>
    public async ValueTask<int> AskAsync(long offset, int unpacked, CancellationToken cancellationToken)
    {
        if (throttle is null)
        {
            return 0;
        }

        int guess;
        int ask;
        lock (gate)
        {
            guess = Math.Max(1, (int)(unpacked * ratio));
            ask = (int)Math.Max(0, guess - credit);
            credit -= guess - ask;
        }

        if (ask > 0)
        {
            await AllAsync(throttle, offset, ask, cancellationToken);
        }

        return guess;
    }

    /// <summary>Waits until all of the bytes may travel: an answer is not cut into parts.</summary>
    public static async ValueTask AllAsync(Func<long, int, CancellationToken, ValueTask<int>> throttle, long offset, int bytes, CancellationToken cancellationToken)
    {
        for (var left = bytes; left > 0;)
        {
            left -= await throttle(offset, left, cancellationToken);
        }
    }

    public void Settle(int unpacked, int guess, int arrived)
    {
        lock (gate)
        {
            credit += guess - arrived;
            ratio = (ratio + Math.Min(1, (double)arrived / Math.Max(1, unpacked))) / 2;
        }
    }
}
