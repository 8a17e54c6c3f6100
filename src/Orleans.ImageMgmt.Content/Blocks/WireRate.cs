namespace Orleans.ImageMgmt.Content;

/// <summary>Asks a limit of rate for bytes that travel packed: before an answer only a guess of its length is known, so what was guessed too high or too low is made up for
/// with the next ones. Safe for concurrent use.</summary>
internal sealed class WireRate(Func<long, int, CancellationToken, ValueTask<int>>? throttle)
{
    /// <summary>Parts of a limit that one answer may take: what was let through and has not travelled yet may come in the wrong ten seconds.</summary>
    private const int PartsPerAnswer = 2;

    /// <summary>A limit gives no longer part at once, however high it is: to be given less than this means that it is a low one.</summary>
    private const int LongestPart = BlockRequest.UsualBlocks * BlockLayout.BlockLength;

    private readonly Lock gate = new();
    private double ratio = 1;
    private long credit;
    private int part; // 0: no limit, as far as is known
    private bool isKnown;
    private Task last = Task.CompletedTask;

    /// <summary>Finds out how large the limit's parts are before the first answers are asked for, several at once. What is let through is kept for them.</summary>
    public async ValueTask LearnAsync(long offset, int most, CancellationToken cancellationToken)
    {
        if (throttle is null || isKnown)
        {
            return;
        }

        isKnown = true;
        var passed = await throttle(offset, most, cancellationToken);
        lock (gate)
        {
            part = passed < most ? passed : 0;
            credit += passed;
        }
    }

    /// <summary>Bytes that one answer may have before it is packed: an answer is not cut into parts, so under a low limit it has to be a small one.</summary>
    /// <param name="least">How few it may be.</param>
    /// <param name="most">As many as without a limit.</param>
    public int Most(int least, int most)
    {
        lock (gate)
        {
            return part == 0 ? most : (int)Math.Clamp(part * PartsPerAnswer / Math.Max(ratio, 0.01), least, most);
        }
    }

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
            await PassAsync(throttle, offset, ask, cancellationToken);
        }

        return guess;
    }

    /// <summary>Under a limit one answer after the other: side by side all would have their last part at the same time, and travel together.</summary>
    private async ValueTask PassAsync(Func<long, int, CancellationToken, ValueTask<int>> limit, long offset, int bytes, CancellationToken cancellationToken)
    {
        Task before;
        var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            (before, last) = (part == 0 ? Task.CompletedTask : last, mine.Task);
        }

        try
        {
            await before.WaitAsync(cancellationToken);
            for (var left = bytes; left > 0;)
            {
                var asked = Math.Min(left, LongestPart);
                var passed = await limit(offset, asked, cancellationToken);
                lock (gate)
                {
                    // Whoever gets less than was asked sees how large the limit's parts are; whoever gets more at once sees that it was raised or taken away.
                    part = passed < asked ? passed : passed > part ? 0 : part;
                }

                left -= passed;
            }
        }
        finally
        {
            mine.SetResult();
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
