using System.Text;
using Microsoft.Data.Sqlite;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>The lists on SQLite.</summary>
internal sealed class EmbeddedCatalog(ReaderPool readers) : CatalogReader
{
    private protected override Task<CatalogPage> ReadPageAsync(CatalogQuery query, CancellationToken cancellationToken) =>
        readers.ReadAsync(connection => Page(connection, query), cancellationToken);

    private protected override Task<IReadOnlyList<CatalogRow>> ReadUnfinishedAsync(string afterKey, int limit, CancellationToken cancellationToken) =>
        readers.ReadAsync<IReadOnlyList<CatalogRow>>(
            connection =>
            {
                using var command = connection.CreateCommand();
                command.CommandText = $"SELECT {Columns} FROM catalog WHERE kind = $kind AND unfinished = 1 AND key > $after ORDER BY key LIMIT $limit";
                command.Parameters.AddWithValue("$kind", (int)CatalogKind.Operation);
                command.Parameters.AddWithValue("$after", afterKey);
                command.Parameters.AddWithValue("$limit", limit);
                return Read(command, RowReading.Catalog);
            },
            cancellationToken);

    public override Task<CatalogRow?> FindAsync(CatalogKind kind, string key, CancellationToken cancellationToken) => readers.ReadAsync(
        connection =>
        {
            using var command = connection.CreateCommand();
            command.CommandText = $"SELECT {Columns} FROM catalog WHERE kind = $kind AND key = $key";
            command.Parameters.AddWithValue("$kind", (int)kind);
            command.Parameters.AddWithValue("$key", key);
            return Read(command, RowReading.Catalog).SingleOrDefault();
        },
        cancellationToken);

    public override Task<IReadOnlyDictionary<string, long>> CountByStatusAsync(CatalogKind kind, CancellationToken cancellationToken) =>
        readers.ReadAsync<IReadOnlyDictionary<string, long>>(
            connection =>
            {
                using var command = connection.CreateCommand();
                command.CommandText = "SELECT status, count(*) FROM catalog WHERE kind = $kind GROUP BY status";
                command.Parameters.AddWithValue("$kind", (int)kind);
                return Read(command, reader => (Status: reader.GetString(0), Count: reader.GetInt64(1))).ToDictionary(row => row.Status, row => row.Count);
            },
            cancellationToken);

    private protected override Task<IReadOnlyList<ActivityRow>> ReadActivityAsync(ActivityQuery query, CancellationToken cancellationToken) =>
        readers.ReadAsync<IReadOnlyList<ActivityRow>>(
            connection =>
            {
                using var command = connection.CreateCommand();
                var where = new StringBuilder("number < $before");
                command.Parameters.AddWithValue("$before", query.Before ?? long.MaxValue);
                command.Parameters.AddWithValue("$limit", query.Limit);
                Filter(command, where, "image", query.Image);
                Filter(command, where, "pod", query.Pod);
                Filter(command, where, "operation", query.Operation);
#pragma warning disable CA2100 // Only constant column names are put together; every value is a parameter.
                command.CommandText =
                    $"SELECT number, at, actor, action, image, version, pod, operation, body FROM activity WHERE {where} ORDER BY number DESC LIMIT $limit";
#pragma warning restore CA2100
                return Read(command, RowReading.Activity);
            },
            cancellationToken);

    private static CatalogPage Page(SqliteConnection connection, CatalogQuery query)
    {
        using var command = connection.CreateCommand();
        var where = new StringBuilder("kind = $kind");
        command.Parameters.AddWithValue("$kind", (int)query.Kind);

        // SQLite keeps no figures: where a pod or an image is named, its index is better than that of a status, which the plus sign puts out of use.
        Filter(command, where, "status", query.Status, query.Pod is null && query.Image is null ? "" : "+");
        Filter(command, where, "family", query.Family);
        Filter(command, where, "image", query.Image);
        Filter(command, where, "version", query.Version);
        Filter(command, where, "pod", query.Pod);
        if (query.NamePrefix is { Length: > 0 } prefix)
        {
            where.Append(" AND substr(name, 1, length($prefix)) = $prefix");
            command.Parameters.AddWithValue("$prefix", prefix);
            if (query.IsByName)
            {
                where.Append(" AND sort >= $prefix AND sort < $beyond");
                command.Parameters.AddWithValue("$beyond", query.BeyondPrefix);
            }
        }

        FilterBody(command, where, query);
        var (beyond, order) = query.Descending ? ("<", "DESC") : (">", "ASC");
        if (query.After is { } after)
        {
            where.Append($" AND (sort, key) {beyond} ($sort, $key)");
            command.Parameters.AddWithValue("$sort", after.Sort);
            command.Parameters.AddWithValue("$key", after.Key);
        }

        // One row more than asked for tells whether there is a next page.
        command.Parameters.AddWithValue("$limit", query.Limit + 1);
#pragma warning disable CA2100 // Only constant column names and orders are put together; every value is a parameter.
        command.CommandText = $"SELECT {Columns} FROM catalog WHERE {where} ORDER BY sort {order}, key {order} LIMIT $limit";
#pragma warning restore CA2100
        return PageOf(Read(command, RowReading.Catalog), query.Limit);
    }

    /// <summary>What is no column: read out of the row's JSON.</summary>
    private static void FilterBody(SqliteCommand command, StringBuilder where, CatalogQuery query)
    {
        if (query.OperationKind is { } kind)
        {
            where.Append(query.Kind == CatalogKind.Operation ? " AND kind = 5" : "").Append(" AND json_extract(body, '$.kind') = $operationKind"); // as the index says it
            command.Parameters.AddWithValue("$operationKind", kind);
        }

        var number = 0;
        foreach (var (key, value) in query.Labels)
        {
            where.Append(System.Globalization.CultureInfo.InvariantCulture,
                $" AND EXISTS (SELECT 1 FROM json_each(body, '$.labels') WHERE json_each.key = $labelKey{number} AND json_each.value = $labelValue{number})");
            command.Parameters.AddWithValue($"$labelKey{number}", key);
            command.Parameters.AddWithValue($"$labelValue{number++}", value);
        }
    }

    private static void Filter(SqliteCommand command, StringBuilder where, string column, string? value, string before = "")
    {
        if (value is not null)
        {
            where.Append($" AND {before}{column} = ${column}");
            command.Parameters.AddWithValue($"${column}", value);
        }
    }

    private static List<T> Read<T>(SqliteCommand command, Func<SqliteDataReader, T> row)
    {
        using var reader = command.ExecuteReader();
        List<T> rows = [];
        while (reader.Read())
        {
            rows.Add(row(reader));
        }

        return rows;
    }
}
