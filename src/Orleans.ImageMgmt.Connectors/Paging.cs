using System.Text;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Pages over lists that are in order; the cursor is the key of the last row given (rule 19).</summary>
internal static class Paging
{
    public static int Rows(int limit) => Math.Clamp(limit, 1, Limits.PageRows);

    /// <param name="rows">One more than a page where there is more.</param>
    /// <param name="limit">As the caller asked.</param>
    /// <param name="key">The cursor that a row leaves behind.</param>
    public static (IReadOnlyList<T> Page, string? Next) Cut<T>(List<T> rows, int limit, Func<T, string> key)
    {
        var most = Rows(limit);
        return rows.Count > most ? (rows[..most], key(rows[most - 1])) : (rows, null);
    }

    public static InventoryPage Inventory(IEnumerable<InventoryEntry> all, string? cursor, int limit)
    {
        var rows = all.Select(entry => (Key: KeyOf(entry), Entry: entry))
            .Where(row => string.CompareOrdinal(row.Key, cursor) > 0)
            .OrderBy(row => row.Key, StringComparer.Ordinal)
            .Take(Rows(limit) + 1).ToList();
        var (page, next) = Cut(rows, limit, row => row.Key);
        return new InventoryPage([.. page.Select(row => row.Entry)], next);
    }

    private static string KeyOf(InventoryEntry entry) =>
        new StringBuilder(entry.Datastore).Append(' ').Append(entry.Version.Value).Append(entry.Final ? " final" : " staged").ToString();
}
