using System.Globalization;
using Npgsql;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>
/// The tables of the store on PostgreSQL, as a list of steps; step n brings schema n - 1 to n. A step is never changed once released. All of it lies in
/// the database's schema <c>imgmt</c>. Several silos may start at once: an advisory lock lets them in one by one.
/// </summary>
internal static class PostgresSchema
{
    public const string Name = "imgmt";

    /// <summary>Any number that nobody else uses in the database: "imgmt" in ASCII.</summary>
    private const long InstallLock = 0x69_6d_67_6d_74;

    /// <remarks>Text is compared by its bytes (collation C), as everywhere in this program.</remarks>
    private static readonly string[] Steps =
    [
        """
        CREATE SEQUENCE etag;

        CREATE TABLE state (
            key text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, etag bigint NOT NULL, changed bigint NOT NULL, payload bytea NOT NULL,
            PRIMARY KEY (key, name));

        CREATE TABLE catalog (
            kind integer NOT NULL, key text COLLATE "C" NOT NULL, sort text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
            status text COLLATE "C" NOT NULL, family text COLLATE "C", image text COLLATE "C", version text COLLATE "C", pod text COLLATE "C",
            created bigint NOT NULL, changed bigint NOT NULL, unfinished boolean NOT NULL, body text NOT NULL,
            PRIMARY KEY (kind, key));
        CREATE INDEX catalog_list ON catalog (kind, sort, key);
        CREATE INDEX catalog_status ON catalog (kind, status, sort, key);
        CREATE INDEX catalog_family ON catalog (kind, family, sort, key) WHERE family IS NOT NULL;
        CREATE INDEX catalog_image ON catalog (kind, image, sort, key) WHERE image IS NOT NULL;
        CREATE INDEX catalog_version ON catalog (kind, image, version, sort, key) WHERE version IS NOT NULL;
        CREATE INDEX catalog_pod ON catalog (kind, pod, sort, key) WHERE pod IS NOT NULL;
        CREATE INDEX catalog_unfinished ON catalog (kind, key) WHERE unfinished;

        CREATE TABLE activity (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at bigint NOT NULL, actor text NOT NULL, action text NOT NULL,
            image text COLLATE "C", version text COLLATE "C", pod text COLLATE "C", operation text COLLATE "C", body text NOT NULL);
        CREATE INDEX activity_image ON activity (image, number) WHERE image IS NOT NULL;
        CREATE INDEX activity_pod ON activity (pod, number) WHERE pod IS NOT NULL;
        CREATE INDEX activity_operation ON activity (operation, number) WHERE operation IS NOT NULL;
        """,
        PostgresOrleans.Tables,
        """
        CREATE INDEX catalog_operation_kind ON catalog ((body::jsonb ->> 'kind'), sort, key) WHERE kind = 5;
        """,
    ];

    public static int Newest => Steps.Length;

    /// <summary>Brings the database to the newest schema in one transaction, and puts this program's queries for Orleans in.</summary>
    /// <exception cref="StoreSchemaException">It is newer than this program.</exception>
    public static async Task InstallAsync(NpgsqlDataSource source, string place, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await using var connection = await source.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await RunAsync(connection, $"SELECT pg_advisory_xact_lock({InstallLock.ToString(CultureInfo.InvariantCulture)})", cancellationToken);
        await RunAsync(connection, $"CREATE SCHEMA IF NOT EXISTS {Name}", cancellationToken);
        await RunAsync(connection, "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, installed bigint NOT NULL)", cancellationToken);
        var found = await FoundAsync(connection, cancellationToken);
        if (found > Steps.Length)
        {
            throw new StoreSchemaException(
                $"{place} has schema {found}; this program knows up to {Steps.Length}. Run the program version that upgraded it, or restore the dump made before the upgrade.");
        }

        for (var step = found; step < Steps.Length; step++)
        {
            await RunAsync(connection, Steps[step], cancellationToken);
            await RunAsync(connection, string.Create(CultureInfo.InvariantCulture, $"INSERT INTO schema_version VALUES ({step + 1}, {now.ToUnixTimeMilliseconds()})"), cancellationToken);
        }

        await PostgresOrleans.PutQueriesAsync(connection, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private static async Task<int> FoundAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT coalesce(max(version), 0) FROM schema_version", connection);
        return (int)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Constants of this program and numbers.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
