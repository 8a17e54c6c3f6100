using System.Globalization;
using System.Runtime.CompilerServices;
using Npgsql;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>The catalog as tables of a PostgreSQL database, read and filled inside a transaction of the caller.</summary>
internal static class CarriedPostgres
{
    /// <summary>Rows of a table, in the order of their key.</summary>
    public static async IAsyncEnumerable<object?[]> ReadAsync(NpgsqlConnection connection, CarriedTable table, string service, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var command = Command(connection, $"SELECT {table.ColumnList} FROM {table.Name}{(table.HasService ? " WHERE service = $1" : "")} ORDER BY {table.Order}");
        if (table.HasService)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = service });
        }

        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            yield return table.Read(reader);
        }
    }

    public static async Task<CatalogSum> SumAsync(NpgsqlConnection connection, CarriedTable table, string service, CancellationToken cancellationToken)
    {
        using var sum = new CarriedSum(table.Name);
        await foreach (var row in ReadAsync(connection, table, service, cancellationToken))
        {
            sum.Add(row);
        }

        return sum.End();
    }

    /// <summary>Fills a table by COPY.</summary>
    public static async Task<CatalogSum> WriteAsync(
        NpgsqlConnection connection, CarriedTable table, string service, IEnumerable<object?[]> rows, CancellationToken cancellationToken)
    {
        using var sum = new CarriedSum(table.Name);
        await using var import = await connection.BeginBinaryImportAsync(
            $"COPY {table.Name} ({table.ColumnList}{(table.HasService ? ", service" : "")}) FROM STDIN (FORMAT BINARY)", cancellationToken);
        foreach (var row in rows)
        {
            sum.Add(row);
            await import.StartRowAsync(cancellationToken);
            for (var at = 0; at < row.Length; at++)
            {
                if (row[at] is { } value)
                {
                    await import.WriteAsync(table.Columns[at].ToPostgres(value), table.Columns[at].PostgresType, cancellationToken);
                }
                else
                {
                    await import.WriteNullAsync(cancellationToken);
                }
            }

            if (table.HasService)
            {
                await import.WriteAsync(service, NpgsqlTypes.NpgsqlDbType.Text, cancellationToken);
            }
        }

        await import.CompleteAsync(cancellationToken);
        return sum.End();
    }

    /// <summary>Numbers that are given out from now on are above all that were.</summary>
    public static Task RaiseCountersAsync(NpgsqlConnection connection, long lastETag, CancellationToken cancellationToken) => RunAsync(
        connection,
        string.Create(CultureInfo.InvariantCulture, $"""
            SELECT setval('etag', {lastETag + 1}, false);
            SELECT setval(pg_get_serial_sequence('{PostgresSchema.Name}.activity', 'number'), (SELECT coalesce(max(number), 0) + 1 FROM activity), false)
            """),
        cancellationToken);

    public static async Task<bool> IsEmptyAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        foreach (var table in CarriedTable.All)
        {
            await using var command = Command(connection, $"SELECT EXISTS (SELECT 1 FROM {table.Name})");
            if ((bool)(await command.ExecuteScalarAsync(cancellationToken))!)
            {
                return false;
            }
        }

        return true;
    }

    public static async Task RunAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = Command(connection, sql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public static NpgsqlCommand Command(NpgsqlConnection connection, string sql)
    {
#pragma warning disable CA2100 // Constants of this folder and numbers.
        return new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
    }
}
