using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>
/// The durable store of a silo that runs without a database server: one SQLite file in the data directory. Opened before the silo starts,
/// disposed after it has stopped.
/// </summary>
public sealed partial class EmbeddedStore : SiloStore
{
    private readonly DataDirectory directory;
    private readonly GroupCommitWriter writer;
    private readonly ReaderPool readers;
    private readonly DurableStore store;
    private readonly TimeProvider time;
    private bool closed;

    private EmbeddedStore(DataDirectory directory, DatabaseFile file, WriterConnection connection, DurableOptions options, ILogger log, TimeProvider time)
    {
        (this.directory, this.time) = (directory, time);
        Counters = new StoreCounters("sqlite");
        writer = new GroupCommitWriter(file, connection, options, time, log, Counters);
        readers = new ReaderPool(file, options, time, Counters);
        store = new DurableStore(writer, readers, options, Counters);
        Catalog = new EmbeddedCatalog(readers);
    }

    /// <summary>The newest schema of a database that this program can open.</summary>
    public static int NewestSchema => StoreSchema.Newest;

    public override string DataDirectory => directory.Path;

    public override string Place => DataDirectory;

    public override IDurableStore Rows => store;

    public override CatalogReader Catalog { get; }

    public override StoreCounters Counters { get; }

    public override Task<StoreCorruptException> Broken => writer.Broken;

    /// <summary>Opens the store, and makes or upgrades it first where needed.</summary>
    /// <param name="dataDirectory">Made with mode 0700 if it is not there; its files get mode 0600.</param>
    /// <param name="options">Checked first.</param>
    /// <param name="log">Hears of failed commits and of their end.</param>
    /// <param name="time">Stamps rows and measures limits.</param>
    /// <exception cref="ArgumentException">The options are wrong; the message lists every fault.</exception>
    /// <exception cref="DataDirectoryInUseException">Another process has the directory open.</exception>
    /// <exception cref="StoreSchemaException">The database was made by a newer program.</exception>
    /// <exception cref="StoreCorruptException">The database is damaged or the file is no database.</exception>
    /// <exception cref="StoreUnavailableException">The directory cannot be used; the sentence says why.</exception>
    public static EmbeddedStore Open(string dataDirectory, DurableOptions options, ILogger log, TimeProvider time)
    {
        if (options.Faults() is { Count: > 0 } faults)
        {
            throw new ArgumentException(string.Join(' ', faults), nameof(options));
        }

        var directory = Durable.DataDirectory.Take(dataDirectory, options.AllowNetworkFileSystem);
        try
        {
            MovedMark.Check(directory.Path);
            var file = new DatabaseFile(Durable.DataDirectory.PrivateFile(directory.Path, DatabaseSnapshot.StoreName), options);
            var connection = Prepare(file, options, time);
            if (directory.Format is "tmpfs" or "ramfs")
            {
                LogVolatile(log, directory.Path, directory.Format);
            }

            return new EmbeddedStore(directory, file, connection, options, log, time);
        }
        catch
        {
            directory.Dispose();
            throw;
        }
    }

    public override Task<long> RebuildAsync(Func<StoredRow, IEnumerable<Projection>> project, CancellationToken cancellationToken) =>
        store.RebuildAsync(project, time, cancellationToken);

    /// <summary>Writes anew, in one transaction, every row for which <paramref name="rewrite"/> gives one; returns how many.</summary>
    internal Task<long> RewriteAsync(Func<StoredRow, RowWrite?> rewrite, CancellationToken cancellationToken) => store.RewriteAsync(rewrite, cancellationToken);

    /// <summary>Copies the databases, each as it is at one moment, into a folder, while everything goes on.</summary>
    /// <exception cref="StoreException">A database cannot be read or its copy not written.</exception>
    public Task SnapshotAsync(string folder, CancellationToken cancellationToken) =>
        Task.Run(() => DatabaseSnapshot.TakeAll(DataDirectory, folder, cancellationToken), cancellationToken);

    public override Task ProbeAsync(CancellationToken cancellationToken) => store.ProbeAsync(cancellationToken);

    /// <summary>Stores what is queued, closes the files and gives the directory free.</summary>
    public override async ValueTask DisposeAsync()
    {
        if (closed)
        {
            return;
        }

        closed = true;
        readers.Dispose();
        await writer.DisposeAsync();
        Counters.Dispose();
        directory.Dispose();
    }

    private static WriterConnection Prepare(DatabaseFile file, DurableOptions options, TimeProvider time)
    {
        try
        {
            using (var connection = file.OpenWriter())
            {
                StoreSchema.Install(connection, file.Path, time.GetUtcNow());
            }

            return new WriterConnection(file, options.ActivityRows);
        }
        catch (SqliteException error)
        {
            throw file.Explain(error);
        }
    }

    [LoggerMessage(EventId = 5111, Level = LogLevel.Warning, Message = "The data directory {Path} is on {Format}: what it holds does not survive a restart of the machine")]
    private static partial void LogVolatile(ILogger logger, string path, string format);
}
