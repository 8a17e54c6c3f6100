using System.Collections.Concurrent;
using System.Globalization;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Benchmarks.Scale;

/// <summary>The yardstick: the store's rules over a dictionary. States become the same bytes and the same list rows as in a database; nothing is written anywhere.</summary>
internal sealed class MemoryStore(MemoryCatalog catalog) : IDurableStore
{
    private readonly Lock gate = new();
    private readonly Dictionary<(string Key, string Name), StoredRow> rows = [];
    private long clock;
    private long written;

    /// <summary>Rows written so far.</summary>
    public long Rows => Interlocked.Read(ref written);

    public Task<IReadOnlyList<string?>> WriteAsync(IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            foreach (var write in writes)
            {
                var stored = rows.GetValueOrDefault((write.Key, write.Name))?.ETag;
                if (write.ETag != RowWrite.AnyETag && stored != write.ETag)
                {
                    throw new Storage.InconsistentStateException($"{write.Key} {write.Name} changed", stored, write.ETag);
                }
            }

            var etags = new string?[writes.Count];
            for (var i = 0; i < etags.Length; i++)
            {
                etags[i] = Apply(writes[i]);
            }

            return Task.FromResult<IReadOnlyList<string?>>(etags);
        }
    }

    public Task<StoredRow?> ReadAsync(string key, string name, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            return Task.FromResult(rows.GetValueOrDefault((key, name)));
        }
    }

    public Task<IReadOnlyList<StoredRow>> ListAsync(string key, string namePrefix, string? after, int limit, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            return Task.FromResult<IReadOnlyList<StoredRow>>(
            [
                .. rows.Values.Where(row => row.Key == key && row.Name.StartsWith(namePrefix, StringComparison.Ordinal) && string.CompareOrdinal(row.Name, after) > 0)
                    .OrderBy(row => row.Name, StringComparer.Ordinal).Take(limit),
            ]);
        }
    }

    private string? Apply(RowWrite write)
    {
        Interlocked.Increment(ref written);
        catalog.Apply(write.Projections);
        if (write.Payload is not { } payload)
        {
            rows.Remove((write.Key, write.Name));
            return null;
        }

        var etag = (++clock).ToString(CultureInfo.InvariantCulture);
        rows[(write.Key, write.Name)] = new StoredRow(write.Key, write.Name, etag, payload, DateTimeOffset.UnixEpoch);
        return etag;
    }
}

/// <summary>Lists in memory, for stores that write none.</summary>
internal sealed class MemoryCatalog : CatalogReader
{
    private readonly ConcurrentDictionary<(CatalogKind Kind, string Key), CatalogRow> rows = [];
    private readonly ConcurrentQueue<ActivityRow> activity = [];

    private long written;

    /// <summary>List rows and lines of the log written so far.</summary>
    public long Rows => Interlocked.Read(ref written);

    public void Apply(IEnumerable<Projection> projections)
    {
        foreach (var projection in projections)
        {
            Interlocked.Increment(ref written);
            switch (projection)
            {
                case Projection.Upsert upsert:
                    rows[(upsert.Row.Kind, upsert.Row.Key)] = upsert.Row;
                    break;
                case Projection.Delete delete:
                    rows.TryRemove((delete.Kind, delete.Key), out _);
                    break;
                case Projection.Append append:
                    activity.Enqueue(append.Row);
                    break;
                default:
                    throw new NotSupportedException(projection.GetType().Name);
            }
        }
    }

    public override Task<CatalogRow?> FindAsync(CatalogKind kind, string key, CancellationToken cancellationToken) =>
        Task.FromResult(rows.GetValueOrDefault((kind, key)));

    public override Task<IReadOnlyDictionary<string, long>> CountByStatusAsync(CatalogKind kind, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyDictionary<string, long>>(rows.Values.Where(row => row.Kind == kind).GroupBy(row => row.Status).ToDictionary(group => group.Key, group => (long)group.Count()));

    private protected override Task<CatalogPage> ReadPageAsync(CatalogQuery query, CancellationToken cancellationToken)
    {
        var found = rows.Values.Where(row => row.Kind == query.Kind && Is(query.Status, row.Status) && Is(query.Family, row.Family) && Is(query.Image, row.Image)
                && Is(query.Version, row.Version) && Is(query.Pod, row.Pod) && (query.After is not { } after || Compare((row.Sort, row.Key), (after.Sort, after.Key)) > 0))
            .OrderBy(row => row.Sort, StringComparer.Ordinal).ThenBy(row => row.Key, StringComparer.Ordinal).Take(query.Limit + 1).ToList();
        return Task.FromResult(PageOf(found, query.Limit));
    }

    private protected override Task<IReadOnlyList<CatalogRow>> ReadUnfinishedAsync(string afterKey, int limit, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<CatalogRow>>(
        [
            .. rows.Values.Where(row => row.Kind == CatalogKind.Operation && row.Unfinished && string.CompareOrdinal(row.Key, afterKey) > 0)
                .OrderBy(row => row.Key, StringComparer.Ordinal).Take(limit),
        ]);

    private protected override Task<IReadOnlyList<ActivityRow>> ReadActivityAsync(ActivityQuery query, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<ActivityRow>>([.. activity.Reverse().Take(query.Limit)]);

    private static bool Is(string? wanted, string? found) => wanted is null || wanted == found;

    private static int Compare((string Sort, string Key) a, (string Sort, string Key) b) =>
        string.CompareOrdinal(a.Sort, b.Sort) is var order and not 0 ? order : string.CompareOrdinal(a.Key, b.Key);
}
