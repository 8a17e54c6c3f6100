using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>A few connections for reading. Queries run on pool threads, at most as many at a time as there are connections.</summary>
internal sealed class ReaderPool(DatabaseFile file, DurableOptions options, TimeProvider time, StoreCounters counters) : IDisposable
{
    private readonly SemaphoreSlim free = new(options.Readers);
    private readonly ConcurrentBag<SqliteConnection> idle = [];
    private volatile bool closed;

    /// <summary>Runs <paramref name="query"/> on a connection of its own.</summary>
    /// <exception cref="StoreUnavailableException">No connection came free in time, the query took too long, or the database reports an error.</exception>
    public async Task<T> ReadAsync<T>(Func<SqliteConnection, T> query, CancellationToken cancellationToken)
    {
        if (closed)
        {
            throw new StoreUnavailableException(StoreUnavailableException.Closed, $"The store at {file.Path} is closed.");
        }

        var began = time.GetTimestamp();
        using var limit = new CancellationTokenSource(options.ReadTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await free.WaitAsync(either.Token);
            try
            {
                return await Task.Run(() => Query(query, either.Token), either.Token);
            }
            finally
            {
                free.Release();
            }
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new StoreUnavailableException(
                StoreUnavailableException.Busy, $"A read of {file.Path} did not finish within {options.ReadTimeout}: its device is too slow for the load. Try again.");
        }
        catch (SqliteException error)
        {
            throw file.Explain(error);
        }
        finally
        {
            counters.AddRead(time.GetElapsedTime(began));
        }
    }

    public void Dispose()
    {
        closed = true;
        while (idle.TryTake(out var connection))
        {
            connection.Dispose();
        }
    }

    private T Query<T>(Func<SqliteConnection, T> query, CancellationToken cancellationToken)
    {
        if (!idle.TryTake(out var connection))
        {
            connection = file.OpenReader();
        }

        var good = false;
        try
        {
            using var interrupt = cancellationToken.Register(() => raw.sqlite3_interrupt(connection.Handle));
            var result = query(connection);
            good = true;
            return result;
        }
        catch (SqliteException error) when (error.SqliteErrorCode == raw.SQLITE_INTERRUPT)
        {
            throw new OperationCanceledException("The query was stopped.", error, cancellationToken);
        }
        finally
        {
            if (good && !closed)
            {
                idle.Add(connection);
            }
            else
            {
                connection.Dispose();
            }
        }
    }
}
