using System.Globalization;
using System.Text;
using Npgsql;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>The lists on PostgreSQL.</summary>
internal sealed class PostgresCatalog(NpgsqlDataSource source, string place, DurableOptions options, TimeProvider time, StoreCounters counters) : CatalogReader
{
    public override Task<CatalogRow?> FindAsync(CatalogKind kind, string key, CancellationToken cancellationToken) => ReadAsync(
        async (query, stop) => (await query.With("kind = ", (int)kind).With("key = ", key).RowsAsync($"SELECT {Columns} FROM catalog WHERE", "", RowReading.Catalog, stop)).SingleOrDefault(),
        cancellationToken);

    public override Task<IReadOnlyDictionary<string, long>> CountByStatusAsync(CatalogKind kind, CancellationToken cancellationToken) => ReadAsync<IReadOnlyDictionary<string, long>>(
        async (query, stop) => (await query.With("kind = ", (int)kind)
            .RowsAsync("SELECT status, count(*) FROM catalog WHERE", "GROUP BY status", row => (Status: row.GetString(0), Count: row.GetInt64(1)), stop))
            .ToDictionary(row => row.Status, row => row.Count),
        cancellationToken);

    private protected override Task<IReadOnlyList<CatalogRow>> ReadUnfinishedAsync(string afterKey, int limit, CancellationToken cancellationToken) =>
        ReadAsync<IReadOnlyList<CatalogRow>>(
            async (query, stop) => await query.With("kind = ", (int)CatalogKind.Operation).With("unfinished AND key > ", afterKey)
                .RowsAsync($"SELECT {Columns} FROM catalog WHERE", $"ORDER BY key LIMIT {Number(limit)}", RowReading.Catalog, stop),
            cancellationToken);

    private protected override Task<IReadOnlyList<ActivityRow>> ReadActivityAsync(ActivityQuery query, CancellationToken cancellationToken) => ReadAsync<IReadOnlyList<ActivityRow>>(
        async (where, stop) => await where.With("number < ", query.Before ?? long.MaxValue).Maybe("image = ", query.Image).Maybe("pod = ", query.Pod).Maybe("operation = ", query.Operation)
            .RowsAsync("SELECT number, at, actor, action, image, version, pod, operation, body FROM activity WHERE", $"ORDER BY number DESC LIMIT {Number(query.Limit)}", RowReading.Activity, stop),
        cancellationToken);

    private protected override Task<CatalogPage> ReadPageAsync(CatalogQuery query, CancellationToken cancellationToken) => ReadAsync(
        async (where, stop) =>
        {
            where.With("kind = ", (int)query.Kind).Maybe("status = ", query.Status).Maybe("family = ", query.Family).Maybe("image = ", query.Image)
                .Maybe("version = ", query.Version).Maybe("pod = ", query.Pod).Maybe(query.Kind == CatalogKind.Operation ? "kind = 5 AND body::jsonb ->> 'kind' = " : "body::jsonb ->> 'kind' = ", query.OperationKind); // as the index says it
            if (query.NamePrefix is { Length: > 0 } prefix)
            {
                where.With("starts_with(name, ", prefix, ")");
                if (query.IsByName)
                {
                    where.With("sort >= ", prefix).With("sort < ", query.BeyondPrefix);
                }
            }

            foreach (var (key, value) in query.Labels)
            {
                where.With("body::jsonb -> 'labels' ->> ", key, " = ", value);
            }

            var (beyond, order) = query.Descending ? ("<", "DESC") : (">", "ASC");
            if (query.After is { } after)
            {
                where.With($"(sort, key) {beyond} (", after.Sort, ", ", after.Key, ")");
            }

            return PageOf(
                await where.RowsAsync($"SELECT {Columns} FROM catalog WHERE", $"ORDER BY sort {order}, key {order} LIMIT {Number(query.Limit + 1)}", RowReading.Catalog, stop), query.Limit);
        },
        cancellationToken);

    private static string Number(int limit) => limit.ToString(CultureInfo.InvariantCulture);

    private Task<T> ReadAsync<T>(Func<Conditions, CancellationToken, Task<T>> read, CancellationToken cancellationToken) =>
        PostgresReading.RunAsync(source, place, options, time, counters, (connection, stop) => read(new Conditions(connection), stop), cancellationToken);

    /// <summary>Conditions that must all hold; texts are constants of this class, values are parameters.</summary>
    private sealed class Conditions(NpgsqlConnection connection)
    {
        private readonly StringBuilder text = new();
        private readonly List<NpgsqlParameter> values = [];

        public Conditions With(string before, object value, string after = "") => Begin().Put(before, value, after);

        public Conditions With(string before, object first, string between, object second, string after = "") => Begin().Put(before, first, between).Put("", second, after);

        public Conditions Maybe(string before, string? value) => value is null ? this : With(before, value);

        public async Task<List<T>> RowsAsync<T>(string select, string order, Func<System.Data.Common.DbDataReader, T> row, CancellationToken cancellationToken)
        {
#pragma warning disable CA2100 // Only constants of this class and numbers are put together; every value is a parameter.
            await using var command = new NpgsqlCommand($"{select} {text} {order}", connection);
#pragma warning restore CA2100
            values.ForEach(value => command.Parameters.Add(value));
            return await PostgresReading.RowsAsync(command, row, cancellationToken);
        }

        private Conditions Begin()
        {
            text.Append(text.Length > 0 ? " AND " : "");
            return this;
        }

        private Conditions Put(string before, object value, string after)
        {
            values.Add(new NpgsqlParameter { Value = value });
            text.Append(before).Append('$').Append(CultureInfo.InvariantCulture, $"{values.Count}").Append(after);
            return this;
        }
    }
}
