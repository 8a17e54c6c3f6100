namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>A request to the store on SQLite.</summary>
internal abstract class WriteOp : QueuedOp
{
    /// <summary>Does the work inside the open transaction and returns what to tell the caller once the transaction is durable.</summary>
    public abstract Action Apply(WriterConnection connection, long now);
}

/// <summary>Rows that are written together or not at all.</summary>
internal sealed class RowsOp(IReadOnlyList<RowWrite> writes, Action conflicted) : WriteOp
{
    private readonly TaskCompletionSource<IReadOnlyList<string?>> done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<IReadOnlyList<string?>> Done => done.Task;

    public override int Rows => writes.Count;

    public override int ListRows { get; } = writes.Sum(write => write.Projections.Count);

    public override long Bytes { get; } = writes.Sum(write => (long)(write.Payload?.Length ?? 0));

    public override Action Apply(WriterConnection connection, long now)
    {
        // All verdicts come before the first change, so that a refused request needs no savepoint to be undone.
        foreach (var write in writes)
        {
            if (write.ETag != RowWrite.AnyETag && connection.FindETag(write.Key, write.Name) is var stored && stored != write.ETag)
            {
                var conflict = StoreConflict.Of(write, stored);
                return () =>
                {
                    conflicted();
                    done.TrySetException(conflict);
                };
            }
        }

        var etags = new string?[writes.Count];
        for (var i = 0; i < etags.Length; i++)
        {
            etags[i] = connection.Apply(writes[i], now);
        }

        return () => done.TrySetResult(etags);
    }

    public override void Fail(Exception error) => done.TrySetException(error);
}

/// <summary>Writes no row; its commit says whether the store can be written.</summary>
internal sealed class ProbeOp : WriteOp
{
    private readonly TaskCompletionSource<bool> done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<bool> Done => done.Task;

    public override int Rows => 0;

    public override long Bytes => 0;

    public override Action Apply(WriterConnection connection, long now) => () => done.TrySetResult(true);

    public override void Fail(Exception error) => done.TrySetException(error);
}

/// <summary>Goes over all stored state and writes what has to be written anew, in one transaction.</summary>
internal sealed class RewriteOp(Func<StoredRow, RowWrite?> rewrite, CancellationToken cancellationToken) : WriteOp
{
    /// <summary>State rows held in memory at a time.</summary>
    private const int Step = 200;

    private readonly TaskCompletionSource<long> done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<long> Done => done.Task;

    public override int Rows => int.MaxValue;

    public override long Bytes => 0;

    public override Action Apply(WriterConnection connection, long now)
    {
        var (key, name, count) = ("", "", 0L);
        while (connection.StateAfter(key, name, Step) is { Count: > 0 } rows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (var write in rows.Select(rewrite).OfType<RowWrite>())
            {
                connection.Apply(write, now);
                count++;
            }

            (key, name) = (rows[^1].Key, rows[^1].Name);
        }

        return () => done.TrySetResult(count);
    }

    public override void Fail(Exception error) => done.TrySetException(error);
}

/// <summary>Throws the catalog away and makes it again from the stored state, in one transaction: readers see the old one until it is done.</summary>
internal sealed class RebuildOp(Func<StoredRow, IEnumerable<Projection>> project, TimeProvider time, TimeSpan limit, CancellationToken cancellationToken) : WriteOp
{
    /// <summary>State rows held in memory at a time.</summary>
    private const int Step = 200;

    private readonly TaskCompletionSource<long> done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<long> Done => done.Task;

    public override int Rows => int.MaxValue;

    public override long Bytes => 0;

    public override Action Apply(WriterConnection connection, long now)
    {
        var started = time.GetTimestamp();
        connection.ClearCatalog();
        var (key, name, count) = ("", "", 0L);
        while (connection.StateAfter(key, name, Step) is { Count: > 0 } rows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (time.GetElapsedTime(started) > limit)
            {
                throw new TimeoutException($"Rebuilding the catalog took longer than {limit}; nothing changed. Raise {nameof(DurableOptions.RebuildTimeout)}.");
            }

            foreach (var projection in rows.SelectMany(project).Where(projection => projection is not Projection.Append))
            {
                connection.Apply(projection);
            }

            (key, name, count) = (rows[^1].Key, rows[^1].Name, count + rows.Count);
        }

        return () => done.TrySetResult(count);
    }

    public override void Fail(Exception error) => done.TrySetException(error);
}
