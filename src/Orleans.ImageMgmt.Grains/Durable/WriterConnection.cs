using Microsoft.Data.Sqlite;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>The one connection that writes, with its prepared statements. Used by the writer thread alone.</summary>
internal sealed class WriterConnection : IDisposable
{
    /// <summary>Lines appended between two trims of the log.</summary>
    private const int TrimEvery = 1_000;

    private readonly SqliteConnection connection;
    private readonly Dictionary<string, SqliteCommand> statements = [];
    private readonly int activityRows;

    /// <summary>Lines since the last trim; starts one short of the mark, so that a process which never writes many lines trims too.</summary>
    private long appended = TrimEvery - 1;

    public WriterConnection(DatabaseFile file, int activityRows)
    {
        this.activityRows = activityRows;
        connection = file.OpenWriter();
        Clock = ReadClock();
    }

    /// <summary>The last ETag given out. It rises over the whole store, so a row that is deleted and made again never sees an old ETag twice.</summary>
    public long Clock { get; private set; }

    public void Begin()
    {
        Execute("BEGIN IMMEDIATE");
        Clock = ReadClock();
    }

    public void Commit()
    {
        if (appended >= TrimEvery)
        {
            // Twice as many as came, so that a lowered limit is caught up with in bounded steps.
            Execute(
                """
                DELETE FROM activity WHERE number IN
                    (SELECT number FROM activity WHERE number <= (SELECT max(number) FROM activity) - $keep ORDER BY number LIMIT $most)
                """,
                ("$keep", activityRows), ("$most", appended * 2));
            appended = 0;
        }

        Execute("UPDATE counter SET value = $clock WHERE name = 'etag'", ("$clock", Clock));
        Execute("COMMIT");
    }

    public string? FindETag(string key, string name)
    {
        var found = Prepare("SELECT etag FROM state WHERE key = $key AND name = $name", ("$key", key), ("$name", name)).ExecuteScalar();
        return found is long etag ? Text(etag) : null;
    }

    /// <summary>Stores or deletes the row with its projections; returns its new ETag, or null when it was deleted.</summary>
    public string? Apply(RowWrite write, long now)
    {
        string? etag = null;
        if (write.Payload is { } payload)
        {
            Clock++;
            etag = Text(Clock);
            Execute(
                "INSERT INTO state VALUES ($key, $name, $etag, $changed, $payload) ON CONFLICT DO UPDATE SET etag = $etag, changed = $changed, payload = $payload",
                ("$key", write.Key), ("$name", write.Name), ("$etag", Clock), ("$changed", now), ("$payload", Bytes(payload)));
        }
        else
        {
            Execute("DELETE FROM state WHERE key = $key AND name = $name", ("$key", write.Key), ("$name", write.Name));
        }

        foreach (var projection in write.Projections)
        {
            Apply(projection);
        }

        return etag;
    }

    public void Apply(Projection projection)
    {
        switch (projection)
        {
            case Projection.Upsert upsert:
                Upsert(upsert.Row);
                break;
            case Projection.Delete delete:
                Execute("DELETE FROM catalog WHERE kind = $kind AND key = $key", ("$kind", (int)delete.Kind), ("$key", delete.Key));
                break;
            case Projection.Append append:
                Append(append.Row);
                break;
            default:
                throw new NotSupportedException(projection.GetType().Name);
        }
    }

    public void ClearCatalog() => Execute("DELETE FROM catalog");

    /// <summary>Rows after (key, name), in that order: a rebuild walks through all state in steps.</summary>
    public List<StoredRow> StateAfter(string key, string name, int limit)
    {
        using var reader = Prepare(
            "SELECT key, name, etag, payload, changed FROM state WHERE (key, name) > ($key, $name) ORDER BY key, name LIMIT $limit",
            ("$key", key), ("$name", name), ("$limit", limit)).ExecuteReader();
        List<StoredRow> rows = [];
        while (reader.Read())
        {
            rows.Add(RowReading.State(reader));
        }

        return rows;
    }

    /// <summary>Moves the write-ahead log into the database, so that a closed store is one file.</summary>
    public void Checkpoint() => Execute("PRAGMA wal_checkpoint(TRUNCATE)");

    public void Dispose()
    {
        foreach (var statement in statements.Values)
        {
            statement.Dispose();
        }

        connection.Dispose();
    }

    /// <remarks>
    /// Most changes of a row touch its status and body only. The narrow update leaves the other indexes alone; SQLite rewrites every index
    /// that has a column in the SET list, changed or not.
    /// </remarks>
    private void Upsert(CatalogRow row)
    {
        (string, object?)[] values =
        [
            ("$kind", (int)row.Kind), ("$key", row.Key), ("$sort", row.Sort), ("$name", row.Name), ("$status", row.Status), ("$family", row.Family),
            ("$image", row.Image), ("$version", row.Version), ("$pod", row.Pod), ("$created", row.Created.ToUnixTimeMilliseconds()),
            ("$changed", row.Changed.ToUnixTimeMilliseconds()), ("$unfinished", row.Unfinished ? 1 : 0), ("$body", row.Body),
        ];
        var narrow = Execute(
            """
            UPDATE catalog SET status = $status, changed = $changed, unfinished = $unfinished, body = $body
            WHERE kind = $kind AND key = $key AND sort = $sort AND name = $name AND created = $created
                AND family IS $family AND image IS $image AND version IS $version AND pod IS $pod
            """,
            values);
        if (narrow == 0)
        {
            Execute(
                """
                INSERT OR REPLACE INTO catalog (kind, key, sort, name, status, family, image, version, pod, created, changed, unfinished, body)
                VALUES ($kind, $key, $sort, $name, $status, $family, $image, $version, $pod, $created, $changed, $unfinished, $body)
                """,
                values);
        }
    }

    private void Append(ActivityRow row)
    {
        Execute(
            """
            INSERT INTO activity (at, actor, action, image, version, pod, operation, body)
            VALUES ($at, $actor, $action, $image, $version, $pod, $operation, $body)
            """,
            ("$at", row.At.ToUnixTimeMilliseconds()), ("$actor", row.Actor), ("$action", row.Action), ("$image", row.Image),
            ("$version", row.Version), ("$pod", row.Pod), ("$operation", row.Operation), ("$body", row.Body));
        appended++;
    }

    private long ReadClock() => (long)Prepare("SELECT value FROM counter WHERE name = 'etag'").ExecuteScalar()!;

    private int Execute(string sql, params ReadOnlySpan<(string Name, object? Value)> values) => Prepare(sql, values).ExecuteNonQuery();

    private SqliteCommand Prepare(string sql, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        if (!statements.TryGetValue(sql, out var statement))
        {
            statement = connection.CreateCommand();
#pragma warning disable CA2100 // Every text is a constant of this class.
            statement.CommandText = sql;
#pragma warning restore CA2100
            foreach (var (name, _) in values)
            {
                statement.Parameters.Add(new SqliteParameter { ParameterName = name });
            }

            statements.Add(sql, statement);
        }

        for (var i = 0; i < values.Length; i++)
        {
            statement.Parameters[i].Value = values[i].Value ?? DBNull.Value;
        }

        return statement;
    }

    private static byte[] Bytes(ReadOnlyMemory<byte> payload) =>
        System.Runtime.InteropServices.MemoryMarshal.TryGetArray(payload, out var segment)
            && segment.Offset == 0 && segment.Array!.Length == segment.Count
            ? segment.Array
            : payload.ToArray();

    private static string Text(long etag) => etag.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
