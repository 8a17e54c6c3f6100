using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Orleans.ImageMgmt.Cluster.Tests.Durable;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.ImageMgmt.Testing;
using Orleans.Storage;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Postgres;

/// <summary>What is special about a store that several silos share; the common rules are in <see cref="StoreRules"/>.</summary>
public sealed class PostgresStoreTests(PostgresServer server) : IClassFixture<PostgresServer>, IDisposable
{
    private readonly DirectoryInfo root = Directory.CreateTempSubdirectory("imagemgmt-silos-");

    public void Dispose() => root.Delete(recursive: true);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Of_two_silos_that_write_the_same_rows_at_once_exactly_one_wins_each()
    {
        const int keys = 40;
        var database = await server.CreateDatabaseAsync();
        await using var first = await OpenAsync(database);
        await using var second = await OpenAsync(database);
        await RaceAsync(null);
        var etags = (await Task.WhenAll(Enumerable.Range(0, keys).Select(n => first.Rows.ReadAsync($"box/{n}", "s", Token)))).Select(row => row!.ETag).ToList();
        Assert.Equal(keys, etags.Distinct().Count());
        await RaceAsync(etags);

        async Task RaceAsync(IReadOnlyList<string>? stored)
        {
            var tries = Enumerable.Range(0, keys * 8).Select(n => Silo(n).Rows.WriteAsync([Box($"{n % keys}", stored?[n % keys], n)], Token)).ToList();
            await Task.WhenAll(tries.Select(t => Task.WhenAny(t)));
            Assert.All(tries.Where(t => !t.IsCompletedSuccessfully), t => Assert.IsType<InconsistentStateException>(t.Exception!.InnerException));
            Assert.Equal(keys, tries.Count(t => t.IsCompletedSuccessfully));
        }

        PostgresStore Silo(int n) => n / keys % 2 == 0 ? first : second;
    }

    [Fact]
    public async Task Batches_that_meet_in_several_rows_never_block_each_other_for_good()
    {
        var database = await server.CreateDatabaseAsync();
        await using var first = await OpenAsync(database);
        await using var second = await OpenAsync(database);

        var writes = Enumerable.Range(0, 200).Select(n => (n % 2 == 0 ? first : second).Rows.WriteAsync(
            [.. Enumerable.Range(0, 10).Select(k => Box($"{(n % 3 == 0 ? 9 - k : k)}", RowWrite.AnyETag, n))], Token));
        await Task.WhenAll(writes);

        Assert.Equal(0, first.Counters.Failures + second.Counters.Failures);
    }

    [Fact]
    public async Task Many_silos_may_make_the_tables_at_once_and_a_newer_schema_is_refused_with_a_sentence()
    {
        var database = await server.CreateDatabaseAsync();
        var stores = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => OpenAsync(database)));
        await Task.WhenAll(stores.Select(store => store.DisposeAsync().AsTask()));
        await PostgresServer.ExecuteAsync(database, "INSERT INTO imgmt.schema_version VALUES (1000, 0)");

        var refused = await Assert.ThrowsAsync<StoreSchemaException>(() => OpenAsync(database));

        Assert.Contains("has schema 1000", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("imgmt.schema_version", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_killed_server_is_a_typed_error_and_nothing_acknowledged_is_lost()
    {
        await using var mortal = new PostgresServerScope();
        await mortal.Server.InitializeAsync();
        await using var store = await OpenAsync(await mortal.Server.CreateDatabaseAsync());
        var acknowledged = new List<string>();
        var killed = KillLaterAsync();
        for (var n = 0; acknowledged.Count < 200 || !killed.IsCompleted; n++)
        {
            try
            {
                await store.Rows.WriteAsync([Box($"{n}", null, n)], Token);
                acknowledged.Add($"box/{n}");
            }
            catch (StoreUnavailableException error)
            {
                Assert.Contains("PostgreSQL at 127.0.0.1", error.Message, StringComparison.Ordinal);
            }
        }

        await killed;
        Assert.True(store.Counters.Failures > 0, "the kill hit no write");
        foreach (var key in acknowledged)
        {
            Assert.NotNull(await store.Rows.ReadAsync(key, "s", Token));
        }

        async Task KillLaterAsync()
        {
            while (Volatile.Read(ref acknowledged).Count < 100)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Token);
            }

            await mortal.Server.KillAsync();
            await mortal.Server.StartAsync();
        }
    }

    [Theory]
    [InlineData("Host=127.0.0.1;Port=1;Username=imgmt;Password=very-secret;Database=x", "store.io")]
    [InlineData(null, "store.unsuitable")]
    public async Task A_server_that_cannot_be_used_is_one_sentence_without_the_password(string? database, string code)
    {
        database ??= (await server.CreateDatabaseAsync()).Replace("Database=db", "Database=nothing", StringComparison.Ordinal) + ";Password=very-secret";

        var error = await Assert.ThrowsAsync<StoreUnavailableException>(() => OpenAsync(database));

        Assert.Equal(code, error.Code);
        Assert.Contains("PostgreSQL at 127.0.0.1", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("very-secret", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_list_of_a_catalog_reads_along_an_index()
    {
        var database = await server.CreateDatabaseAsync();
        await using var store = await OpenAsync(database);
        await using var connection = new NpgsqlConnection(database + ";Search Path=imgmt");
        await connection.OpenAsync(Token);
        foreach (var where in (string[])
            ["kind = 1 ORDER BY sort, key", "kind = 4 AND image = 'a' AND version = 'b' ORDER BY sort, key", "kind = 4 AND pod = 'a' ORDER BY sort, key",
             "kind = 2 AND image = 'a' ORDER BY sort, key", "kind = 3 AND status = 'a' ORDER BY sort, key", "kind = 5 AND unfinished AND key > 'a' ORDER BY key",
             "kind = 5 AND body::jsonb ->> 'kind' = 'a' ORDER BY sort DESC, key DESC", "kind = 3 AND sort >= 'a' AND sort < 'b' ORDER BY sort, key"])
        {
#pragma warning disable CA2100 // Texts of this test.
            await using var command = new NpgsqlCommand($"SET enable_seqscan = off; SET enable_sort = off; EXPLAIN SELECT * FROM catalog WHERE {where} LIMIT 10", connection);
#pragma warning restore CA2100
            await using var reader = await command.ExecuteReaderAsync(Token);
            var plan = new List<string>();
            while (await reader.ReadAsync(Token))
            {
                plan.Add(reader.GetString(0));
            }

            Assert.Contains(plan, step => step.Contains("Index Scan", StringComparison.Ordinal));
            Assert.DoesNotContain(plan, step => step.Contains("Sort", StringComparison.Ordinal));
        }
    }

    private static RowWrite Box(string key, string? etag, int count) => RowWrite.Put(StoreFolder.Id("box", key), "s", etag, new Box { Key = key, Count = count });

    private Task<PostgresStore> OpenAsync(string database) =>
        PostgresStore.OpenAsync(Path.Combine(root.FullName, Guid.NewGuid().ToString("N")), database, 10, new DurableOptions(), NullLogger.Instance, TimeProvider.System, Token);

    /// <summary>A server that one test may kill.</summary>
    private sealed class PostgresServerScope : IAsyncDisposable
    {
        public PostgresServer Server { get; } = new();

        public ValueTask DisposeAsync() => Server.DisposeAsync();
    }
}
