using System.Text.Json;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Serialization;
using Orleans.Storage;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

public sealed class DurableStoreTests : IAsyncLifetime
{
    private readonly StoreFolder folder = new();

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => folder.DisposeAsync();

    [Fact]
    public async Task Rows_of_one_write_are_stored_together_or_not_at_all()
    {
        var id = StoreFolder.Id("pod", "paris");
        var etags = await folder.Rows.WriteAsync([Put("hot", null), Put("copy/1", null)], StoreFolder.Token);

        await Assert.ThrowsAsync<InconsistentStateException>(
            () => folder.Rows.WriteAsync([Put("copy/1", etags[1], count: 9), Put("copy/2", null), Put("hot", "999")], StoreFolder.Token));

        var rows = await folder.Rows.ListAsync(id.ToString(), "", null, 10, StoreFolder.Token);
        Assert.Equal(["copy/1", "hot"], rows.Select(row => row.Name));
        Assert.Equal((etags[1], 0), (rows[0].ETag, rows[0].Load<Box>().Count));
        Assert.Null(await folder.Store.Catalog.FindAsync(CatalogKind.Image, "copy/2", StoreFolder.Token));

        RowWrite Put(string name, string? etag, int count = 0) => RowWrite.Put(id, name, etag, new Box { Key = name, Count = count });
    }

    [Fact]
    public async Task Records_of_one_owner_are_listed_by_prefix_page_by_page()
    {
        var id = StoreFolder.Id("pod", "paris");
        await folder.Rows.WriteAsync([.. "copy/a copy/b copy/c hot coqy".Split(' ').Select(name => RowWrite.Put(id, name, null, new Box()))], StoreFolder.Token);
        await folder.Rows.WriteAsync([RowWrite.Put(StoreFolder.Id("pod", "rome"), "copy/d", null, new Box())], StoreFolder.Token);

        var first = await folder.Rows.ListAsync(id.ToString(), "copy/", null, 2, StoreFolder.Token);
        var second = await folder.Rows.ListAsync(id.ToString(), "copy/", first[^1].Name, 2, StoreFolder.Token);

        Assert.Equal(["copy/a", "copy/b"], first.Select(row => row.Name));
        Assert.Equal(["copy/c"], second.Select(row => row.Name));
    }

    [Fact]
    public async Task A_row_written_with_any_etag_is_taken_whatever_is_stored()
    {
        var id = StoreFolder.Id("pod", "paris");
        await folder.Rows.WriteAsync([RowWrite.Put(id, "copy", null, new Box { Count = 1 })], StoreFolder.Token);

        await folder.Rows.WriteAsync([RowWrite.Put(id, "copy", RowWrite.AnyETag, new Box { Count = 2 })], StoreFolder.Token);

        Assert.Equal(2, (await folder.Rows.ReadAsync(id.ToString(), "copy", StoreFolder.Token))!.Load<Box>().Count);
    }

    [Fact]
    public async Task Writes_that_wait_for_one_commit_go_into_the_next_together()
    {
        const int writes = 400;
        var before = folder.Store.Counters.Commits;
        Task[] waiting;
        using (var blocker = Raw())
        {
            // While another connection holds the write lock, everything else queues up behind the first write.
            Execute(blocker, "BEGIN IMMEDIATE");
            waiting = [.. Enumerable.Range(0, writes).Select(n => folder.Rows.WriteAsync([RowWrite.Put(StoreFolder.Id("box", $"{n}"), "s", null, new Box())], StoreFolder.Token))];
            Execute(blocker, "COMMIT");
        }

        await Task.WhenAll(waiting);

        Assert.Equal(writes, folder.Store.Counters.Rows);
        Assert.InRange(folder.Store.Counters.Commits - before, 1, writes / 4);
    }

    [Fact]
    public async Task A_write_cancelled_in_the_queue_leaves_nothing()
    {
        using var cancel = new CancellationTokenSource();
        Task first, second;
        using (var blocker = Raw())
        {
            Execute(blocker, "BEGIN IMMEDIATE");
            first = folder.Rows.WriteAsync([RowWrite.Put(StoreFolder.Id("box", "first"), "s", null, new Box())], StoreFolder.Token);
            await WaitUntilTakenAsync(folder);
            second = folder.Rows.WriteAsync([RowWrite.Put(StoreFolder.Id("box", "second"), "s", null, new Box())], cancel.Token);
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
            Execute(blocker, "COMMIT");
        }

        await first;
        await folder.ReopenAsync();
        Assert.Null(await folder.Rows.ReadAsync("box/second", "s", StoreFolder.Token));
        Assert.NotNull(await folder.Rows.ReadAsync("box/first", "s", StoreFolder.Token));
    }

    [Fact]
    public async Task A_lock_held_for_too_long_is_a_typed_error_and_the_store_goes_on_after_it()
    {
        await using var impatient = new StoreFolder(new DurableOptions { BusyTimeout = TimeSpan.FromSeconds(1), BusyRetries = 0 });
        using (var blocker = Raw(impatient))
        {
            Execute(blocker, "BEGIN IMMEDIATE");

            var error = await Assert.ThrowsAsync<StoreUnavailableException>(() => WriteAsync(impatient, "a"));

            Assert.Equal("store.busy", error.Code);
            Execute(blocker, "COMMIT");
        }

        await WriteAsync(impatient, "a");
        Assert.Equal(1, impatient.Store.Counters.Failures);
    }

