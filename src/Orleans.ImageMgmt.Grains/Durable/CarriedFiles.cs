using Microsoft.Data.Sqlite;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>The catalog as the two SQLite databases of a folder that nobody else uses: what a backup holds.</summary>
internal static class CarriedFiles
{
    /// <summary>Service that reminders of a silo without a database server belong to.</summary>
    public const string Service = "imgmt";

    /// <summary>Rows of a table, in the order of their key.</summary>
    public static IEnumerable<object?[]> Read(string folder, CarriedTable table)
    {
        using var connection = Open(folder, table.File, SqliteOpenMode.ReadOnly);
        if (DatabaseFile.Text(connection, $"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '{table.Name}'") is "0")
        {
            yield break; // a service that never started has no reminders yet
        }

        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Constants of this program.
        command.CommandText = $"SELECT {table.ColumnList} FROM {table.Name}{(table.HasService ? $" WHERE service = '{Service}'" : "")} ORDER BY {table.Order.Replace(" COLLATE \"C\"", "", StringComparison.Ordinal)}";
#pragma warning restore CA2100
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            yield return table.Read(reader);
        }
    }

    /// <summary>The last ETag that was given out.</summary>
    public static long LastETag(string folder)
    {
        using var connection = Open(folder, DatabaseSnapshot.StoreName, SqliteOpenMode.ReadOnly);
        return long.Parse(DatabaseFile.Text(connection, "SELECT value FROM counter WHERE name = 'etag'")!, System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Counts and adds up what is there.</summary>
    /// <exception cref="StoreException">A database cannot be read.</exception>
    public static IReadOnlyList<CatalogSum> Sum(string folder, CancellationToken cancellationToken)
    {
        List<CatalogSum> sums = [];
        foreach (var table in CarriedTable.All)
        {
            using var sum = new CarriedSum(table.Name);
            foreach (var row in Read(folder, table))
            {
                cancellationToken.ThrowIfCancellationRequested();
                sum.Add(row);
            }

            sums.Add(sum.End());
        }

        return sums;
    }

    /// <summary>Two new databases without rows.</summary>
    public static void Create(string folder, DateTimeOffset now)
    {
        using (var store = Open(folder, DatabaseSnapshot.StoreName, SqliteOpenMode.ReadWriteCreate))
        {
            StoreSchema.Install(store, Path.Combine(folder, DatabaseSnapshot.StoreName), now);
        }

        using var reminders = Open(folder, DatabaseSnapshot.RemindersName, SqliteOpenMode.ReadWriteCreate);
        EmbeddedReminders.Install(reminders);
    }

    /// <summary>Fills a table in one transaction.</summary>
    public static async Task WriteAsync(string folder, CarriedTable table, IAsyncEnumerable<object?[]> rows, CancellationToken cancellationToken)
    {
        await using var connection = Open(folder, table.File, SqliteOpenMode.ReadWrite);
        await using var transaction = (SqliteTransaction)await connection.BeginTransactionAsync(cancellationToken);
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
#pragma warning disable CA2100 // Constants of this program; values are parameters.
        command.CommandText = $"INSERT INTO {table.Name} ({(table.HasService ? "service, " : "")}{table.ColumnList}) VALUES ({(table.HasService ? $"'{Service}', " : "")}{string.Join(", ", table.Columns.Select((_, at) => $"$p{at}"))})";
#pragma warning restore CA2100
        for (var at = 0; at < table.Columns.Count; at++)
        {
            command.Parameters.Add(new SqliteParameter { ParameterName = $"$p{at}" });
        }

        await foreach (var row in rows.WithCancellation(cancellationToken))
        {
            for (var at = 0; at < row.Length; at++)
            {
                command.Parameters[at].Value = row[at] is { } value ? table.Columns[at].ToSqlite(value) : DBNull.Value;
            }

            await command.ExecuteNonQueryAsync(cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
    }

    public static void SetLastETag(string folder, long etag)
    {
        using var connection = Open(folder, DatabaseSnapshot.StoreName, SqliteOpenMode.ReadWrite);
        using var command = connection.CreateCommand();
        command.CommandText = "UPDATE counter SET value = $etag WHERE name = 'etag'";
        command.Parameters.AddWithValue("$etag", etag);
        command.ExecuteNonQuery();
    }

    private static SqliteConnection Open(string folder, string name, SqliteOpenMode mode) => DatabaseSnapshot.Open(Path.Combine(folder, name), mode);
}
