using System.Globalization;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Providers;
using Orleans.Runtime;
using Orleans.Runtime.Hosting;
using Orleans.Serialization.Serializers;
using Orleans.Storage;

namespace Orleans.ImageMgmt.Benchmarks.Scale;

/// <summary>One way to keep what grains store, put under a silo.</summary>
internal abstract class ScaleStore : IAsyncDisposable
{
    public const string Memory = "memory";
    public const string Sqlite = "sqlite";
    public const string Postgres = "postgres";
    public const string AdoNetSqlite = "adonet-sqlite";
    public const string AdoNetPostgres = "adonet-postgres";

    public abstract CatalogReader Catalog { get; }

    /// <summary>Rows of grain state written, rows of lists and of the activity log written with them, and the transactions that they were in.</summary>
    public abstract (long Rows, long ListRows, long Commits) Written { get; }

    public abstract void Configure(ISiloBuilder silo);

    public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <param name="what">One of the constants.</param>
    /// <param name="folder">Of its own, on the disk that is measured.</param>
    /// <param name="database">Connection string of an empty PostgreSQL database, for those that need one.</param>
    /// <param name="scripts">Folder with Orleans' own SQL scripts, for its providers.</param>
    public static async Task<ScaleStore> OpenAsync(string what, string folder, string database, string scripts) => what switch
    {
        Memory => new InMemory(),
        Sqlite => new Ours(EmbeddedStore.Open(folder, new DurableOptions(), NullLogger.Instance, TimeProvider.System)),
        Postgres => new Ours(await PostgresStore.OpenAsync(folder, database, 20, new DurableOptions(), NullLogger.Instance, TimeProvider.System, CancellationToken.None)),
        AdoNetSqlite => new AdoNet("System.Data.SQLite", await AdoNetScripts.MakeSqliteAsync(Path.Combine(folder, "adonet.db"), scripts)),
        AdoNetPostgres => new AdoNet("Npgsql", await AdoNetScripts.MakePostgresAsync(database, scripts)),
        _ => throw new ArgumentException($"There is no store '{what}'.", nameof(what)),
    };

    private sealed class InMemory : ScaleStore
    {
        private readonly MemoryCatalog catalog = new();
        private readonly MemoryStore store;

        public InMemory() => store = new MemoryStore(catalog);

        public override CatalogReader Catalog => catalog;

        public override (long Rows, long ListRows, long Commits) Written => (store.Rows, catalog.Rows, store.Rows);

        public override void Configure(ISiloBuilder silo)
        {
            silo.Alone().Services.AddSingleton<IDurableStore>(store).AddSingleton(Catalog);
            silo.Services.AddGrainStorage(ProviderConstants.DEFAULT_STORAGE_PROVIDER_NAME, (services, _) => new GroupCommitGrainStorage(store, services.GetRequiredService<IActivatorProvider>()));
        }
    }

    private sealed class Ours(SiloStore store) : ScaleStore
    {
        public override CatalogReader Catalog => store.Catalog;

        public override (long Rows, long ListRows, long Commits) Written => (store.Counters.Rows, store.Counters.ListRows, store.Counters.Commits);

        public override void Configure(ISiloBuilder silo)
        {
            if (store is EmbeddedStore embedded)
            {
                silo.UseLocalhostClustering(LoopbackPorts.Free(), gatewayPort: 0).AddEmbedded(embedded);
            }
            else
            {
                silo.Configure<EndpointOptions>(endpoints =>
                {
                    (endpoints.AdvertisedIPAddress, endpoints.SiloPort, endpoints.GatewayPort) = (System.Net.IPAddress.Loopback, LoopbackPorts.Free(), 0);
                }).AddClustered((PostgresStore)store);
            }
        }

        public override async ValueTask DisposeAsync()
        {
            await store.DisposeAsync();
            await base.DisposeAsync();
        }
    }

    /// <summary>Orleans' own provider keeps the states. It knows no lists, so those stay in memory: what they would cost is left out in its favour.</summary>
    private sealed class AdoNet(string invariant, string database) : ScaleStore
    {
        private readonly MemoryCatalog catalog = new();
        private long written;

        public override CatalogReader Catalog => catalog;

        public override (long Rows, long ListRows, long Commits) Written => (Interlocked.Read(ref written), catalog.Rows, Interlocked.Read(ref written));

        public override void Configure(ISiloBuilder silo)
        {
            silo.Alone().Services.AddSingleton<IDurableStore>(new MemoryStore(new MemoryCatalog())).AddSingleton(Catalog);
            silo.AddAdoNetGrainStorage("adonet", options => (options.Invariant, options.ConnectionString, options.GrainStorageSerializer) = (invariant, database, new StateSerializer()));
            silo.Services.AddGrainStorage(ProviderConstants.DEFAULT_STORAGE_PROVIDER_NAME, (services, _) =>
                new WithLists(services.GetRequiredKeyedService<IGrainStorage>("adonet"), catalog, () => Interlocked.Increment(ref written)));
        }
    }

    private sealed class StateSerializer : IGrainStorageSerializer
    {
        public BinaryData Serialize<T>(T? input) => new(StateJson.Save<object>(input!));

        public T Deserialize<T>(BinaryData input) => StateJson.Load<T>(input.ToMemory().Span, typeof(T).Name);
    }

    private sealed class WithLists(IGrainStorage states, MemoryCatalog catalog, Action count) : IGrainStorage
    {
        public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => states.ReadStateAsync(stateName, grainId, grainState);

        public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
        {
            await states.WriteStateAsync(stateName, grainId, grainState);
            count();
            catalog.Apply(grainState.State is IProjected projected ? projected.Project() : []);
        }

        public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => states.ClearStateAsync(stateName, grainId, grainState);
    }
}

/// <summary>Databases as Orleans' own scripts make them. The scripts are part of its repository, not of this one.</summary>
internal static class AdoNetScripts
{
    public static async Task<string> MakePostgresAsync(string database, string scripts)
    {
        await using var source = NpgsqlDataSource.Create(database);
        foreach (var script in (string[])["PostgreSQL-Main.sql", "PostgreSQL-Persistence.sql"])
        {
#pragma warning disable CA2100 // A script of Orleans.
            await using var command = source.CreateCommand(await File.ReadAllTextAsync(Path.Combine(scripts, script)));
#pragma warning restore CA2100
            await command.ExecuteNonQueryAsync();
        }

        return database + ";Maximum Pool Size=50;Timeout=60";
    }

    public static async Task<string> MakeSqliteAsync(string path, string scripts)
    {
        var database = string.Create(CultureInfo.InvariantCulture, $"Data Source={path};Default Timeout=60");
        await using var connection = new SqliteConnection(database);
        await connection.OpenAsync();
        foreach (var text in (string[])["PRAGMA journal_mode = WAL", .. ((string[])["Sqlite-Main.sql", "Sqlite-Persistence.sql"]).Select(script => File.ReadAllText(Path.Combine(scripts, script)))])
        {
            await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // A script of Orleans.
            command.CommandText = text;
#pragma warning restore CA2100
            await command.ExecuteNonQueryAsync();
        }

        return database;
    }
}

internal static class LoopbackPorts
{
    public static int Free()
    {
        using var probe = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        probe.Start();
        return ((System.Net.IPEndPoint)probe.LocalEndpoint).Port;
    }

    public static ISiloBuilder Alone(this ISiloBuilder silo)
    {
        silo.UseLocalhostClustering(Free(), gatewayPort: 0);
        silo.UseInMemoryReminderService();
        return silo;
    }
}
