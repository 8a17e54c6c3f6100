using Microsoft.Extensions.Logging;
using Npgsql;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>The durable store that the silos of a cluster share: one database of a PostgreSQL server, 15 or newer. Each silo has one writer, which
/// commits in groups; ETags keep a silo that was thought dead from writing over what another one holds now.</summary>
public sealed class PostgresStore : SiloStore, IDurableStore
{
    /// <summary>The oldest server that is tested.</summary>
    private const int OldestServer = 15;

    /// <summary>State rows held in memory at a time by a rebuild.</summary>
    private const int Step = 500;

    private readonly DataDirectory directory;
    private readonly NpgsqlDataSource source;
    private readonly PostgresWriter writer;
    private readonly DurableOptions options;
    private readonly TimeProvider time;
    private bool closed;

    private PostgresStore(DataDirectory directory, NpgsqlDataSource source, string place, DurableOptions options, ILogger log, TimeProvider time)
    {
        (this.directory, this.source, this.options, this.time, Place) = (directory, source, options, time, place);
        Counters = new StoreCounters("postgresql");
        writer = new PostgresWriter(source, place, options, time, log, Counters);
        Catalog = new PostgresCatalog(source, place, options, time, Counters);
    }

    /// <summary>The newest schema that this program can open.</summary>
    public static int NewestSchema => PostgresSchema.Newest;

    public override string Place { get; }

    public override string DataDirectory => directory.Path;

    public override IDurableStore Rows => this;

    public override CatalogReader Catalog { get; }

    public override StoreCounters Counters { get; }

    public override Task<StoreCorruptException> Broken => writer.Broken;

    /// <summary>Connections of the store, for Orleans' own tables in the same database.</summary>
    internal NpgsqlDataSource Source => source;

    /// <summary>Opens the store, and makes or upgrades its tables first where needed; any number of silos may do so at once.</summary>
    /// <param name="dataDirectory">The silo's own folder, for its keys and tokens; no other process may have it open.</param>
    /// <param name="connectionString">Server, database and user, as Npgsql takes them.</param>
    /// <param name="connections">Connections of this silo at most.</param>
    /// <param name="options">Checked first.</param>
    /// <param name="log">Hears of failed commits and of their end.</param>
    /// <param name="time">Stamps rows and measures limits.</param>
    /// <param name="cancellationToken">Stops opening.</param>
    /// <exception cref="ArgumentException">The options or the connection string are wrong.</exception>
    /// <exception cref="DataDirectoryInUseException">Another process has the directory open.</exception>
    /// <exception cref="StoreSchemaException">The database was made by a newer program.</exception>
    /// <exception cref="StoreUnavailableException">The directory or the server cannot be used; the sentence says why.</exception>
    public static async Task<PostgresStore> OpenAsync(
        string dataDirectory, string connectionString, int connections, DurableOptions options, ILogger log, TimeProvider time, CancellationToken cancellationToken)
    {
        if (options.Faults() is { Count: > 0 } faults)
        {
            throw new ArgumentException(string.Join(' ', faults), nameof(options));
        }

        var directory = Durable.DataDirectory.Take(dataDirectory, options.AllowNetworkFileSystem);
        var (source, place) = Connect(connectionString, connections, options);
        try
        {
            await CheckServerAsync(source, place, cancellationToken);
            await PostgresSchema.InstallAsync(source, place, time.GetUtcNow(), cancellationToken);
            return new PostgresStore(directory, source, place, options, log, time);
        }
        catch (Exception error)
        {
            await source.DisposeAsync();
            directory.Dispose();
            if (error is NpgsqlException answer)
            {
                throw PostgresErrors.Explain(place, answer);
            }

            throw;
        }
    }

    public async Task<IReadOnlyList<string?>> WriteAsync(IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken)
    {
        DurableStore.Check(writes, options);
        cancellationToken.ThrowIfCancellationRequested();
        return await writer.RunAsync(new PostgresOp([.. writes]), cancellationToken);
    }

    public Task<StoredRow?> ReadAsync(string key, string name, CancellationToken cancellationToken) => PostgresReading.RunAsync(
        source, Place, options, time, Counters,
        async (connection, stop) =>
        {
            await using var command = new NpgsqlCommand("SELECT key, name, etag, payload, changed FROM state WHERE key = $1 AND name = $2", connection);
            command.Parameters.Add(new NpgsqlParameter { Value = key });
            command.Parameters.Add(new NpgsqlParameter { Value = name });
            return (await PostgresReading.RowsAsync(command, RowReading.State, stop)).SingleOrDefault();
        },
        cancellationToken);

