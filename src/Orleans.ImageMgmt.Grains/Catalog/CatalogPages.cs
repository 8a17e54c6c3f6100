using System.Runtime.CompilerServices;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Reads whole lists, page by page.</summary>
internal static class CatalogPages
{
    internal static async IAsyncEnumerable<CatalogRow> AllAsync(this CatalogReader catalog, CatalogKind kind, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        CatalogCursor? after = null;
        do
        {
            var page = await catalog.ListAsync(new CatalogQuery(kind) { After = after, Limit = Limits.PageRows }, cancellationToken);
            foreach (var row in page.Rows)
            {
                yield return row;
            }

            after = page.Next;
        }
        while (after is not null);
    }

    /// <summary>Pods with an available copy of a version that a publish brought there.</summary>
    internal static async IAsyncEnumerable<PodName> AvailableCopiesAsync(this CatalogReader catalog, VersionId version, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        CatalogCursor? after = null;
        do
        {
            var page = await catalog.ListCopiesOfVersionAsync(version, after, Limits.PageRows, cancellationToken);
            foreach (var copy in page.Rows.Select(row => row.Read<CopyBody>()).Where(copy => copy is { State: CopyState.Available, Role: CopyRole.Target }))
            {
                yield return copy.Pod;
            }

            after = page.Next;
        }
        while (after is not null);
    }

    internal static async IAsyncEnumerable<CatalogRow> UnfinishedOperationsAsync(this CatalogReader catalog, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? after = null;
        while (true)
        {
            var rows = await catalog.ListUnfinishedOperationsAsync(after, Limits.PageRows, cancellationToken);
            foreach (var row in rows)
            {
                yield return row;
            }

            if (rows.Count < Limits.PageRows)
            {
                yield break;
            }

            after = rows[^1].Key;
        }
    }
}
