using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Copies of databases that are in use, each as it is at one moment, and what a copy is worth.</summary>
public static class DatabaseSnapshot
{
    /// <summary>State, lists and the activity log.</summary>
    public const string StoreName = "store.db";

    internal const string RemindersName = "reminders.db";

    /// <summary>The databases of a data directory. The store comes first: a reminder is registered before its intent is stored, and one without
    /// an intent removes itself; an intent without its reminder is found by the scan at the next start.</summary>
    public static IReadOnlyList<string> Names { get; } = [StoreName, RemindersName];

    /// <summary>Copies the databases of a data directory, each as it is at one moment, into a folder, whether a service uses them or not. Reminders of a service
    /// that never got so far are made: none.</summary>
    /// <exception cref="StoreException">A database cannot be read or its copy not written.</exception>
    public static void TakeAll(string dataDirectory, string folder, CancellationToken cancellationToken)
    {
        foreach (var name in Names.Where(name => File.Exists(Path.Combine(dataDirectory, name))))
        {
            cancellationToken.ThrowIfCancellationRequested();
            Take(Path.Combine(dataDirectory, name), Path.Combine(folder, name));
        }

        if (!File.Exists(Path.Combine(folder, RemindersName)))
        {
            using var made = Open(Path.Combine(folder, RemindersName), SqliteOpenMode.ReadWriteCreate);
            EmbeddedReminders.Install(made);
        }
    }

    /// <summary>Copies one database while others read and write it. One read transaction: the copy is one point in time, and no writer waits.</summary>
    /// <exception cref="StoreException">It cannot be read or the copy cannot be written.</exception>
    internal static void Take(string from, string to)
    {
        try
        {
            using var source = Open(from, SqliteOpenMode.ReadOnly);
            using (File.Open(to, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
            {
            }

            using (var target = Open(to, SqliteOpenMode.ReadWrite))
            {
                source.BackupDatabase(target);
                DatabaseFile.Text(target, "PRAGMA journal_mode = DELETE"); // one file, without side files
            }

            using var file = File.OpenHandle(to, FileMode.Open, FileAccess.ReadWrite);
            RandomAccess.FlushToDisk(file);
        }
        catch (SqliteException error)
        {
            throw new DatabaseFile(from, new DurableOptions()).Explain(error);
        }
    }

    /// <summary>Opens a database that nobody uses and reads all of it.</summary>
    /// <returns>Its schema; 0 for one without a schema of ours.</returns>
    /// <exception cref="StoreCorruptException">It is damaged.</exception>
    public static int Check(string path)
    {
        try
        {
            using var connection = Open(path, SqliteOpenMode.ReadOnly);
            return DatabaseFile.Text(connection, "PRAGMA integrity_check(1)") is "ok"
                ? DatabaseFile.Text(connection, "SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'") is "0"
                    ? 0
                    : int.Parse(DatabaseFile.Text(connection, "SELECT coalesce(max(version), 0) FROM schema_version")!, CultureInfo.InvariantCulture)
                : throw new StoreCorruptException($"{path} is damaged: its pages contradict each other.");
        }
        catch (SqliteException error)
        {
            throw new StoreCorruptException($"{path} is damaged or is no database. (SQLite {error.SqliteExtendedErrorCode}: {error.Message})", error);
        }
    }

    internal static SqliteConnection Open(string path, SqliteOpenMode mode)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false }.ConnectionString);
        try
        {
            connection.Open();
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
