using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Rows that are written together or not at all, on PostgreSQL.</summary>
internal sealed class PostgresOp(IReadOnlyList<RowWrite> writes) : QueuedOp
{
    private readonly TaskCompletionSource<IReadOnlyList<string?>> done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IReadOnlyList<RowWrite> Writes => writes;

    public Task<IReadOnlyList<string?>> Done => done.Task;

    public override int Rows => writes.Count;

    public override int ListRows { get; } = writes.Sum(write => write.Projections.Count);

    public override long Bytes { get; } = writes.Sum(write => (long)(write.Payload?.Length ?? 0));

    public void Succeed(IReadOnlyList<string?> etags) => done.TrySetResult(etags);

    public override void Fail(Exception error) => done.TrySetException(error);
}

/// <summary>
/// Many requests in one transaction, in two round trips: the first locks the rows and reads their ETags, the verdicts are made here, the second writes.
/// Other silos write at the same time: rows are locked in the order of their keys, so that two batches never wait for each other in a circle.
/// </summary>
internal sealed class PostgresBatch(IReadOnlyList<PostgresOp> ops, long now)
{
    private readonly Dictionary<(string Key, string Name), Kept> rows = [];
    private readonly Dictionary<(CatalogKind Kind, string Key), CatalogRow?> catalog = [];
    private readonly List<ActivityRow> activity = [];
    private readonly List<Action> outcomes = [];
    private long nextETag;

    /// <summary>Requests that were refused for a stale ETag.</summary>
    public int Conflicts { get; private set; }

    /// <summary>Lines that it adds to the activity log.</summary>
    public int ActivityLines => activity.Count;

    /// <summary>Everything but the commit. False when another silo made a row that was not there a moment ago: roll back and begin anew.</summary>
    public async Task<bool> WriteAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken cancellationToken)
    {
        await LockAsync(connection, transaction, cancellationToken);
        foreach (var op in ops)
        {
            Judge(op);
        }

        await using var batch = new NpgsqlBatch(connection, transaction);
        var made = rows.Where(row => row.Value is { IsChanged: true, Found: null, Payload: not null }).ToList();
        AddState(batch, made);
        if (batch.BatchCommands.Count == 0 && catalog.Count == 0 && activity.Count == 0)
        {
            return true;
        }

        AddCatalog(batch);
        AddActivity(batch);
        await batch.ExecuteNonQueryAsync(cancellationToken);
        return made.Count == 0 || (long)batch.BatchCommands[0].RecordsAffected == made.Count;
    }

    /// <summary>Tells every caller, once the commit is durable.</summary>
    public void Tell() => outcomes.ForEach(tell => tell());

    private async Task LockAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken cancellationToken)
    {
        foreach (var write in ops.SelectMany(op => op.Writes))
        {
            rows.TryAdd((write.Key, write.Name), new Kept());
        }

        (string Key, string Name)[] wanted = [.. rows.Keys];
        await using var batch = new NpgsqlBatch(connection, transaction);
        batch.BatchCommands.Add(Command(
            """
            SELECT s.key, s.name, s.etag FROM state s JOIN unnest($1, $2) AS w (key, name) ON s.key = w.key AND s.name = w.name
            ORDER BY s.key, s.name FOR UPDATE OF s
            """,
            Texts(wanted.Select(row => row.Key)), Texts(wanted.Select(row => row.Name))));
        batch.BatchCommands.Add(Command("SELECT min(nextval('etag')) FROM generate_series(1, $1)", new NpgsqlParameter { Value = ops.Sum(op => op.Rows) }));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var etag = reader.GetInt64(2);
            rows[(reader.GetString(0), reader.GetString(1))] = new Kept { Found = etag, ETag = etag };
        }

        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        nextETag = reader.GetInt64(0);
    }

    private void Judge(PostgresOp op)
    {
        foreach (var write in op.Writes)
        {
            var stored = Text(rows[(write.Key, write.Name)].ETag);
            if (write.ETag != RowWrite.AnyETag && stored != write.ETag)
            {
                Conflicts++;
                outcomes.Add(() => op.Fail(StoreConflict.Of(write, stored)));
                return;
            }
        }

        var etags = new string?[op.Writes.Count];
        for (var i = 0; i < etags.Length; i++)
        {
            var write = op.Writes[i];
            var row = rows[(write.Key, write.Name)];
            (row.IsChanged, row.Payload, row.ETag) = (true, write.Payload, write.Payload is null ? null : nextETag++);
            etags[i] = Text(row.ETag);
            foreach (var projection in write.Projections)
            {
                Project(projection);
            }
        }

        outcomes.Add(() => op.Succeed(etags));
    }

    private void Project(Projection projection)
    {
        switch (projection)
        {
            case Projection.Upsert upsert:
                catalog[(upsert.Row.Kind, upsert.Row.Key)] = upsert.Row;
                break;
            case Projection.Delete delete:
                catalog[(delete.Kind, delete.Key)] = null;
                break;
            case Projection.Append append:
                activity.Add(append.Row);
                break;
            default:
                throw new NotSupportedException(projection.GetType().Name);
        }
    }

    private void AddState(NpgsqlBatch batch, List<KeyValuePair<(string Key, string Name), Kept>> made)
    {
        if (made.Count > 0)
        {
            batch.BatchCommands.Add(Command(
                "INSERT INTO state (key, name, etag, changed, payload) SELECT k, n, e, $5, p FROM unnest($1, $2, $3, $4) AS w (k, n, e, p) ORDER BY k, n ON CONFLICT DO NOTHING",
                [.. Values(made), new NpgsqlParameter { Value = now }]));
        }

        var kept = rows.Where(row => row.Value is { IsChanged: true, Found: not null, Payload: not null }).ToList();
        if (kept.Count > 0)
        {
            batch.BatchCommands.Add(Command(
                "UPDATE state s SET etag = w.e, changed = $5, payload = w.p FROM unnest($1, $2, $3, $4) AS w (k, n, e, p) WHERE s.key = w.k AND s.name = w.n",
                [.. Values(kept), new NpgsqlParameter { Value = now }]));
        }

        var gone = rows.Where(row => row.Value is { IsChanged: true, Found: not null, Payload: null }).Select(row => row.Key).ToList();
        if (gone.Count > 0)
        {
            batch.BatchCommands.Add(Command(
                "DELETE FROM state s USING unnest($1, $2) AS w (k, n) WHERE s.key = w.k AND s.name = w.n", Texts(gone.Select(row => row.Key)), Texts(gone.Select(row => row.Name))));
        }
    }

    private void AddCatalog(NpgsqlBatch batch)
    {
        var gone = catalog.Where(row => row.Value is null).Select(row => row.Key).ToList();
        if (gone.Count > 0)
        {
            batch.BatchCommands.Add(Command("DELETE FROM catalog c USING unnest($1, $2) AS w (kind, key) WHERE c.kind = w.kind AND c.key = w.key",
                new NpgsqlParameter { Value = gone.Select(row => (int)row.Kind).ToArray() }, Texts(gone.Select(row => row.Key))));
        }

        if (catalog.Values.OfType<CatalogRow>().OrderBy(row => row.Kind).ThenBy(row => row.Key, StringComparer.Ordinal).ToList() is { Count: > 0 } shown)
        {
            batch.BatchCommands.Add(PostgresProjection.Upsert(shown));
        }
    }

    private void AddActivity(NpgsqlBatch batch)
    {
        if (activity.Count > 0)
        {
            batch.BatchCommands.Add(Command(
                "INSERT INTO activity (at, actor, action, image, version, pod, operation, body) SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)",
                new NpgsqlParameter { Value = activity.Select(line => line.At.ToUnixTimeMilliseconds()).ToArray() }, Texts(activity.Select(line => line.Actor)),
                Texts(activity.Select(line => line.Action)), Texts(activity.Select(line => line.Image)), Texts(activity.Select(line => line.Version)),
                Texts(activity.Select(line => line.Pod)), Texts(activity.Select(line => line.Operation)), Texts(activity.Select(line => line.Body))));
        }
    }

    private static NpgsqlParameter[] Values(List<KeyValuePair<(string Key, string Name), Kept>> of) =>
    [
        Texts(of.Select(row => row.Key.Key)), Texts(of.Select(row => row.Key.Name)),
        new NpgsqlParameter { Value = of.Select(row => row.Value.ETag!.Value).ToArray() },
        new NpgsqlParameter { Value = of.Select(row => row.Value.Payload!.Value.ToArray()).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea },
    ];

    internal static NpgsqlParameter Texts(IEnumerable<string?> values) => new() { Value = values.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };

    internal static NpgsqlBatchCommand Command(string sql, params ReadOnlySpan<NpgsqlParameter> values)
    {
#pragma warning disable CA2100 // Every text is a constant of this program.
        var command = new NpgsqlBatchCommand(sql);
#pragma warning restore CA2100
        foreach (var value in values)
        {
            command.Parameters.Add(value);
        }

        return command;
    }

    private static string? Text(long? etag) => etag?.ToString(CultureInfo.InvariantCulture);

    /// <summary>One row as it was found and as it will be.</summary>
    private sealed class Kept
    {
        public long? Found { get; init; }

        public long? ETag { get; set; }

        public ReadOnlyMemory<byte>? Payload { get; set; }

        public bool IsChanged { get; set; }
    }
}

