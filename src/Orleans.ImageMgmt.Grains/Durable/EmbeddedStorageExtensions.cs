using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Hosting;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Puts the embedded store under a silo.</summary>
public static class EmbeddedStorageExtensions
{
    /// <summary>Name under which the storage is registered besides being the default.</summary>
    public const string StorageName = "store";

    /// <summary>The invariant under which Orleans 10.4.2 loads Microsoft.Data.Sqlite; the package's own name is refused at start.</summary>
    private const string SqliteInvariant = "System.Data.SQLite";

    /// <summary>Orleans writes reminders from many threads at once and SQLite lets them in one by one; ten seconds of that is a thousand slow commits.</summary>
    private static readonly DurableOptions ReminderOptions = new() { BusyTimeout = TimeSpan.FromSeconds(10) };

    /// <summary>
    /// Registers the store as grain storage, default and <see cref="StorageName"/>, with <see cref="IDurableStore"/>, <see cref="CatalogReader"/> and
    /// <see cref="EmbeddedStore"/> itself. The caller keeps owning the store and disposes it after the host has stopped.
    /// </summary>
    public static ISiloBuilder AddEmbeddedStorage(this ISiloBuilder silo, EmbeddedStore store)
    {
        silo.Services.AddSingleton(store);
        silo.AddStorage(store);
        return silo;
    }

    /// <summary>Keeps reminders in a database of the data directory, which must be that of an open <see cref="EmbeddedStore"/>: its lock covers both.</summary>
    /// <exception cref="StoreUnavailableException">The database cannot be made.</exception>
    public static ISiloBuilder UseEmbeddedReminders(this ISiloBuilder silo, string dataDirectory)
    {
        var file = new DatabaseFile(Durable.DataDirectory.PrivateFile(dataDirectory, DatabaseSnapshot.RemindersName), ReminderOptions);
        try
        {
            using var connection = file.OpenWriter();
            EmbeddedReminders.Install(connection);
        }
        catch (SqliteException error)
        {
            throw file.Explain(error);
        }

        return silo.UseAdoNetReminderService(options =>
        {
            options.Invariant = SqliteInvariant;
            options.DataSource = new DatabaseSource(file);
        });
    }
}
