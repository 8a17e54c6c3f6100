using System.Net.Sockets;
using Npgsql;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>What PostgreSQL and the way to it report, in the store's own words.</summary>
internal static class PostgresErrors
{
    /// <summary>Somebody else's transaction was in the way: the same batch may go through when it is tried again.</summary>
    public static bool IsRace(PostgresException error) =>
        error.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.LockNotAvailable;

    /// <summary>The fault lies in the values of one request, not in the database.</summary>
    public static bool IsOfOneRequest(PostgresException error) =>
        error.SqlState.StartsWith("22", StringComparison.Ordinal) || error.SqlState.StartsWith("23", StringComparison.Ordinal);

    public static StoreException Explain(string place, NpgsqlException error) => error switch
    {
        PostgresException { SqlState: PostgresErrorCodes.DiskFull } => Unavailable(StoreUnavailableException.Full, $"{place} has no room left on its disk", error),
        PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction } =>
            Unavailable(StoreUnavailableException.ReadOnly, $"{place} takes no writes: it is a standby, or was set to read-only", error),
        PostgresException { SqlState: PostgresErrorCodes.DataCorrupted or PostgresErrorCodes.IndexCorrupted } =>
            new StoreCorruptException($"{place} reports damaged data: {error.Message} Restore the database from its backup.", error),
        PostgresException { SqlState: PostgresErrorCodes.IoError } => Unavailable(StoreUnavailableException.InputOutput, $"{place} reports an error of its disk", error),
        PostgresException { SqlState: PostgresErrorCodes.TooManyConnections } =>
            Unavailable(StoreUnavailableException.Busy, $"{place} takes no more connections: raise max_connections there, or lower Cluster:Connections", error),
        PostgresException known when IsRace(known) || known.SqlState == PostgresErrorCodes.QueryCanceled =>
            Unavailable(StoreUnavailableException.Busy, $"{place} was kept from it by other transactions", error),
        PostgresException { SqlState: PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification } =>
            Unavailable(StoreUnavailableException.Unsuitable, $"{place} does not let this user in: check user and password of Cluster:ConnectionString", error),
        PostgresException { SqlState: PostgresErrorCodes.InvalidCatalogName } =>
            Unavailable(StoreUnavailableException.Unsuitable, $"{place} does not exist: create it with createdb", error),
        PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } =>
            Unavailable(StoreUnavailableException.Unsuitable, $"{place} does not allow that to this user: make it the owner of the database", error),
        PostgresException { SqlState: PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown } =>
            Unavailable(StoreUnavailableException.Busy, $"{place} is starting or ending", error),
        PostgresException => Unavailable(StoreUnavailableException.Unexpected, $"{place} answered with an error", error),
        _ when error.InnerException is TimeoutException => Unavailable(StoreUnavailableException.Busy, $"{place} did not answer in time", error),
        _ when error.InnerException is SocketException or IOException => Unavailable(StoreUnavailableException.InputOutput, $"{place} cannot be reached", error),
        _ => Unavailable(StoreUnavailableException.InputOutput, $"{place} cannot be used", error),
    };

    /// <summary>The connection broke while the commit was on its way.</summary>
    public static StoreUnavailableException Unknown(string place, NpgsqlException error) => new(
        StoreUnavailableException.Slow, $"{place} broke off during a commit ({error.Message}). Whether this write is stored is unknown: read again before writing.", error);

    private static StoreUnavailableException Unavailable(string code, string what, NpgsqlException cause) =>
        new(code, $"{what} ({cause.Message}).", cause);
}
