using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Something the durable store refuses or cannot do: a stable code and a sentence that says what to do.</summary>
[GenerateSerializer, Alias(Aliases.StoreException)]
public abstract class StoreException(string code, string message, Exception? cause) : Exception(message, Portable(cause))
{
    /// <summary>Stable, such as <c>store.full</c>.</summary>
    [Id(0)]
    public string Code { get; } = code;

    /// <summary>A database driver's exceptions have no form between silos, and an exception that cannot be sent is a defect to whoever waits for it:
    /// they go along as the text that they are in a log.</summary>
    private static Exception? Portable(Exception? cause) => cause is System.Data.Common.DbException ? new IOException(cause.ToString()) : cause;
}

/// <summary>The store cannot do this now. It stays usable and goes on by itself when the cause is gone.</summary>
[GenerateSerializer, Alias(Aliases.StoreUnavailable)]
public sealed class StoreUnavailableException(string code, string message, Exception? cause = null) : StoreException(code, message, cause)
{
    /// <summary>No room on the device.</summary>
    public const string Full = "store.full";

    /// <summary>The device reports errors.</summary>
    public const string InputOutput = "store.io";

    /// <summary>The file system is mounted read-only, or the files are.</summary>
    public const string ReadOnly = "store.read-only";

    /// <summary>Somebody else holds the database's lock, or the queue did not move in time. Nothing was written.</summary>
    public const string Busy = "store.busy";

    /// <summary>The commit did not return in time. The only code with an unknown outcome.</summary>
    public const string Slow = "store.slow";

    /// <summary>The store has been closed.</summary>
    public const string Closed = "store.closed";

    /// <summary>The data directory cannot hold a database: network file system, no locks, no permission.</summary>
    public const string Unsuitable = "store.unsuitable";

    /// <summary>The catalog of the data directory has moved to PostgreSQL.</summary>
    public const string Moved = "store.moved";

    /// <summary>The database answered with an error that is none of the above.</summary>
    public const string Unexpected = "store.unexpected";
}

/// <summary>The database file is damaged or is no database. The store takes nothing more until it is opened on a good file.</summary>
[GenerateSerializer, Alias(Aliases.StoreCorrupt)]
public sealed class StoreCorruptException(string message, Exception? cause = null) : StoreException("store.corrupt", message, cause);

/// <summary>Another process has the data directory open.</summary>
[GenerateSerializer, Alias(Aliases.DataDirectoryInUse)]
public sealed class DataDirectoryInUseException(string message) : StoreException("store.in-use", message, null);

/// <summary>The database was made by a newer program.</summary>
[GenerateSerializer, Alias(Aliases.StoreSchema)]
public sealed class StoreSchemaException(string message) : StoreException("store.newer-schema", message, null);

/// <summary>A stored record was written by a newer program.</summary>
[GenerateSerializer, Alias(Aliases.StateSchema)]
public sealed class StateSchemaException(string what, int stored, int known) : StoreException(
    "state.newer-schema",
    $"The stored record {what} has schema {stored}; this program knows up to {known}. Run the program version that wrote it, or a newer one.",
    null);

/// <summary>The answer to a write whose row has changed since it was read.</summary>
internal static class StoreConflict
{
    public static Storage.InconsistentStateException Of(RowWrite write, string? stored) => new(
        $"The record {write.Key} {write.Name} has changed since it was read: ETag {stored ?? "none"} is stored, {write.ETag ?? "none"} was given. Read it again.",
        stored ?? "",
        write.ETag ?? "");
}