    [Fact]
    public async Task A_write_not_reached_in_time_leaves_nothing_and_one_whose_commit_hangs_says_that_its_outcome_is_unknown()
    {
        // A batch of one row: what is queued while the first is being taken must not join it.
        await using var impatient = new StoreFolder(new DurableOptions { WriteTimeout = TimeSpan.FromMilliseconds(300), BusyTimeout = TimeSpan.FromSeconds(60), BatchRows = 1 });
        using (var blocker = Raw(impatient))
        {
            Execute(blocker, "BEGIN IMMEDIATE");
            var taken = WriteAsync(impatient, "taken");
            await WaitUntilTakenAsync(impatient);
            var queued = WriteAsync(impatient, "queued");

            Assert.Equal("store.busy", (await Assert.ThrowsAsync<StoreUnavailableException>(() => queued)).Code);
            Assert.Equal("store.slow", (await Assert.ThrowsAsync<StoreUnavailableException>(() => taken)).Code);
            Execute(blocker, "COMMIT");
        }

        await impatient.ReopenAsync();
        Assert.NotNull(await impatient.Rows.ReadAsync("box/taken", "s", StoreFolder.Token));
        Assert.Null(await impatient.Rows.ReadAsync("box/queued", "s", StoreFolder.Token));
    }

    [Theory]
    [InlineData(5, "store.busy")]
    [InlineData(8, "store.read-only")]
    [InlineData(10, "store.io")]
    [InlineData(11, "store.corrupt")]
    [InlineData(13, "store.full")]
    [InlineData(14, "store.io")]
    [InlineData(26, "store.corrupt")]
    [InlineData(1, "store.unexpected")]
    public void Every_result_code_of_the_database_has_a_code_and_a_sentence_that_names_the_file(int result, string code)
    {
        var error = new DatabaseFile("/data/store.db", new DurableOptions()).Explain(new SqliteException("evidence", result));

        Assert.Equal(code, error.Code);
        Assert.Contains("/data/store.db", error.Message, StringComparison.Ordinal);
        Assert.Contains("evidence", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Requests_over_a_limit_are_refused_with_the_limit_named()
    {
        await using var small = new StoreFolder(new DurableOptions { PayloadLimit = 1_024, RowsPerWrite = 2 });
        var id = StoreFolder.Id("box", "a");

        var tooLong = await Assert.ThrowsAsync<ArgumentException>(
            () => small.Rows.WriteAsync([new RowWrite("k", "n", null, new byte[1_025], [])], StoreFolder.Token));
        Assert.Contains("1024", tooLong.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => small.Rows.WriteAsync([], StoreFolder.Token));
        await Assert.ThrowsAsync<ArgumentException>(
            () => small.Rows.WriteAsync([.. "a b c".Split(' ').Select(n => RowWrite.Put(id, n, null, new Box()))], StoreFolder.Token));
        await Assert.ThrowsAsync<ArgumentException>(
            () => small.Rows.WriteAsync([RowWrite.Put(id, "n", null, new Box()), RowWrite.Put(id, "n", null, new Box())], StoreFolder.Token));
    }

    [Fact]
    public async Task A_write_that_the_database_refuses_fails_alone()
    {
        var bad = new CatalogRow(CatalogKind.Image, "bad", null!, "s", DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, "{}") { Sort = "bad" };
        Task good, wrong;
        using (var blocker = Raw())
        {
            Execute(blocker, "BEGIN IMMEDIATE");
            good = WriteAsync(folder, "good");
            wrong = folder.Rows.WriteAsync([new RowWrite("k", "bad", null, "{}"u8.ToArray(), [new Projection.Upsert(bad)])], StoreFolder.Token);
            Execute(blocker, "COMMIT");
        }

        await good;
        await Assert.ThrowsAsync<SqliteException>(() => wrong);
        Assert.Null(await folder.Rows.ReadAsync("k", "bad", StoreFolder.Token));
    }

    [Fact]
    public async Task A_closed_store_says_so()
    {
        await folder.Store.DisposeAsync();

        Assert.Equal("store.closed", (await Assert.ThrowsAsync<StoreUnavailableException>(() => WriteAsync(folder, "a"))).Code);
        Assert.Equal("store.closed", (await Assert.ThrowsAsync<StoreUnavailableException>(() => folder.Rows.ReadAsync("a", "s", StoreFolder.Token))).Code);
    }

    [Fact]
    public void Errors_keep_their_code_when_they_travel_between_silos()
    {
        using var services = new ServiceCollection().AddSerializer().BuildServiceProvider();
        var serializer = services.GetRequiredService<Serializer>();
        var sent = new StoreUnavailableException(StoreUnavailableException.Full, "no room", new IOException("inner"));

        var received = Assert.IsType<StoreUnavailableException>(serializer.Deserialize<Exception>(serializer.SerializeToArray<Exception>(sent)));

        Assert.Equal((sent.Code, sent.Message), (received.Code, received.Message));
    }

    [Fact]
    public void State_json_refuses_words_that_it_does_not_know()
    {
        Assert.Equal("\"Copy\"", JsonSerializer.Serialize(CatalogKind.Copy, StateJson.Options));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<CatalogKind>("7", StateJson.Options));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<CatalogKind>("\"Cloud\"", StateJson.Options));
    }

    internal static Task WriteAsync(StoreFolder folder, string key) =>
        folder.Rows.WriteAsync([RowWrite.Put(StoreFolder.Id("box", key), "s", null, new Box { Key = key })], StoreFolder.Token);

    internal static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private SqliteConnection Raw(StoreFolder? of = null)
    {
        var connection = new SqliteConnection($"Data Source={Path.Combine((of ?? folder).Path, "store.db")};Pooling=False");
        connection.Open();
        return connection;
    }

    /// <summary>The writer has emptied the queue when a read of its gauge shows zero; the blocked commit keeps it from taking more.</summary>
    private static async Task WaitUntilTakenAsync(StoreFolder of)
    {
        while (of.Store.Counters.QueueLength() > 0)
        {
            StoreFolder.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