    public Task<IReadOnlyList<StoredRow>> ListAsync(string key, string namePrefix, string? after, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, Limits.PageRows);
        return PostgresReading.RunAsync<IReadOnlyList<StoredRow>>(
            source, Place, options, time, Counters,
            async (connection, stop) =>
            {
                await using var command = new NpgsqlCommand(
                    """
                    SELECT key, name, etag, payload, changed FROM state
                    WHERE key = $1 AND name >= $2 AND name > $3 AND left(name, length($2)) = $2 ORDER BY name LIMIT $4
                    """,
                    connection);
                command.Parameters.Add(new NpgsqlParameter { Value = key });
                command.Parameters.Add(new NpgsqlParameter { Value = namePrefix });
                command.Parameters.Add(new NpgsqlParameter { Value = after ?? "" });
                command.Parameters.Add(new NpgsqlParameter { Value = limit });
                return await PostgresReading.RowsAsync(command, RowReading.State, stop);
            },
            cancellationToken);
    }

    /// <remarks>Writers of all silos wait: a row that changed behind the rebuild's back would be shown as it was.</remarks>
    public override async Task<long> RebuildAsync(Func<StoredRow, IEnumerable<Projection>> project, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(options.RebuildTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await using var connection = await source.OpenConnectionAsync(either.Token);
            await using var transaction = await connection.BeginTransactionAsync(either.Token);
            await using (var begin = new NpgsqlCommand("LOCK TABLE state IN SHARE MODE; DELETE FROM catalog", connection) { CommandTimeout = (int)options.RebuildTimeout.TotalSeconds })
            {
                await begin.ExecuteNonQueryAsync(either.Token);
            }

            var count = await ProjectAllAsync(connection, transaction, project, either.Token);
            await transaction.CommitAsync(either.Token);
            return count;
        }
        catch (NpgsqlException error)
        {
            throw PostgresErrors.Explain(Place, error);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"Rebuilding the catalog took longer than {options.RebuildTimeout}; nothing changed. Raise {nameof(DurableOptions.RebuildTimeout)}.");
        }
    }

    public override async Task ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            // A transaction with a number of its own is one that the server has to write down and sync.
            await using var command = source.CreateCommand("SELECT pg_current_xact_id()");
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (NpgsqlException error)
        {
            throw PostgresErrors.Explain(Place, error);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (closed)
        {
            return;
        }

        closed = true;
        await writer.DisposeAsync();
        await source.DisposeAsync();
        Counters.Dispose();
        directory.Dispose();
    }

    /// <summary>Connections to the server, and its name without a password.</summary>
    /// <param name="connectionString">As Npgsql takes it.</param>
    /// <param name="connections">At most.</param>
    /// <param name="options">Connecting takes at most as long as a write.</param>
    /// <param name="commandLimit">How long the server may be silent during a command; null: as long as a write may take.</param>
    internal static (NpgsqlDataSource Source, string Place) Connect(string connectionString, int connections, DurableOptions options, TimeSpan? commandLimit = null)
    {
        var seconds = (int)Math.Ceiling(options.WriteTimeout.TotalSeconds);
        var builder = new NpgsqlConnectionStringBuilder(connectionString)
        {
            SearchPath = PostgresSchema.Name, ApplicationName = "imgmt", MaxPoolSize = connections, Timeout = seconds, PersistSecurityInfo = false,
            CommandTimeout = (int)Math.Ceiling((commandLimit ?? options.WriteTimeout).TotalSeconds),
        };
        return (new NpgsqlDataSourceBuilder(builder.ConnectionString) { Name = "imgmt" }.Build(), $"PostgreSQL at {builder.Host}:{builder.Port}, database {builder.Database}");
    }

    /// <exception cref="StoreUnavailableException">The server is older than what is tested.</exception>
    internal static async Task CheckServerAsync(NpgsqlDataSource source, string place, CancellationToken cancellationToken)
    {
        await using var connection = await source.OpenConnectionAsync(cancellationToken);
        if (connection.PostgreSqlVersion.Major < OldestServer)
        {
            throw new StoreUnavailableException(
                StoreUnavailableException.Unsuitable, $"{place} is version {connection.PostgreSqlVersion}; {OldestServer} or newer is needed.");
        }
    }

    private static async Task<long> ProjectAllAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, Func<StoredRow, IEnumerable<Projection>> project, CancellationToken cancellationToken)
    {
        var (key, name, count) = ("", "", 0L);
        while (true)
        {
            await using var command = new NpgsqlCommand(
                "SELECT key, name, etag, payload, changed FROM state WHERE (key, name) > ($1, $2) ORDER BY key, name LIMIT $3", connection, transaction);
            command.Parameters.Add(new NpgsqlParameter { Value = key });
            command.Parameters.Add(new NpgsqlParameter { Value = name });
            command.Parameters.Add(new NpgsqlParameter { Value = Step });
            var rows = await PostgresReading.RowsAsync(command, RowReading.State, cancellationToken);
            if (rows.Count == 0)
            {
                return count;
            }

            Dictionary<(CatalogKind, string), CatalogRow> shown = [];
            foreach (var upsert in rows.SelectMany(project).OfType<Projection.Upsert>())
            {
                shown[(upsert.Row.Kind, upsert.Row.Key)] = upsert.Row;
            }

            if (shown.Count > 0)
            {
                await using var batch = new NpgsqlBatch(connection, transaction);
                batch.BatchCommands.Add(PostgresProjection.Upsert([.. shown.Values]));
                await batch.ExecuteNonQueryAsync(cancellationToken);
            }

            (key, name, count) = (rows[^1].Key, rows[^1].Name, count + rows.Count);
        }
    }
}
