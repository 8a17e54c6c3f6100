using System.Data;
using Npgsql;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Copies the catalog of a PostgreSQL database, as it is at one moment, into the two SQLite databases that a backup holds, while silos go on. It needs no program of
/// PostgreSQL, and what it makes can be restored into either kind of store.</summary>
public static class PostgresSnapshot
{
    /// <summary>How long the server may be silent during one command.</summary>
    private static readonly TimeSpan CommandLimit = TimeSpan.FromMinutes(10);

    /// <param name="connectionString">As Npgsql takes it.</param>
    /// <param name="service">Name of the cluster whose reminders are taken.</param>
    /// <param name="folder">There and empty.</param>
    /// <param name="time">Stamps the schema.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>What was copied.</returns>
    /// <exception cref="StoreException">The database cannot be read, holds no catalog, or is of a newer program.</exception>
    public static async Task<IReadOnlyList<CatalogSum>> TakeAsync(string connectionString, string service, string folder, TimeProvider time, CancellationToken cancellationToken)
    {
        var (source, place) = PostgresStore.Connect(connectionString, connections: 1, new DurableOptions(), CommandLimit);
        await using (source)
        {
            try
            {
                await PostgresStore.CheckServerAsync(source, place, cancellationToken);
                await using var connection = await source.OpenConnectionAsync(cancellationToken);
                await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellationToken);
                await CarriedPostgres.RunAsync(connection, "SET TRANSACTION READ ONLY", cancellationToken);
                await CheckSchemaAsync(connection, place, cancellationToken);
                return await CopyAsync(connection, place, service, folder, time, cancellationToken);
            }
            catch (NpgsqlException error)
            {
                throw PostgresErrors.Explain(place, error);
            }
        }
    }

    private static async Task<IReadOnlyList<CatalogSum>> CopyAsync(
        NpgsqlConnection connection, string place, string service, string folder, TimeProvider time, CancellationToken cancellationToken)
    {
        CarriedFiles.Create(folder, time.GetUtcNow());
        List<CatalogSum> sums = [];
        foreach (var table in CarriedTable.All)
        {
            using var sum = new CarriedSum(table.Name);
            await CarriedFiles.WriteAsync(folder, table, Summed(CarriedPostgres.ReadAsync(connection, table, service, cancellationToken), sum), cancellationToken);
            sums.Add(sum.End());
        }

        await using var command = CarriedPostgres.Command(connection, "SELECT last_value FROM etag"); // a sequence knows no moment: it may be ahead of the rows, never behind
        CarriedFiles.SetLastETag(folder, (long)(await command.ExecuteScalarAsync(cancellationToken))!);
        return CarriedFiles.Sum(folder, cancellationToken).SequenceEqual(sums)
            ? sums
            : throw new StoreCorruptException($"The copy of {place} in {folder} is not what was read: look at the disk under that folder.");
    }

    private static async IAsyncEnumerable<object?[]> Summed(IAsyncEnumerable<object?[]> rows, CarriedSum sum)
    {
        await foreach (var row in rows)
        {
            sum.Add(row);
            yield return row;
        }
    }

    private static async Task CheckSchemaAsync(NpgsqlConnection connection, string place, CancellationToken cancellationToken)
    {
        await using var exists = CarriedPostgres.Command(connection, $"SELECT to_regclass('{PostgresSchema.Name}.schema_version') IS NOT NULL");
        if (!(bool)(await exists.ExecuteScalarAsync(cancellationToken))!)
        {
            throw new StoreUnavailableException(StoreUnavailableException.Unsuitable, $"{place} holds no catalog: check the name of the database.");
        }

        await using var version = CarriedPostgres.Command(connection, "SELECT coalesce(max(version), 0) FROM schema_version");
        var found = (int)(await version.ExecuteScalarAsync(cancellationToken))!;
        if (found > PostgresSchema.Newest)
        {
            throw new StoreSchemaException($"{place} has schema {found}; this program knows up to {PostgresSchema.Newest}. Use the program version that upgraded it.");
        }

        if (found < PostgresSchema.Newest)
        {
            throw new StoreUnavailableException(
                StoreUnavailableException.Unsuitable, $"{place} has schema {found}; this program has {PostgresSchema.Newest}. Use the program version that wrote it, or start a silo of this version first: it upgrades the database.");
        }
    }
}
