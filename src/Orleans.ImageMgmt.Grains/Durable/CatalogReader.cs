using System.Text;
using Microsoft.Data.Sqlite;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Reads the lists that the projections of stored state make. Every method throws <see cref="StoreUnavailableException"/> when the store cannot answer.</summary>
public sealed class CatalogReader
{
    private const string Columns = "kind, key, sort, name, status, family, image, version, pod, created, changed, unfinished, body";

    private readonly ReaderPool readers;

    internal CatalogReader(ReaderPool readers) => this.readers = readers;

    /// <summary>One page of a list.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The limit is not from 1 to <see cref="Limits.PageRows"/>.</exception>
    public Task<CatalogPage> ListAsync(CatalogQuery query, CancellationToken cancellationToken)
    {
        CheckLimit(query.Limit);
        return readers.ReadAsync(connection => Page(connection, query), cancellationToken);
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
        return readers.ReadAsync<IReadOnlyList<CatalogRow>>(
            connection =>
            {
                using var command = connection.CreateCommand();
                command.CommandText = $"SELECT {Columns} FROM catalog WHERE kind = $kind AND unfinished = 1 AND key > $after ORDER BY key LIMIT $limit";
                command.Parameters.AddWithValue("$kind", (int)CatalogKind.Operation);
                command.Parameters.AddWithValue("$after", afterKey ?? "");
                command.Parameters.AddWithValue("$limit", limit);
                return Read(command, RowReading.Catalog);
            },
            cancellationToken);
    }

    /// <summary>One row, or null.</summary>
    public Task<CatalogRow?> FindAsync(CatalogKind kind, string key, CancellationToken cancellationToken) => readers.ReadAsync(
        connection =>
        {
            using var command = connection.CreateCommand();
            command.CommandText = $"SELECT {Columns} FROM catalog WHERE kind = $kind AND key = $key";
            command.Parameters.AddWithValue("$kind", (int)kind);
            command.Parameters.AddWithValue("$key", key);
            return Read(command, RowReading.Catalog).SingleOrDefault();
        },
        cancellationToken);

    /// <summary>How many rows of a list have which status.</summary>
    public Task<IReadOnlyDictionary<string, long>> CountByStatusAsync(CatalogKind kind, CancellationToken cancellationToken) =>
        readers.ReadAsync<IReadOnlyDictionary<string, long>>(
            connection =>
            {
                using var command = connection.CreateCommand();
                command.CommandText = "SELECT status, count(*) FROM catalog WHERE kind = $kind GROUP BY status";
                command.Parameters.AddWithValue("$kind", (int)kind);
                return Read(command, reader => (Status: reader.GetString(0), Count: reader.GetInt64(1))).ToDictionary(row => row.Status, row => row.Count);
            },
            cancellationToken);

    /// <summary>The activity log, newest first.</summary>
    public Task<IReadOnlyList<ActivityRow>> ListActivityAsync(ActivityQuery query, CancellationToken cancellationToken)
    {
        CheckLimit(query.Limit);
        return readers.ReadAsync<IReadOnlyList<ActivityRow>>(
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
    }

    private static CatalogPage Page(SqliteConnection connection, CatalogQuery query)
    {
        using var command = connection.CreateCommand();
        var where = new StringBuilder("kind = $kind");
        command.Parameters.AddWithValue("$kind", (int)query.Kind);
        Filter(command, where, "status", query.Status);
        Filter(command, where, "family", query.Family);
        Filter(command, where, "image", query.Image);
        Filter(command, where, "version", query.Version);
        Filter(command, where, "pod", query.Pod);
        if (query.NamePrefix is { Length: > 0 } prefix)
        {
            where.Append(" AND substr(name, 1, length($prefix)) = $prefix");
            command.Parameters.AddWithValue("$prefix", prefix);
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
        var rows = Read(command, RowReading.Catalog);
        if (rows.Count <= query.Limit)
        {
            return new CatalogPage(rows, null);
        }

        rows.RemoveAt(query.Limit);
        return new CatalogPage(rows, new CatalogCursor(rows[^1].Sort, rows[^1].Key));
    }

    /// <summary>What is no column: read out of the row's JSON.</summary>
    private static void FilterBody(SqliteCommand command, StringBuilder where, CatalogQuery query)
    {
        if (query.OperationKind is { } kind)
        {
            where.Append(" AND json_extract(body, '$.kind') = $operationKind");
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

    private static void Filter(SqliteCommand command, StringBuilder where, string column, string? value)
    {
        if (value is not null)
        {
            where.Append($" AND {column} = ${column}");
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

    private static void CheckLimit(int limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, Limits.PageRows);
    }
}
