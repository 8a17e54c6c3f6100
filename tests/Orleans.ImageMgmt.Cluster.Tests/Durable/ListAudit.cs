using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

/// <summary>Compares what every list shows with what the stored state says.</summary>
internal static class ListAudit
{
    /// <summary>Reads all lists, makes them again from the state alone, and reads them once more. What has ended and is kept for history only (an operation whose
    /// record has meanwhile taken up a newer one) may be missing afterwards; nothing else may differ.</summary>
    /// <returns>How many rows were compared.</returns>
    public static async Task<int> EqualAsync(SiloStore store)
    {
        var shown = await ReadAsync(store.Catalog);
        await store.RebuildAsync(new StateProjections().Of, CancellationToken.None);
        var made = await ReadAsync(store.Catalog);
        Assert.All(made, row => Assert.Equal(row.Value, shown.GetValueOrDefault(row.Key)));
        Assert.All(shown.Where(row => !made.ContainsKey(row.Key)), row => Assert.True(row.Value is { Kind: CatalogKind.Operation, Unfinished: false }, $"{row.Value} is shown and stored nowhere."));
        return made.Count;
    }

    private static async Task<Dictionary<(CatalogKind, string), CatalogRow>> ReadAsync(CatalogReader catalog)
    {
        var rows = new Dictionary<(CatalogKind, string), CatalogRow>();
        foreach (var kind in Enum.GetValues<CatalogKind>())
        {
            await foreach (var row in catalog.AllAsync(kind, CancellationToken.None))
            {
                rows.Add((kind, row.Key), row);
            }
        }

        return rows;
    }
}
