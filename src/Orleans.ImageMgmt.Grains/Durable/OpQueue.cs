using System.Diagnostics;
using System.Threading.Channels;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>One request in the queue. Exactly one side wins it: the writer that takes it, or the caller that gives up waiting.</summary>
internal abstract class QueuedOp
{
    private const int Waiting = 0;
    private const int Taken = 1;
    private const int Abandoned = 2;

    private int claim;

    /// <summary>Rows it counts for in a batch.</summary>
    public abstract int Rows { get; }

    /// <summary>Changes of lists, and lines of the activity log, that it brings along.</summary>
    public virtual int ListRows => 0;

    /// <summary>Payload bytes it counts for in a batch.</summary>
    public abstract long Bytes { get; }

    public bool TryTake() => Interlocked.CompareExchange(ref claim, Taken, Waiting) == Waiting;

    public bool TryAbandon() => Interlocked.CompareExchange(ref claim, Abandoned, Waiting) == Waiting;

    public abstract void Fail(Exception error);
}

/// <summary>Requests that wait for one writer. Bounded; a caller that cannot wait longer leaves nothing behind.</summary>
/// <param name="place">Where the store is, for messages.</param>
/// <param name="counters">Hears how long each caller waited.</param>
internal sealed class OpQueue<TOp>(string place, DurableOptions options, TimeProvider time, StoreCounters counters) where TOp : QueuedOp
{
    private readonly Channel<TOp> queue = Channel.CreateBounded<TOp>(new BoundedChannelOptions(options.QueueLength)
    {
        FullMode = BoundedChannelFullMode.Wait,
        SingleReader = true,
    });

    public int Count => queue.Reader.Count;

    /// <summary>True when there is work; false when the queue is closed and empty.</summary>
    public ValueTask<bool> WaitForWorkAsync() => queue.Reader.WaitToReadAsync();

    /// <summary>Takes nothing more.</summary>
    public void Close() => queue.Writer.TryComplete();

    /// <summary>Queues <paramref name="op"/> and waits for its outcome.</summary>
    public async Task<T> RunAsync<T>(TOp op, Task<T> outcome, TimeSpan commitLimit, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        using var span = Spans.Write(counters.System, op.Rows);
        try
        {
            return await WaitAsync(op, outcome, commitLimit, cancellationToken);
        }
        catch (Exception error)
        {
            span?.SetTag("error.type", (error as StoreException)?.Code ?? error.GetType().Name).SetStatus(ActivityStatusCode.Error, error.Message);
            throw;
        }
        finally
        {
            counters.AddWrite(time.GetElapsedTime(began));
        }
    }

    private async Task<T> WaitAsync<T>(TOp op, Task<T> outcome, TimeSpan commitLimit, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(options.WriteTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await queue.Writer.WriteAsync(op, either.Token);
            return await outcome.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            if (op.TryAbandon())
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw new StoreUnavailableException(
                    StoreUnavailableException.Busy,
                    $"The store did not get to this write within {options.WriteTimeout}: {place} is too slow for the load. Nothing was written; try again.");
            }
        }
        catch (ChannelClosedException)
        {
            throw new StoreUnavailableException(StoreUnavailableException.Closed, $"The store at {place} is closed.");
        }

        return await OutcomeAsync(outcome, commitLimit);
    }

    /// <summary>Fills the batch with what is queued, up to its limits. A request that would break the row limit opens the next batch and is returned.</summary>
    public TOp? Take(List<TOp> batch, TOp? first)
    {
        var (rows, bytes) = (0L, 0L);
        var next = first;
        while (next is not null || queue.Reader.TryRead(out next))
        {
            if (next != first && !next.TryTake())
            {
                next = null;
                continue;
            }

            if (batch.Count > 0 && rows + next.Rows > options.BatchRows)
            {
                return next;
            }

            batch.Add(next);
            (rows, bytes, next) = (rows + next.Rows, bytes + next.Bytes, null);
            if (rows >= options.BatchRows || bytes >= options.BatchBytes)
            {
                break;
            }
        }

        return null;
    }

    /// <summary>The writer has the request: its outcome comes with the commit, and giving up earlier would leave it unknown.</summary>
    private async Task<T> OutcomeAsync<T>(Task<T> outcome, TimeSpan commitLimit)
    {
        try
        {
            return await outcome.WaitAsync(commitLimit, time);
        }
        catch (TimeoutException) when (!outcome.IsCompleted)
        {
            throw new StoreUnavailableException(
                StoreUnavailableException.Slow,
                $"{place} did not finish a commit within {commitLimit}. Whether this write is stored is unknown: read again before writing.");
        }
    }
}
