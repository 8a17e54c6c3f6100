using System.Globalization;
using System.Text.Json;
using Npgsql;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>How a load ended.</summary>
public enum LoadEnd
{
    /// <summary>The catalog is in the database.</summary>
    Loaded,

    /// <summary>It was in there already, by an earlier load of the same catalog.</summary>
    LoadedBefore,

    /// <summary>The database holds another catalog; nothing was changed.</summary>
    NotEmpty,
}

/// <summary>What a load found and did.</summary>
/// <param name="End">How it ended.</param>
/// <param name="Place">The database; no password.</param>
/// <param name="Sums">The catalog that was to be loaded; empty when that was not looked at.</param>
/// <param name="Earlier">What the database says of an earlier load, or null.</param>
public sealed record LoadOutcome(LoadEnd End, string Place, IReadOnlyList<CatalogSum> Sums, MoveRecord? Earlier);

/// <summary>Puts the catalog of a folder (the two SQLite databases, used by nobody) into an empty PostgreSQL database, in one transaction: cut anywhere, it is whole in there or not at all.</summary>
public static class PostgresLoad
{
    /// <summary>How long the server may be silent during one command: the end of a large COPY builds indexes.</summary>
    private static readonly TimeSpan CommandLimit = TimeSpan.FromMinutes(10);

    /// <summary>How long a silo that happens to start may keep the tables.</summary>
    private const int LockSeconds = 30;

    /// <param name="folder">Holds the databases, of the newest schema.</param>
    /// <param name="connectionString">As Npgsql takes it.</param>
    /// <param name="service">Name of the cluster that will be started on it: reminders belong to it.</param>
    /// <param name="origin">Where the catalog comes from, for the record that is stored with it; its sums are filled in here.</param>
    /// <param name="say">Hears of each step.</param>
    /// <param name="time">Stamps rows.</param>
    /// <param name="cancellationToken">Stops it; nothing has changed then.</param>
    /// <exception cref="StoreException">The database cannot be used, is of a newer program, or what it holds afterwards is not what was put in; nothing has changed.</exception>
    public static async Task<LoadOutcome> RunAsync(
        string folder, string connectionString, string service, MoveRecord origin, Action<string> say, TimeProvider time, CancellationToken cancellationToken)
    {
        var (source, place) = PostgresStore.Connect(connectionString, connections: 2, new DurableOptions(), CommandLimit);
        await using (source)
        {
            try
            {
                await PostgresStore.CheckServerAsync(source, place, cancellationToken);
                await PostgresSchema.InstallAsync(source, place, time.GetUtcNow(), cancellationToken);
                await using var connection = await source.OpenConnectionAsync(cancellationToken);
                await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
                await CarriedPostgres.RunAsync(
                    connection,
                    string.Create(CultureInfo.InvariantCulture, $"SET LOCAL lock_timeout = '{LockSeconds}s'; LOCK TABLE {string.Join(", ", CarriedTable.All.Select(table => table.Name))} IN EXCLUSIVE MODE"),
                    cancellationToken);
                if (!await CarriedPostgres.IsEmptyAsync(connection, cancellationToken))
                {
                    return await CompareAsync(folder, connection, place, cancellationToken);
                }

                var sums = await FillAsync(folder, connection, place, service, say, cancellationToken);
                await SignAsync(connection, origin, sums, time, cancellationToken);
                say("committing");
                await transaction.CommitAsync(cancellationToken);
                return new LoadOutcome(LoadEnd.Loaded, place, sums, null);
            }
            catch (NpgsqlException error)
            {
                throw PostgresErrors.Explain(place, error);
            }
        }
    }

    private static async Task<IReadOnlyList<CatalogSum>> FillAsync(
        string folder, NpgsqlConnection connection, string place, string service, Action<string> say, CancellationToken cancellationToken)
    {
        List<CatalogSum> sums = [];
        foreach (var table in CarriedTable.All)
        {
            var put = await CarriedPostgres.WriteAsync(connection, table, service, CarriedFiles.Read(folder, table), cancellationToken);
            sums.Add(put);
            say($"{table.Name}: {put.Rows} rows put in");
        }

        await CarriedPostgres.RaiseCountersAsync(connection, CarriedFiles.LastETag(folder), cancellationToken);
        foreach (var (table, put) in CarriedTable.All.Zip(sums))
        {
            var found = await CarriedPostgres.SumAsync(connection, table, service, cancellationToken);
            if (found != put)
            {
                throw new StoreUnavailableException(
                    StoreUnavailableException.Unexpected,
                    $"{place} does not hold what was put into its table {table.Name}: {found.Rows} rows with digest {found.Sha256}, where {put.Rows} with {put.Sha256} were put in. Nothing was changed. Is its encoding UTF8?");
            }
        }

        say("read back: the same rows");
        await CarriedPostgres.RunAsync(connection, $"ANALYZE {string.Join(", ", CarriedTable.All.Select(table => table.Name))}", cancellationToken);
        return sums;
    }

    /// <summary>The record of the move, and a line in the activity log.</summary>
    private static async Task SignAsync(NpgsqlConnection connection, MoveRecord origin, IReadOnlyList<CatalogSum> sums, TimeProvider time, CancellationToken cancellationToken)
    {
        var record = new MoveRecord { From = origin.From, MovedAt = origin.MovedAt, By = origin.By, Sums = sums };
        await using var state = CarriedPostgres.Command(
            connection,
            "INSERT INTO state VALUES ($1, $2, nextval('etag'), $3, $4) ON CONFLICT (key, name) DO UPDATE SET etag = excluded.etag, changed = excluded.changed, payload = excluded.payload");
        foreach (var value in (object[])[MoveRecord.Key, MoveRecord.Name, time.GetUtcNow().ToUnixTimeMilliseconds(), StateJson.Save(record)])
        {
            state.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        await state.ExecuteNonQueryAsync(cancellationToken);
        await using var line = CarriedPostgres.Command(connection, "INSERT INTO activity (at, actor, action, body) VALUES ($1, $2, 'service.moved', $3)");
        foreach (var value in (object[])[time.GetUtcNow().ToUnixTimeMilliseconds(), origin.By, JsonSerializer.Serialize(new ActivityBody($"The catalog was moved here from {origin.From}", "imgmt", ""), StateJson.Options)])
        {
            line.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        await line.ExecuteNonQueryAsync(cancellationToken);
    }

    private static async Task<LoadOutcome> CompareAsync(string folder, NpgsqlConnection connection, string place, CancellationToken cancellationToken)
    {
        await using var command = CarriedPostgres.Command(connection, $"SELECT payload FROM state WHERE key = '{MoveRecord.Key}' AND name = '{MoveRecord.Name}'");
        if (await command.ExecuteScalarAsync(cancellationToken) is not byte[] stored)
        {
            return new LoadOutcome(LoadEnd.NotEmpty, place, [], null);
        }

        var earlier = StateJson.Load<MoveRecord>(stored, MoveRecord.Name);
        var sums = CarriedFiles.Sum(folder, cancellationToken);
        return new LoadOutcome(earlier.IsOf(sums) ? LoadEnd.LoadedBefore : LoadEnd.NotEmpty, place, sums, earlier);
    }
}