/// <summary>Writes catalog rows.</summary>
internal static class PostgresProjection
{
    /// <summary>Adds or replaces rows, each (kind, key) once.</summary>
    public static NpgsqlBatchCommand Upsert(IReadOnlyList<CatalogRow> rows) => PostgresBatch.Command(
        """
        INSERT INTO catalog (kind, key, sort, name, status, family, image, version, pod, created, changed, unfinished, body)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (kind, key) DO UPDATE SET sort = excluded.sort, name = excluded.name, status = excluded.status, family = excluded.family,
            image = excluded.image, version = excluded.version, pod = excluded.pod, created = excluded.created, changed = excluded.changed,
            unfinished = excluded.unfinished, body = excluded.body
        """,
        new NpgsqlParameter { Value = rows.Select(row => (int)row.Kind).ToArray() }, PostgresBatch.Texts(rows.Select(row => row.Key)),
        PostgresBatch.Texts(rows.Select(row => row.Sort)), PostgresBatch.Texts(rows.Select(row => row.Name)), PostgresBatch.Texts(rows.Select(row => row.Status)),
        PostgresBatch.Texts(rows.Select(row => row.Family)), PostgresBatch.Texts(rows.Select(row => row.Image)), PostgresBatch.Texts(rows.Select(row => row.Version)),
        PostgresBatch.Texts(rows.Select(row => row.Pod)), new NpgsqlParameter { Value = rows.Select(row => row.Created.ToUnixTimeMilliseconds()).ToArray() },
        new NpgsqlParameter { Value = rows.Select(row => row.Changed.ToUnixTimeMilliseconds()).ToArray() },
        new NpgsqlParameter { Value = rows.Select(row => row.Unfinished).ToArray() }, PostgresBatch.Texts(rows.Select(row => row.Body)));
}
