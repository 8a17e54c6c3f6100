using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Opens connections to one SQLite file, each with the settings that durability rests on, and says what an error of SQLite means for us.</summary>
internal sealed class DatabaseFile(string path, DurableOptions options)
{
    /// <summary>Bytes to which the write-ahead log is cut after a checkpoint, so that one burst does not keep its room for ever.</summary>
    private const long LogSizeLimit = 64L << 20;

    public string Path { get; } = path;

    public string ConnectionString { get; } = new SqliteConnectionStringBuilder
    {
        DataSource = path,
        Mode = SqliteOpenMode.ReadWrite,
        Pooling = false,
        DefaultTimeout = Math.Max(1, (int)options.BusyTimeout.TotalSeconds),
    }.ConnectionString;

    public SqliteConnection OpenWriter()
    {
        var connection = Open();
        var mode = Text(connection, "PRAGMA journal_mode = WAL");
        Run(connection, $"PRAGMA journal_size_limit = {LogSizeLimit}");
        if (mode != "wal" || Text(connection, "PRAGMA synchronous") != "2")
        {
            connection.Dispose();
            throw new StoreUnavailableException(
                StoreUnavailableException.Unsuitable,
                $"The file system of {Path} cannot run a write-ahead log (journal mode is '{mode}'). Put the data directory on a local file system such as ext4 or xfs.");
        }

        return connection;
    }

    public SqliteConnection OpenReader()
    {
        var connection = Open();
        Run(connection, "PRAGMA query_only = ON");
        return connection;
    }

    /// <summary>The settings that hold for one connection only.</summary>
    public void Prepare(SqliteConnection connection)
    {
        Run(connection, $"PRAGMA busy_timeout = {(int)options.BusyTimeout.TotalMilliseconds}");
        Run(connection, "PRAGMA synchronous = FULL");
        Run(connection, "PRAGMA temp_store = MEMORY");
    }

#pragma warning disable CA2100 // Callers pass constants of this folder; values go in as parameters elsewhere.
    public static void Run(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public static string? Text(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToString(command.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture);
    }
#pragma warning restore CA2100

    /// <summary>Waiting for somebody else's lock may help.</summary>
    public static bool IsBusy(SqliteException error) => error.SqliteErrorCode is raw.SQLITE_BUSY or raw.SQLITE_LOCKED;

    /// <summary>The request is at fault, not the world: only the request that caused it must fail.</summary>
    public static bool IsOfOneRequest(SqliteException error) =>
        error.SqliteErrorCode is raw.SQLITE_CONSTRAINT or raw.SQLITE_TOOBIG or raw.SQLITE_MISMATCH or raw.SQLITE_RANGE;

    /// <summary>Opening a database on a full disk fails where its shared memory file cannot grow (SQLITE_IOERR_SHMSIZE), and that says "I/O error".</summary>
    private static bool IsFull(SqliteException error) =>
        error.SqliteErrorCode is raw.SQLITE_FULL || error.SqliteExtendedErrorCode == (raw.SQLITE_IOERR | (19 << 8));

    /// <summary>What an error of the database (result codes: sqlite.org/rescode.html) means for the caller, and what a person can do.</summary>
    public StoreException Explain(SqliteException error)
    {
        var evidence = $"(SQLite {error.SqliteExtendedErrorCode}: {error.Message})";
        return error.SqliteErrorCode switch
        {
            _ when IsFull(error) => new StoreUnavailableException(
                StoreUnavailableException.Full,
                $"There is no room left on the file system of {Path}: free some or enlarge it; writing goes on by itself. {evidence}",
                error),
            raw.SQLITE_READONLY => new StoreUnavailableException(
                StoreUnavailableException.ReadOnly,
                $"{Path} cannot be written: mount its file system read-write and give this user the right to write; writing goes on by itself. {evidence}",
                error),
            raw.SQLITE_IOERR or raw.SQLITE_CANTOPEN or raw.SQLITE_NOLFS or raw.SQLITE_NOMEM => new StoreUnavailableException(
                StoreUnavailableException.InputOutput,
                $"The device under {Path} reports an error: look at the kernel log and the device; writing goes on by itself when it answers again. {evidence}",
                error),
            raw.SQLITE_BUSY or raw.SQLITE_LOCKED => new StoreUnavailableException(
                StoreUnavailableException.Busy,
                $"Another program holds a lock on {Path}: end it (a database shell, a backup); writing goes on by itself. {evidence}",
                error),
            raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB => new StoreCorruptException(
                $"{Path} is damaged or is no database: stop the service, keep the file, restore the last backup. {evidence}",
                error),
            _ => new StoreUnavailableException(StoreUnavailableException.Unexpected, $"{Path} cannot be used. {evidence}", error),
        };
    }

    private SqliteConnection Open()
    {
        var connection = new SqliteConnection(ConnectionString);
        try
        {
            connection.Open();
            Prepare(connection);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
