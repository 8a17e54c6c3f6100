using System.Data.Common;
using Npgsql;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Reads with a limit of time, and errors in the store's own words.</summary>
internal static class PostgresReading
{
    /// <exception cref="StoreUnavailableException">No connection came free in time, the query took too long, or the server reports an error.</exception>
    public static async Task<T> RunAsync<T>(
        NpgsqlDataSource source, string place, DurableOptions options, TimeProvider time, StoreCounters counters, Func<NpgsqlConnection, CancellationToken, Task<T>> query, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        using var limit = new CancellationTokenSource(options.ReadTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await using var connection = await source.OpenConnectionAsync(either.Token);
            return await query(connection, either.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new StoreUnavailableException(StoreUnavailableException.Busy, $"A read of {place} did not finish within {options.ReadTimeout}. Try again.");
        }
        catch (NpgsqlException error)
        {
            throw PostgresErrors.Explain(place, error);
        }
        catch (ObjectDisposedException)
        {
            throw new StoreUnavailableException(StoreUnavailableException.Closed, $"The store at {place} is closed.");
        }
        finally
        {
            counters.AddRead(time.GetElapsedTime(began));
        }
    }

    public static async Task<List<T>> RowsAsync<T>(NpgsqlCommand command, Func<DbDataReader, T> row, CancellationToken cancellationToken)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        List<T> rows = [];
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(row(reader));
        }

        return rows;
    }
}
