using Microsoft.Data.Sqlite;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>
/// The database of reminders: the seven queries that Orleans' AdoNet reminder table looks up by key, over one table. Query keys, parameter names
/// and result columns are the contract of Microsoft.Orleans.Reminders.AdoNet 10.4.2; the SQL is ours, since it ships none for SQLite.
/// </summary>
/// <remarks>
/// A file of its own: Orleans opens, writes and syncs it from its own threads, row by row. In the store's file each of those commits would wait
/// for the group commit's lock, and the group commit for theirs. Reminders need no common transaction with state: one without an intent removes itself.
/// </remarks>
internal static class EmbeddedReminders
{
    private const string Tables =
        """
        CREATE TABLE IF NOT EXISTS OrleansQuery (QueryKey TEXT PRIMARY KEY, QueryText TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS reminder (
            service TEXT NOT NULL, grain TEXT NOT NULL, name TEXT NOT NULL, start TEXT NOT NULL, period INTEGER NOT NULL,
            hash INTEGER NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (service, grain, name)) STRICT, WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS reminder_hash ON reminder (service, hash);
        """;

    private const string Columns = "SELECT grain AS GrainId, name AS ReminderName, start AS StartTime, period AS Period, version AS Version FROM reminder WHERE service = @ServiceId";

    /// <remarks>
    /// Hashes come as signed numbers; for a range that does not wrap in that order Orleans asks for the first form, else for the second.
    /// A delete has to answer with one row holding a truth value, also when it found nothing: hence the count of changes behind it.
    /// </remarks>
    private static readonly (string Key, string Sql)[] Queries =
    [
        ("UpsertReminderRowKey",
            """
            INSERT INTO reminder VALUES (@ServiceId, @GrainId, @ReminderName, @StartTime, @Period, @GrainHash, 0)
            ON CONFLICT DO UPDATE SET start = excluded.start, period = excluded.period, hash = excluded.hash, version = version + 1
            RETURNING version AS Version
            """),
        ("ReadReminderRowsKey", $"{Columns} AND grain = @GrainId"),
        ("ReadReminderRowKey", $"{Columns} AND grain = @GrainId AND name = @ReminderName"),
        ("ReadRangeRows1Key", $"{Columns} AND hash > @BeginHash AND hash <= @EndHash"),
        ("ReadRangeRows2Key", $"{Columns} AND (hash > @BeginHash OR hash <= @EndHash)"),
        ("DeleteReminderRowKey",
            """
            DELETE FROM reminder WHERE service = @ServiceId AND grain = @GrainId AND name = @ReminderName AND version = @Version;
            SELECT changes() AS Result
            """),
        ("DeleteReminderRowsKey", "DELETE FROM reminder WHERE service = @ServiceId"),
    ];

    /// <summary>Makes the tables if they are not there and puts this program's queries in; may run any number of times.</summary>
    public static void Install(SqliteConnection connection)
    {
        DatabaseFile.Run(connection, "BEGIN IMMEDIATE");
        DatabaseFile.Run(connection, Tables);
        foreach (var (key, sql) in Queries)
        {
            using var command = connection.CreateCommand();
            command.CommandText = "INSERT INTO OrleansQuery VALUES ($key, $sql) ON CONFLICT DO UPDATE SET QueryText = excluded.QueryText";
            command.Parameters.AddWithValue("$key", key);
            command.Parameters.AddWithValue("$sql", sql);
            command.ExecuteNonQuery();
        }

        DatabaseFile.Run(connection, "COMMIT");
    }
}
