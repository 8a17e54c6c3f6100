using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>
/// What became of batches, the same for every database: callers are told, what happens is counted, a failure is logged when it begins and when it is over,
/// and damage is remembered. Used by one writer at a time.
/// </summary>
/// <param name="place">Where the store is, for the log.</param>
internal sealed partial class BatchOutcomes(string place, ILogger log, StoreCounters counters)
{
    private readonly TaskCompletionSource<StoreCorruptException> broken = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile StoreCorruptException? damage;
    private string? complaint;

    /// <summary>Ends with the exception when the database is found to be damaged; the host should stop then.</summary>
    public Task<StoreCorruptException> Broken => broken.Task;

    /// <exception cref="StoreCorruptException">The database was found damaged: nothing more is written.</exception>
    public void ThrowIfBroken()
    {
        if (damage is { } found)
        {
            throw new StoreCorruptException(found.Message, found);
        }
    }

    /// <summary>A batch is durable.</summary>
    /// <param name="batch">Its requests.</param>
    /// <param name="mostRows">What a request counts for at most: one that goes over everything says that it is endless.</param>
    public void Stored(IReadOnlyCollection<QueuedOp> batch, int mostRows) =>
        counters.AddCommit(batch.Sum(op => (long)Math.Min(op.Rows, mostRows)), batch.Sum(op => (long)op.ListRows));

    /// <summary>A commit took so long; if writes failed before, they no longer do.</summary>
    public void Took(TimeSpan duration)
    {
        counters.AddDuration(duration);
        if (complaint is { } code)
        {
            complaint = null;
            LogRecovered(log, place, code);
        }
    }

    /// <summary>Nothing of the batch was written. Empties it.</summary>
    public void Fail<TOp>(List<TOp> batch, StoreException error) where TOp : QueuedOp
    {
        if (batch.Count == 0)
        {
            return;
        }

        counters.AddFailure();
        if (error is StoreCorruptException found && damage is null)
        {
            damage = found;
            broken.TrySetResult(found);
        }

        // Each caller gets an exception of its own: a shared one would collect every caller's stack trace.
        batch.ForEach(op => op.Fail(error is StoreCorruptException
            ? new StoreCorruptException(error.Message, error)
            : new StoreUnavailableException(error.Code, error.Message, error)));
        var requests = batch.Count;
        batch.Clear();
        if (complaint != error.Code)
        {
            complaint = error.Code;
            LogFailed(log, error, error.Code, requests);
        }
    }

    /// <summary>One request alone is at fault, or our own code is.</summary>
    public void FailAlone<TOp>(List<TOp> batch, Exception error) where TOp : QueuedOp
    {
        counters.AddFailure();
        batch[0].Fail(error);
        batch.Clear();
    }

    /// <summary>Others are in the way; the batch is tried again.</summary>
    public void Busy(string why, int attempt, int most) => LogBusy(log, place, why, attempt, most);

    public void NotClosed(TimeSpan limit) => LogNotClosed(log, place, limit);

    [LoggerMessage(EventId = 5101, Level = LogLevel.Warning, Message = "{Place} is kept busy by another program or silo ({Why}); attempt {Attempt} of {Most} to write")]
    private static partial void LogBusy(ILogger logger, string place, string why, int attempt, int most);

    [LoggerMessage(EventId = 5102, Level = LogLevel.Error, Message = "Writes fail with {Code}; {Requests} requests were refused and nothing of them is stored")]
    private static partial void LogFailed(ILogger logger, Exception error, string code, int requests);

    [LoggerMessage(EventId = 5103, Level = LogLevel.Information, Message = "{Place} can be written again after {Code}")]
    private static partial void LogRecovered(ILogger logger, string place, string code);

    [LoggerMessage(EventId = 5105, Level = LogLevel.Error, Message = "{Place} did not finish its last commit within {Limit}; it is left as it is")]
    private static partial void LogNotClosed(ILogger logger, string place, TimeSpan limit);
}
