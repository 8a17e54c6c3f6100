using Microsoft.Data.Sqlite;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>
/// The tables of the store, as a list of steps; step n brings schema n - 1 to n. A step is never changed once released.
/// </summary>
/// <remarks>
/// All lists except the log share one table. They have the same columns, so the writer keeps one prepared statement and the reader one keyset
/// query; partial indexes keep each list's own order as small and as fast as a table of its own would, and a new kind of thing needs no new schema.
/// The log is a table of its own because it is only appended and trimmed, by row number.
/// </remarks>
internal static class StoreSchema
{
    private static readonly string[] Steps =
    [
        """
        CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        INSERT INTO counter VALUES ('etag', 0);

        CREATE TABLE state (
            key TEXT NOT NULL, name TEXT NOT NULL, etag INTEGER NOT NULL, changed INTEGER NOT NULL, payload BLOB NOT NULL,
            PRIMARY KEY (key, name)) STRICT;

        CREATE TABLE catalog (
            kind INTEGER NOT NULL, key TEXT NOT NULL, sort TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
            family TEXT, image TEXT, version TEXT, pod TEXT,
            created INTEGER NOT NULL, changed INTEGER NOT NULL, unfinished INTEGER NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (kind, key)) STRICT;
        CREATE INDEX catalog_list ON catalog (kind, sort, key);
        CREATE INDEX catalog_status ON catalog (kind, status, sort, key);
        CREATE INDEX catalog_family ON catalog (kind, family, sort, key) WHERE family IS NOT NULL;
        CREATE INDEX catalog_image ON catalog (kind, image, sort, key) WHERE image IS NOT NULL;
        CREATE INDEX catalog_version ON catalog (kind, image, version, sort, key) WHERE version IS NOT NULL;
        CREATE INDEX catalog_pod ON catalog (kind, pod, sort, key) WHERE pod IS NOT NULL;
        CREATE INDEX catalog_unfinished ON catalog (kind, key) WHERE unfinished = 1;

        CREATE TABLE activity (
            number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
            image TEXT, version TEXT, pod TEXT, operation TEXT, body TEXT NOT NULL) STRICT;
        CREATE INDEX activity_image ON activity (image, number) WHERE image IS NOT NULL;
        CREATE INDEX activity_pod ON activity (pod, number) WHERE pod IS NOT NULL;
        CREATE INDEX activity_operation ON activity (operation, number) WHERE operation IS NOT NULL;
        """,
        """
        CREATE INDEX catalog_operation_kind ON catalog (json_extract(body, '$.kind'), sort, key) WHERE kind = 5;
        """,
    ];

    public static int Newest => Steps.Length;

    internal static IReadOnlyList<string> Known => Steps;

    /// <summary>Brings the database to the newest schema, all steps in one transaction. A database that holds something is copied beside itself
    /// first, as <c>store.db.schema-N.bak</c>, for the way back to the program that made it.</summary>
    /// <exception cref="StoreSchemaException">It is newer than this program.</exception>
    /// <exception cref="StoreException">The copy cannot be made; nothing has changed.</exception>
    public static void Install(SqliteConnection connection, string path, DateTimeOffset now) => Install(connection, path, now, Steps);

    internal static void Install(SqliteConnection connection, string path, DateTimeOffset now, IReadOnlyList<string> steps)
    {
        var found = Found(connection);
        if (found > steps.Count)
        {
            throw new StoreSchemaException(
                $"{path} has schema {found}; this program knows up to {steps.Count}. Run the program version that upgraded it, or restore the backup made before the upgrade.");
        }

        if (found > 0 && found < steps.Count)
        {
            KeepOld(path, found);
        }

        DatabaseFile.Run(connection, "BEGIN IMMEDIATE");
        try
        {
            DatabaseFile.Run(connection, "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, installed INTEGER NOT NULL) STRICT");
            for (var step = found; step < steps.Count; step++)
            {
                DatabaseFile.Run(connection, steps[step]);
                DatabaseFile.Run(connection, $"INSERT INTO schema_version VALUES ({step + 1}, {now.ToUnixTimeMilliseconds()})");
            }

            DatabaseFile.Run(connection, "COMMIT");
        }
        catch
        {
            DatabaseFile.Run(connection, "ROLLBACK");
            throw;
        }
    }

    private static int Found(SqliteConnection connection) =>
        DatabaseFile.Text(connection, "SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'") is "0" ? 0 : int.Parse(
            DatabaseFile.Text(connection, "SELECT coalesce(max(version), 0) FROM schema_version")!, System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Whole, read back and durable before the first step. One from an upgrade that was cut is of the same schema and is made again.</summary>
    private static void KeepOld(string path, int schema)
    {
        var kept = $"{path}.schema-{schema}.bak";
        var making = $"{kept}.making";
        File.Delete(making);
        DatabaseSnapshot.Take(path, making);
        DatabaseSnapshot.Check(making);
        File.Move(making, kept, overwrite: true);
        SparseFile.FlushFolder(Path.GetDirectoryName(path)!);
    }
}
