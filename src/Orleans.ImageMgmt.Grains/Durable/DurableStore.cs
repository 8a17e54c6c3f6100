using Microsoft.Data.Sqlite;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>The store on SQLite: checks requests, hands writes to the writer and reads to the readers.</summary>
internal sealed class DurableStore(GroupCommitWriter writer, ReaderPool readers, DurableOptions options, StoreCounters counters) : IDurableStore
{
    public Task<IReadOnlyList<string?>> WriteAsync(IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken)
    {
        Check(writes, options);
        cancellationToken.ThrowIfCancellationRequested();
        var op = new RowsOp([.. writes], counters.AddConflict);
        return writer.RunAsync(op, op.Done, options.WriteTimeout, cancellationToken);
    }

    public Task<StoredRow?> ReadAsync(string key, string name, CancellationToken cancellationToken) => readers.ReadAsync(
        connection =>
        {
            using var command = connection.CreateCommand();
            command.CommandText = "SELECT key, name, etag, payload, changed FROM state WHERE key = $key AND name = $name";
            command.Parameters.AddWithValue("$key", key);
            command.Parameters.AddWithValue("$name", name);
            using var reader = command.ExecuteReader();
            return reader.Read() ? RowReading.State(reader) : null;
        },
        cancellationToken);

    public Task<IReadOnlyList<StoredRow>> ListAsync(string key, string namePrefix, string? after, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, Limits.PageRows);
        return readers.ReadAsync<IReadOnlyList<StoredRow>>(
            connection =>
            {
                using var command = connection.CreateCommand();
                command.CommandText =
                    """
                    SELECT key, name, etag, payload, changed FROM state
                    WHERE key = $key AND name >= $prefix AND name > $after AND substr(name, 1, length($prefix)) = $prefix
                    ORDER BY name LIMIT $limit
                    """;
                command.Parameters.AddWithValue("$key", key);
                command.Parameters.AddWithValue("$prefix", namePrefix);
                command.Parameters.AddWithValue("$after", after ?? "");
                command.Parameters.AddWithValue("$limit", limit);
                return Rows(command);
            },
            cancellationToken);
    }

    /// <summary>Makes the catalog again from all stored state; the activity log stays. Writes wait meanwhile, lists show the old catalog.</summary>
    /// <param name="project">What lists show for one stored row; runs on the writer's thread and must not call the store.</param>
    /// <param name="cancellationToken">Stops it; nothing has changed then.</param>
    /// <returns>State rows read.</returns>
    /// <exception cref="TimeoutException">It took longer than <see cref="DurableOptions.RebuildTimeout"/>; nothing has changed.</exception>
    public Task<long> RebuildAsync(Func<StoredRow, IEnumerable<Projection>> project, TimeProvider time, CancellationToken cancellationToken)
    {
        var op = new RebuildOp(project, time, options.RebuildTimeout, cancellationToken);
        return writer.RunAsync(op, op.Done, options.RebuildTimeout + options.WriteTimeout, cancellationToken);
    }

    /// <summary>Writes anew, in one transaction, every row for which <paramref name="rewrite"/> gives one; returns how many.</summary>
    public Task<long> RewriteAsync(Func<StoredRow, RowWrite?> rewrite, CancellationToken cancellationToken)
    {
        var op = new RewriteOp(rewrite, cancellationToken);
        return writer.RunAsync(op, op.Done, options.RebuildTimeout + options.WriteTimeout, cancellationToken);
    }

    /// <summary>An empty commit: what a write meets, without a row.</summary>
    public Task ProbeAsync(CancellationToken cancellationToken)
    {
        var op = new ProbeOp();
        return writer.RunAsync(op, op.Done, options.WriteTimeout, cancellationToken);
    }

    private static List<StoredRow> Rows(SqliteCommand command)
    {
        using var reader = command.ExecuteReader();
        List<StoredRow> rows = [];
        while (reader.Read())
        {
            rows.Add(RowReading.State(reader));
        }

        return rows;
    }

    /// <exception cref="ArgumentException">The request itself is wrong.</exception>
    internal static void Check(IReadOnlyList<RowWrite> writes, DurableOptions options)
    {
        if (writes.Count == 0 || writes.Count > options.RowsPerWrite)
        {
            throw new ArgumentException($"A write takes 1 to {options.RowsPerWrite} rows, not {writes.Count}.", nameof(writes));
        }

        HashSet<(string, string)> seen = [];
        foreach (var write in writes)
        {
            if (!seen.Add((write.Key, write.Name)))
            {
                throw new ArgumentException($"The row {write.Key} {write.Name} is there twice.", nameof(writes));
            }

            if (write.Payload?.Length > options.PayloadLimit)
            {
                throw new ArgumentException(
                    $"The record {write.Key} {write.Name} has {write.Payload.Value.Length} bytes; {options.PayloadLimit} is the limit. Something in it grows without bound.", nameof(writes));
            }

            if (write.Projections.Count > options.ProjectionsPerRow)
            {
                throw new ArgumentException(
                    $"The record {write.Key} {write.Name} projects {write.Projections.Count} rows; {options.ProjectionsPerRow} is the limit.", nameof(writes));
            }
        }
    }
}
