using Microsoft.Extensions.Logging;
using Npgsql;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>The writer of one silo: one transaction for everything that queued up while the last one was committed.</summary>
internal sealed partial class PostgresWriter : IAsyncDisposable
{
    /// <summary>Lines of the activity log between two trims.</summary>
    private const int TrimEvery = 1_000;

    private readonly NpgsqlDataSource source;
    private readonly string place;
    private readonly DurableOptions options;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly StoreCounters counters;
    private readonly BatchOutcomes outcomes;
    private readonly OpQueue<PostgresOp> queue;
    private readonly CancellationTokenSource closing = new();
    private readonly Task running;

    /// <summary>Lines since the last trim; starts one short of the mark, so that a silo which never writes many lines trims too.</summary>
    private int appended = TrimEvery - 1;

    public PostgresWriter(NpgsqlDataSource source, string place, DurableOptions options, TimeProvider time, ILogger log, StoreCounters counters)
    {
        (this.source, this.place, this.options, this.time, this.log, this.counters) = (source, place, options, time, log, counters);
        outcomes = new BatchOutcomes(place, log, counters);
        queue = new OpQueue<PostgresOp>(place, options, time, counters);
        counters.QueueLength = () => queue.Count;
        running = Task.Run(RunAsync);
    }

    /// <summary>Ends with the exception when the server reports damaged data; the host should stop then.</summary>
    public Task<StoreCorruptException> Broken => outcomes.Broken;

    /// <summary>Queues a request and waits for its outcome.</summary>
    public Task<IReadOnlyList<string?>> RunAsync(PostgresOp op, CancellationToken cancellationToken)
    {
        outcomes.ThrowIfBroken();
        return queue.RunAsync(op, op.Done, options.WriteTimeout, cancellationToken);
    }

    /// <summary>Takes nothing more and finishes what is queued.</summary>
    public async ValueTask DisposeAsync()
    {
        queue.Close();
        try
        {
            await running.WaitAsync(options.CloseTimeout, time);
        }
        catch (TimeoutException)
        {
            outcomes.NotClosed(options.CloseTimeout);
        }

        await closing.CancelAsync();
        closing.Dispose();
    }

    private async Task RunAsync()
    {
        var batch = new List<PostgresOp>();
        var spill = default(PostgresOp);
        while (spill is not null || await queue.WaitForWorkAsync())
        {
            spill = queue.Take(batch, spill);
            try
            {
                await CommitAsync(batch);
            }
            catch (Exception error)
            {
                // A log sink that throws, for one. The loop must live; whoever has no answer yet gets this one.
                batch.ForEach(op => op.Fail(error));
            }

            batch.Clear();
        }
    }

    private async Task CommitAsync(List<PostgresOp> batch)
    {
        for (var attempt = 0; batch.Count > 0; attempt++)
        {
            try
            {
                await TryCommitAsync(batch);
                if (attempt >= options.BusyRetries)
                {
                    // Rows that appear again and again under the batch are somebody's who writes faster than we can look.
                    outcomes.Fail(batch, new StoreUnavailableException(StoreUnavailableException.Busy, $"{place} was kept from it by other silos. Nothing was written; try again."));
                }
            }
            catch (PostgresException error) when (PostgresErrors.IsRace(error) && attempt < options.BusyRetries)
            {
                outcomes.Busy(error.SqlState, attempt + 1, options.BusyRetries);
            }
            catch (NpgsqlException error) when (error is not PostgresException known || !PostgresErrors.IsOfOneRequest(known))
            {
                outcomes.Fail(batch, PostgresErrors.Explain(place, error));
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
                foreach (var op in batch.ToList())
                {
                    await CommitAsync([op]);
                }

                batch.Clear();
            }
        }
    }

    /// <summary>Empties the batch when it is stored; leaves it when it has to be tried again.</summary>
    private async Task TryCommitAsync(List<PostgresOp> batch)
    {
        outcomes.ThrowIfBroken();
        var started = time.GetTimestamp();
        await using var connection = await source.OpenConnectionAsync(closing.Token);
        await using var transaction = await connection.BeginTransactionAsync(closing.Token);
        var work = new PostgresBatch(batch, time.GetUtcNow().ToUnixTimeMilliseconds());
        if (!await work.WriteAsync(connection, transaction, closing.Token))
        {
            await transaction.RollbackAsync(closing.Token);
            return;
        }

        try
        {
            await transaction.CommitAsync(closing.Token);
        }
        catch (NpgsqlException error) when (error is not PostgresException)
        {
            throw PostgresErrors.Unknown(place, error);
        }

        outcomes.Stored(batch, options.BatchRows);
        for (var i = 0; i < work.Conflicts; i++)
        {
            counters.AddConflict();
        }

        work.Tell();
        batch.Clear();
        outcomes.Took(time.GetElapsedTime(started));
        await TrimAsync(connection, work.ActivityLines);
    }

    /// <summary>Removes what the activity log holds beyond its limit; several silos may do so at once. The rows are told already: a failure here is only a later trim.</summary>
    private async Task TrimAsync(NpgsqlConnection connection, int lines)
    {
        appended += lines;
        if (appended < TrimEvery)
        {
            return;
        }

        try
        {
            await using var command = new NpgsqlCommand(
                "DELETE FROM activity WHERE number IN (SELECT number FROM activity WHERE number <= (SELECT max(number) FROM activity) - $1 ORDER BY number LIMIT $2 FOR UPDATE SKIP LOCKED)", connection);
            command.Parameters.Add(new NpgsqlParameter { Value = (long)options.ActivityRows });
            command.Parameters.Add(new NpgsqlParameter { Value = appended * 2 });
            await command.ExecuteNonQueryAsync(closing.Token);
            appended = 0;
        }
        catch (NpgsqlException error)
        {
            LogTrimFailed(log, error, place);
        }
    }

    [LoggerMessage(EventId = 5125, Level = LogLevel.Warning, Message = "The activity log in {Place} could not be trimmed")]
    private static partial void LogTrimFailed(ILogger logger, Exception error, string place);
}
