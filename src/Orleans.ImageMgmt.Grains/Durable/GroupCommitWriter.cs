using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>
/// The writer: one thread, one connection, one transaction for everything that queued up while the last one was synced.
/// A thread of its own, because SQLite blocks while the device syncs and must not block the threads that run grains.
/// </summary>
internal sealed partial class GroupCommitWriter : IAsyncDisposable
{
    private readonly DatabaseFile file;
    private readonly DurableOptions options;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly BatchOutcomes outcomes;
    private readonly OpQueue<WriteOp> queue;
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private WriterConnection? connection;

    public GroupCommitWriter(DatabaseFile file, WriterConnection connection, DurableOptions options, TimeProvider time, ILogger log, StoreCounters counters)
    {
        (this.file, this.connection, this.options, this.time, this.log) = (file, connection, options, time, log);
        outcomes = new BatchOutcomes(file.Path, log, counters);
        queue = new OpQueue<WriteOp>($"The device under {file.Path}", options, time, counters);
        counters.QueueLength = () => queue.Count;
        new Thread(Run) { IsBackground = true, Name = "ImageMgmt store writer" }.Start();
    }

    /// <summary>Ends with the exception when the database is found to be damaged; the host should stop then.</summary>
    public Task<StoreCorruptException> Broken => outcomes.Broken;

    /// <summary>Queues <paramref name="op"/> and waits for its outcome.</summary>
    public Task<T> RunAsync<T>(WriteOp op, Task<T> outcome, TimeSpan commitLimit, CancellationToken cancellationToken)
    {
        outcomes.ThrowIfBroken();
        return queue.RunAsync(op, outcome, commitLimit, cancellationToken);
    }

    /// <summary>Takes nothing more, finishes what is queued, leaves one clean file behind.</summary>
    public async ValueTask DisposeAsync()
    {
        queue.Close();
        try
        {
            await ended.Task.WaitAsync(options.CloseTimeout, time);
        }
        catch (TimeoutException)
        {
            outcomes.NotClosed(options.CloseTimeout);
        }
    }

    private void Run()
    {
        var batch = new List<WriteOp>();
        var spill = default(WriteOp);
        while (spill is not null || WaitForWork())
        {
            spill = queue.Take(batch, spill);
            try
            {
                CommitBatch(batch);
            }
            catch (Exception error)
            {
                // A log sink that throws, for one. The thread must live; whoever has no answer yet gets this one.
                batch.ForEach(op => op.Fail(error));
            }

            batch.Clear();
        }

        Close();
        ended.TrySetResult();
    }

    private bool WaitForWork() => queue.WaitForWorkAsync().AsTask().GetAwaiter().GetResult(); // this thread is ours alone

    private void CommitBatch(List<WriteOp> batch)
    {
        for (var attempt = 0; batch.Count > 0; attempt++)
        {
            try
            {
                var started = time.GetTimestamp();
                var tellings = TryCommit(batch);
                outcomes.Stored(batch, options.BatchRows);
                tellings.ForEach(tell => tell());
                batch.Clear();
                outcomes.Took(time.GetElapsedTime(started));
            }
            catch (SqliteException error) when (DatabaseFile.IsBusy(error) && attempt < options.BusyRetries)
            {
                outcomes.Busy("locked", attempt + 1, options.BusyRetries);
            }
            catch (SqliteException error) when (!DatabaseFile.IsOfOneRequest(error))
            {
                outcomes.Fail(batch, file.Explain(error));
            }
            catch (StoreException error)
            {
                outcomes.Fail(batch, error);
            }
            catch (Exception error) when (batch.Count == 1)
            {
                outcomes.FailAlone(batch, error);
            }
            catch (Exception) when (batch.Count > 1)
            {
                // One request is at fault, or our own code is. Alone, each gets its own verdict and the good ones are stored.
                batch.ForEach(op => CommitBatch([op]));
                batch.Clear();
            }
        }
    }

    private List<Action> TryCommit(List<WriteOp> batch)
    {
        outcomes.ThrowIfBroken();
        var tellings = new List<Action>(batch.Count);
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var used = connection ?? new WriterConnection(file, options.ActivityRows);
        connection = null;
        try
        {
            used.Begin();
            tellings.AddRange(batch.Select(op => op.Apply(used, now)));
            used.Commit();
            connection = used;
            return tellings;
        }
        finally
        {
            if (connection is null)
            {
                // A new connection starts from what is on disk, whatever state the failure left this one in. Closing it rolls back.
                used.Dispose();
            }
        }
    }

    private void Close()
    {
        try
        {
            connection?.Checkpoint();
            connection?.Dispose();
        }
        catch (SqliteException error)
        {
            LogCheckpointFailed(log, error, file.Path);
        }
    }
}
