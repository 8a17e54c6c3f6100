using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Reads the lists that the projections of stored state make. Every method throws <see cref="StoreUnavailableException"/> when the store cannot answer.</summary>
public abstract class CatalogReader
{
    private protected const string Columns = "kind, key, sort, name, status, family, image, version, pod, created, changed, unfinished, body";

    private protected CatalogReader()
    {
    }

    /// <summary>One page of a list.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The limit is not from 1 to <see cref="Limits.PageRows"/>.</exception>
    public Task<CatalogPage> ListAsync(CatalogQuery query, CancellationToken cancellationToken)
    {
        CheckLimit(query.Limit);
        return ReadPageAsync(query, cancellationToken);
    }

    public Task<CatalogPage> ListImagesAsync(CatalogCursor? after, int limit, CancellationToken cancellationToken) =>
        ListAsync(new CatalogQuery(CatalogKind.Image) { After = after, Limit = limit }, cancellationToken);

    public Task<CatalogPage> ListVersionsAsync(string image, CatalogCursor? after, int limit, CancellationToken cancellationToken) =>
        ListAsync(new CatalogQuery(CatalogKind.Version) { Image = image, After = after, Limit = limit }, cancellationToken);

    public Task<CatalogPage> ListPodsAsync(CatalogCursor? after, int limit, CancellationToken cancellationToken) =>
        ListAsync(new CatalogQuery(CatalogKind.Pod) { After = after, Limit = limit }, cancellationToken);

    public Task<CatalogPage> ListCopiesOfVersionAsync(VersionId version, CatalogCursor? after, int limit, CancellationToken cancellationToken) =>
        ListAsync(
            new CatalogQuery(CatalogKind.Copy) { Image = version.Image.Value, Version = version.Version.Value, After = after, Limit = limit }, cancellationToken);

    public Task<CatalogPage> ListCopiesOnPodAsync(string pod, CatalogCursor? after, int limit, CancellationToken cancellationToken) =>
        ListAsync(new CatalogQuery(CatalogKind.Copy) { Pod = pod, After = after, Limit = limit }, cancellationToken);

    /// <summary>Operations from the end of their order: newest first when they sort by <see cref="CatalogRow.Chronological"/>.</summary>
    public Task<CatalogPage> ListOperationsAsync(CatalogCursor? after, int limit, CancellationToken cancellationToken) =>
        ListAsync(new CatalogQuery(CatalogKind.Operation) { Descending = true, After = after, Limit = limit }, cancellationToken);

    /// <summary>Operations marked <see cref="CatalogRow.Unfinished"/>, by key, after <paramref name="afterKey"/>: what the resume scan picks up.</summary>
    public Task<IReadOnlyList<CatalogRow>> ListUnfinishedOperationsAsync(string? afterKey, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return ReadUnfinishedAsync(afterKey ?? "", limit, cancellationToken);
    }

    /// <summary>One row, or null.</summary>
    public abstract Task<CatalogRow?> FindAsync(CatalogKind kind, string key, CancellationToken cancellationToken);

    /// <summary>How many rows of a list have which status.</summary>
    public abstract Task<IReadOnlyDictionary<string, long>> CountByStatusAsync(CatalogKind kind, CancellationToken cancellationToken);

    /// <summary>The activity log, newest first.</summary>
    public Task<IReadOnlyList<ActivityRow>> ListActivityAsync(ActivityQuery query, CancellationToken cancellationToken)
    {
        CheckLimit(query.Limit);
        return ReadActivityAsync(query, cancellationToken);
    }

    private protected abstract Task<CatalogPage> ReadPageAsync(CatalogQuery query, CancellationToken cancellationToken);

    private protected abstract Task<IReadOnlyList<CatalogRow>> ReadUnfinishedAsync(string afterKey, int limit, CancellationToken cancellationToken);

    private protected abstract Task<IReadOnlyList<ActivityRow>> ReadActivityAsync(ActivityQuery query, CancellationToken cancellationToken);

    /// <summary>A query reads one row more than asked for: that tells whether there is a next page.</summary>
    private protected static CatalogPage PageOf(List<CatalogRow> rows, int limit)
    {
        if (rows.Count <= limit)
        {
            return new CatalogPage(rows, null);
        }

        rows.RemoveAt(limit);
        return new CatalogPage(rows, new CatalogCursor(rows[^1].Sort, rows[^1].Key));
    }

    private static void CheckLimit(int limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, Limits.PageRows);
    }
}
