using Npgsql;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>
/// What Orleans' AdoNet providers for clustering and reminders find in the database: tables of ours, and the queries that they look up by key. Query
/// keys, parameter names and result columns are the contract of Microsoft.Orleans.Clustering.AdoNet and Microsoft.Orleans.Reminders.AdoNet 10.4.2; the SQL is ours.
/// </summary>
internal static class PostgresOrleans
{
    public const string Tables =
        """
        CREATE TABLE orleansquery (querykey text PRIMARY KEY, querytext text NOT NULL);

        CREATE TABLE reminder (
            service text NOT NULL, grain text NOT NULL, name text NOT NULL, start timestamptz NOT NULL, period bigint NOT NULL,
            hash integer NOT NULL, version integer NOT NULL, PRIMARY KEY (service, grain, name));
        CREATE INDEX reminder_hash ON reminder (service, hash);

        CREATE TABLE cluster (id text PRIMARY KEY, version integer NOT NULL, changed timestamptz NOT NULL);
        CREATE TABLE silo (
            cluster text NOT NULL REFERENCES cluster, address text NOT NULL, port integer NOT NULL, generation integer NOT NULL,
            name text NOT NULL, host text NOT NULL, status integer NOT NULL, gateway integer, suspected text, started timestamptz NOT NULL, alive timestamptz NOT NULL,
            PRIMARY KEY (cluster, address, port, generation));
        """;

    private const string Reminders = "SELECT grain AS GrainId, name AS ReminderName, start AS StartTime, period AS Period, version AS Version FROM reminder WHERE service = @ServiceId";

    private const string This = "s.address = @Address AND s.port = @Port AND s.generation = @Generation";

    private const string Silos =
        """
        SELECT c.id AS DeploymentId, s.address AS Address, s.port AS Port, s.generation AS Generation, s.name AS SiloName, s.host AS HostName, s.status AS Status,
            s.gateway AS ProxyPort, s.suspected AS SuspectTimes, s.started AS StartTime, s.alive AS IAmAliveTime, c.version AS Version
        FROM cluster c LEFT JOIN silo s ON s.cluster = c.id
        """;

    /// <summary>One statement moves the cluster's version on and writes the silo's row, or does neither: of two silos that saw the same version the
    /// second waits for the first one's commit, then finds another version and changes nothing.</summary>
    private const string MoveOn = "UPDATE cluster SET version = version + 1, changed = now() WHERE id = @DeploymentId AND version = @Version";

    private static readonly (string Key, string Sql)[] Queries =
    [
        ("UpsertReminderRowKey",
            """
            INSERT INTO reminder VALUES (@ServiceId, @GrainId, @ReminderName, @StartTime, @Period, @GrainHash, 0)
            ON CONFLICT (service, grain, name) DO UPDATE SET start = excluded.start, period = excluded.period, hash = excluded.hash, version = reminder.version + 1
            RETURNING version AS Version
            """),
        ("ReadReminderRowsKey", $"{Reminders} AND grain = @GrainId"),
        ("ReadReminderRowKey", $"{Reminders} AND grain = @GrainId AND name = @ReminderName"),
        ("ReadRangeRows1Key", $"{Reminders} AND hash > @BeginHash AND hash <= @EndHash"),
        ("ReadRangeRows2Key", $"{Reminders} AND (hash > @BeginHash OR hash <= @EndHash)"),
        ("DeleteReminderRowKey",
            """
            WITH gone AS (DELETE FROM reminder WHERE service = @ServiceId AND grain = @GrainId AND name = @ReminderName AND version = @Version RETURNING 1)
            SELECT count(*)::integer AS Result FROM gone
            """),
        ("DeleteReminderRowsKey", "DELETE FROM reminder WHERE service = @ServiceId"),
        ("InsertMembershipVersionKey",
            """
            WITH made AS (INSERT INTO cluster VALUES (@DeploymentId, 0, now()) ON CONFLICT (id) DO NOTHING RETURNING 1)
            SELECT count(*)::integer FROM made
            """),
        ("InsertMembershipKey",
            $"""
            WITH moved AS ({MoveOn} AND NOT EXISTS (SELECT 1 FROM silo s WHERE s.cluster = @DeploymentId AND {This}) RETURNING id),
            made AS (
                INSERT INTO silo (cluster, address, port, generation, name, host, status, gateway, started, alive)
                SELECT id, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime FROM moved RETURNING 1)
            SELECT count(*)::integer FROM made
            """),
        ("UpdateMembershipKey",
            $"""
            WITH moved AS ({MoveOn} AND EXISTS (SELECT 1 FROM silo s WHERE s.cluster = @DeploymentId AND {This}) RETURNING id),
            kept AS (
                UPDATE silo s SET status = @Status, suspected = @SuspectTimes, alive = @IAmAliveTime
                FROM moved WHERE s.cluster = moved.id AND {This} RETURNING 1)
            SELECT count(*)::integer FROM kept
            """),
        ("UpdateIAmAlivetimeKey", $"UPDATE silo s SET alive = @IAmAliveTime WHERE s.cluster = @DeploymentId AND {This}"),
        ("MembershipReadRowKey", $"{Silos} AND {This} WHERE c.id = @DeploymentId"),
        ("MembershipReadAllKey", $"{Silos} WHERE c.id = @DeploymentId"),
        ("DeleteMembershipTableEntriesKey",
            """
            WITH gone AS (DELETE FROM silo WHERE cluster = @DeploymentId RETURNING 1)
            DELETE FROM cluster WHERE id = @DeploymentId AND (SELECT count(*) FROM gone) >= 0
            """),
        ("GatewaysQueryKey",
            "SELECT address AS Address, gateway AS ProxyPort, generation AS Generation FROM silo WHERE cluster = @DeploymentId AND status = @Status AND gateway > 0"),
        ("CleanupDefunctSiloEntriesKey",
            "DELETE FROM silo WHERE cluster = @DeploymentId AND alive < @IAmAliveTime AND started < @IAmAliveTime AND coalesce(suspected, '') = '' AND status = 6"),
        ("CleanupDefunctSiloEntryKey",
            $"""
            DELETE FROM silo s WHERE s.cluster = @DeploymentId AND {This} AND s.status = 6
            AND s.alive = @IAmAliveTime AND s.started = @StartTime AND coalesce(s.suspected, '') = coalesce(@SuspectTimes, '')
            """),
    ];

    /// <summary>This program's queries replace those of another version; both find the same tables.</summary>
    public static async Task PutQueriesAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            """
            INSERT INTO orleansquery SELECT * FROM unnest($1::text[], $2::text[])
            ON CONFLICT (querykey) DO UPDATE SET querytext = excluded.querytext
            """,
            connection);
        command.Parameters.Add(new NpgsqlParameter { Value = Queries.Select(query => query.Key).ToArray() });
        command.Parameters.Add(new NpgsqlParameter { Value = Queries.Select(query => query.Sql).ToArray() });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
