using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.ImageMgmt.Testing;
using Orleans.Serialization;
using Orleans.Serialization.Serializers;
using Orleans.Storage;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

/// <summary>What every store keeps to, whatever database it stands on.</summary>
public abstract class StoreRules : IAsyncLifetime
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    private SiloStore store = null!;

    protected abstract ValueTask<SiloStore> OpenAsync(DurableOptions options);

    public async ValueTask InitializeAsync() => store = await OpenAsync(new DurableOptions { ActivityRows = 100, PayloadLimit = 64 << 10 });

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await store.DisposeAsync();
    }

    [Fact]
    public async Task Rows_of_one_write_and_what_lists_show_of_them_are_stored_together_or_not_at_all()
    {
        var id = StoreFolder.Id("pod", "paris");
        var etags = await store.Rows.WriteAsync([Put("hot", null), Put("copy/1", null)], Token);
        var refused = await Assert.ThrowsAsync<InconsistentStateException>(
            () => store.Rows.WriteAsync([Put("copy/1", etags[1], count: 9), Put("copy/2", null), Put("hot", "999")], Token));

        Assert.Equal((etags[0], "999"), (refused.StoredEtag, refused.CurrentEtag));
        var rows = await store.Rows.ListAsync(id.ToString(), "", null, 10, Token);
        Assert.Equal(["copy/1", "hot"], rows.Select(row => row.Name));
        Assert.Equal((etags[1], 0), (rows[0].ETag, rows[0].Load<Box>().Count));
        Assert.Null(await store.Catalog.FindAsync(CatalogKind.Image, "copy/2", Token));
        Assert.NotNull(await store.Catalog.FindAsync(CatalogKind.Image, "copy/1", Token));

        RowWrite Put(string name, string? etag, int count = 0) => RowWrite.Put(id, name, etag, new Box { Key = name, Count = count });
    }

    [Fact]
    public async Task A_row_made_again_never_sees_an_old_etag_and_a_deleted_one_leaves_the_lists()
    {
        var id = StoreFolder.Id("box", "a");
        var first = await store.Rows.WriteAsync([RowWrite.Put(id, "s", null, new Box { Key = "a" })], Token);
        var gone = await store.Rows.WriteAsync([RowWrite.Delete(id, "s", first[0], new Projection.Delete(CatalogKind.Image, "a"))], Token);
        Assert.Null(gone[0]);
        Assert.Null(await store.Rows.ReadAsync(id.ToString(), "s", Token));
        Assert.Null(await store.Catalog.FindAsync(CatalogKind.Image, "a", Token));

        var again = await store.Rows.WriteAsync([RowWrite.Put(id, "s", null, new Box { Key = "a", Count = 2 })], Token);

        Assert.NotEqual(first[0], again[0]);
        await Assert.ThrowsAsync<InconsistentStateException>(() => store.Rows.WriteAsync([RowWrite.Put(id, "s", first[0], new Box())], Token));
        await store.Rows.WriteAsync([RowWrite.Put(id, "s", RowWrite.AnyETag, new Box { Key = "a", Count = 3 })], Token);
        Assert.Equal(3, (await store.Rows.ReadAsync(id.ToString(), "s", Token))!.Load<Box>().Count);
    }

    [Fact]
    public async Task Of_many_first_writers_of_one_row_one_wins()
    {
        var tries = Enumerable.Range(0, 64).Select(n => store.Rows.WriteAsync([RowWrite.Put(StoreFolder.Id("box", $"{n % 8}"), "s", null, new Box { Count = n })], Token)).ToList();
        await Task.WhenAll(tries.Select(t => Task.WhenAny(t)));

        Assert.Equal(8, tries.Count(t => t.IsCompletedSuccessfully));
        Assert.All(tries.Where(t => !t.IsCompletedSuccessfully), t => Assert.IsType<InconsistentStateException>(t.Exception!.InnerException));
        Assert.Equal(56, store.Counters.Conflicts);
    }

    [Fact]
    public async Task Keys_and_names_are_compared_byte_for_byte()
    {
        string[] names = ["abc", "ABC", "10", "010", "cafe", "0cafe", "\u00e9", "e\u0301"];
        await store.Rows.WriteAsync([.. names.Select(name => new RowWrite("k", name, null, "{}"u8.ToArray(), []))], Token);

        Assert.Equal(names.Order(StringComparer.Ordinal), (await store.Rows.ListAsync("k", "", null, 100, Token)).Select(row => row.Name));
        Assert.Equal(["copy/1"], await NamesAsync("copy/", ["copy/1", "copy_2", "coqy"]));
        Assert.Equal(["50%/a"], await NamesAsync("50%", ["50%/a", "500"]));

        async Task<IEnumerable<string>> NamesAsync(string prefix, string[] made)
        {
            await store.Rows.WriteAsync([.. made.Select(name => new RowWrite("p", name, RowWrite.AnyETag, "{}"u8.ToArray(), []))], Token);
            return (await store.Rows.ListAsync("p", prefix, null, 100, Token)).Select(row => row.Name);
        }
    }

    [Fact]
    public async Task Records_of_one_owner_are_listed_page_by_page()
    {
        var id = StoreFolder.Id("pod", "paris");
        await store.Rows.WriteAsync([.. "copy/a copy/b copy/c hot".Split(' ').Select(name => RowWrite.Put(id, name, null, new Box()))], Token);
        await store.Rows.WriteAsync([RowWrite.Put(StoreFolder.Id("pod", "rome"), "copy/d", null, new Box())], Token);

        var first = await store.Rows.ListAsync(id.ToString(), "copy/", null, 2, Token);
        var second = await store.Rows.ListAsync(id.ToString(), "copy/", first[^1].Name, 2, Token);

        Assert.Equal(["copy/a", "copy/b", "copy/c"], first.Concat(second).Select(row => row.Name));
    }

    [Fact]
    public async Task Catalog_rows_come_back_as_they_were_projected_and_are_filtered_by_every_column()
    {
        var row = Row(CatalogKind.Copy, "win11/7@paris") with
        {
            Status = "Available", Image = "win11", Version = "7", Pod = "paris", Family = "filesystem", Sort = "0007", Unfinished = true, Body = """{"a":1,"kind":"x","labels":{"site":"eu"}}""",
        };
        await ProjectAsync(new Projection.Upsert(Row(CatalogKind.Copy, row.Key)), new Projection.Upsert(row), new Projection.Upsert(Row(CatalogKind.Copy, "other")));

        Assert.Equal(row, await store.Catalog.FindAsync(CatalogKind.Copy, row.Key, Token));
        CatalogQuery[] hits =
        [
            new(CatalogKind.Copy) { Status = "Available" }, new(CatalogKind.Copy) { Family = "filesystem" }, new(CatalogKind.Copy) { Image = "win11", Version = "7" },
            new(CatalogKind.Copy) { Pod = "paris" }, new(CatalogKind.Copy) { NamePrefix = "win11/" }, new(CatalogKind.Copy) { OperationKind = "x" },
            new(CatalogKind.Copy) { Labels = new Dictionary<string, string> { ["site"] = "eu" } },
        ];
        foreach (var query in hits)
        {
            Assert.Equal([row], (await store.Catalog.ListAsync(query, Token)).Rows);
            Assert.Empty((await store.Catalog.ListAsync(query with { Kind = CatalogKind.Pod }, Token)).Rows);
        }

        Assert.Empty((await store.Catalog.ListAsync(new CatalogQuery(CatalogKind.Copy) { Labels = new Dictionary<string, string> { ["site"] = "us" } }, Token)).Rows);
        Assert.Empty((await store.Catalog.ListAsync(new CatalogQuery(CatalogKind.Copy) { NamePrefix = "win1_" }, Token)).Rows);
        await ProjectAsync(new Projection.Upsert(Row(CatalogKind.Operation, "op") with { Body = """{"kind":"delete"}""" }));
        Assert.Single((await store.Catalog.ListAsync(new CatalogQuery(CatalogKind.Operation) { OperationKind = "delete", Descending = true }, Token)).Rows);
        Assert.Empty((await store.Catalog.ListAsync(new CatalogQuery(CatalogKind.Operation) { OperationKind = "import" }, Token)).Rows);
        Assert.Equal(1, (await store.Catalog.CountByStatusAsync(CatalogKind.Copy, Token))["Available"]);
    }

    [Fact]
    public async Task Pages_go_through_a_list_once_even_when_rows_come_and_go_in_between()
    {
        await ProjectAsync([.. Enumerable.Range(0, 25).Select(n => new Projection.Upsert(Row(CatalogKind.Image, $"img{n:D2}")))]);
        var first = await store.Catalog.ListImagesAsync(null, 10, Token);
        await ProjectAsync(new Projection.Delete(CatalogKind.Image, "img03"), new Projection.Upsert(Row(CatalogKind.Image, "img00x")));
        var second = await store.Catalog.ListImagesAsync(first.Next, 10, Token);
        var third = await store.Catalog.ListImagesAsync(second.Next, 10, Token);

        Assert.Equal(Enumerable.Range(0, 25).Select(n => $"img{n:D2}"), first.Rows.Concat(second.Rows).Concat(third.Rows).Select(row => row.Key));
        Assert.Null(third.Next);
        var begun = await store.Catalog.ListAsync(new CatalogQuery(CatalogKind.Image) { NamePrefix = "img1", After = new CatalogCursor("img11", "img11"), Limit = 3 }, Token);
        Assert.Equal(["img12", "img13", "img14"], begun.Rows.Select(row => row.Key));
        Assert.Equal(10, (await store.Catalog.ListAsync(new CatalogQuery(CatalogKind.Image) { NamePrefix = "img1" }, Token)).Rows.Count);
        var last = await store.Catalog.ListAsync(new CatalogQuery(CatalogKind.Image) { Descending = true, Limit = 2 }, Token);
        Assert.Equal(["img24", "img23"], last.Rows.Select(row => row.Key));
    }

    [Fact]
    public async Task Unfinished_operations_are_found_by_key_for_the_resume_scan()
    {
        await ProjectAsync([.. Enumerable.Range(0, 6).Select(n => new Projection.Upsert(Row(CatalogKind.Operation, $"op{n}") with { Unfinished = n % 2 == 0 }))]);

        Assert.Equal(["op0", "op2"], (await store.Catalog.ListUnfinishedOperationsAsync(null, 2, Token)).Select(row => row.Key));
        Assert.Equal(["op4"], (await store.Catalog.ListUnfinishedOperationsAsync("op2", 2, Token)).Select(row => row.Key));
    }

    [Fact]
    public async Task The_activity_log_is_read_newest_first_by_what_it_is_about_and_keeps_its_limit()
    {
        await ProjectAsync([.. Enumerable.Range(0, 3).Select(n => new Projection.Append(new ActivityRow(Noon.AddMinutes(n), "ann", "pod.connect", "{}") { Pod = n == 1 ? "rome" : "paris" }))]);
        var lines = await store.Catalog.ListActivityAsync(new ActivityQuery { Pod = "paris" }, Token);
        Assert.Equal([Noon.AddMinutes(2), Noon], lines.Select(line => line.At));
        Assert.Equal([lines[1]], await store.Catalog.ListActivityAsync(new ActivityQuery { Pod = "paris", Before = lines[0].Number }, Token));

        for (var batch = 0; batch < 5; batch++)
        {
            await ProjectAsync([.. Enumerable.Range(0, 500).Select(n => new Projection.Append(new ActivityRow(Noon, "ann", "x", "{}")))]);
        }

        Assert.InRange(await CountAsync(), 100, 1_999); // it is trimmed every thousand lines

        async Task<int> CountAsync()
        {
            var (count, before) = (0, long.MaxValue);
            while (await store.Catalog.ListActivityAsync(new ActivityQuery { Before = before, Limit = 500 }, Token) is { Count: > 0 } page)
            {
                (count, before) = (count + page.Count, page[^1].Number);
            }

            return count;
        }
    }

    [Fact]
    public async Task A_rebuild_makes_the_lists_again_from_the_state_alone_and_a_failed_one_changes_nothing()
    {
        foreach (var key in (string[])["a", "b", "c"])
        {
            await store.Rows.WriteAsync([RowWrite.Put(StoreFolder.Id("box", key), "s", null, new Box { Key = key })], Token);
        }

        await ProjectAsync(new Projection.Delete(CatalogKind.Image, "a"), new Projection.Upsert(Row(CatalogKind.Image, "ghost")));
        await Assert.ThrowsAsync<InvalidDataException>(() => store.RebuildAsync(_ => throw new InvalidDataException(), Token));
        Assert.Equal(["b", "c", "ghost"], (await store.Catalog.ListImagesAsync(null, 10, Token)).Rows.Select(row => row.Key));

        Assert.Equal(4, await store.RebuildAsync(row => row.Name == "s" ? row.Load<Box>().Project() : [], Token));

        Assert.Equal(["a", "b", "c"], (await store.Catalog.ListImagesAsync(null, 10, Token)).Rows.Select(row => row.Key));
    }

    [Fact]
    public async Task A_request_that_the_database_refuses_or_that_is_too_large_fails_alone()
    {
        var bad = new CatalogRow(CatalogKind.Image, "bad", null!, "s", Noon, Noon, "{}") { Sort = "bad" };
        var good = Enumerable.Range(0, 20).Select(n => store.Rows.WriteAsync([RowWrite.Put(StoreFolder.Id("box", $"{n}"), "s", null, new Box())], Token)).ToList();
        var wrong = store.Rows.WriteAsync([new RowWrite("k", "bad", null, "{}"u8.ToArray(), [new Projection.Upsert(bad)])], Token);

        await Task.WhenAll(good);
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => wrong);
        Assert.Null(await store.Rows.ReadAsync("k", "bad", Token));
        await Assert.ThrowsAsync<ArgumentException>(() => store.Rows.WriteAsync([new RowWrite("k", "n", null, new byte[(64 << 10) + 1], [])], Token));
    }

    [Fact]
    public async Task A_bug_in_one_request_fails_that_one_and_what_came_with_it_is_stored()
    {
        // The first write keeps the writer busy; what comes meanwhile goes into one batch.
        var writes = Enumerable.Range(0, 200).Select(n => store.Rows.WriteAsync([RowWrite.Put(StoreFolder.Id("box", $"{n}"), "s", null, new Box { Key = $"{n}" })], Token)).ToList();
        var bug = store.Rows.WriteAsync([new RowWrite("k", "bug", null, "{}"u8.ToArray(), new ProjectionsThatBreak())], Token);
        writes.AddRange(Enumerable.Range(200, 50).Select(n => store.Rows.WriteAsync([RowWrite.Put(StoreFolder.Id("box", $"{n}"), "s", null, new Box { Key = $"{n}" })], Token)));

        await Task.WhenAll(writes);
        Assert.Equal("a bug", (await Assert.ThrowsAsync<InvalidOperationException>(() => bug)).Message);
        Assert.Null(await store.Rows.ReadAsync("k", "bug", Token));
        Assert.Equal(250, (await store.Catalog.ListImagesAsync(null, 500, Token)).Rows.Count);
        Assert.False(store.Broken.IsCompleted);
    }

    [Fact]
    public async Task Orleans_keeps_grain_state_in_it_under_the_whole_grain_id()
    {
        await using var services = new ServiceCollection().AddSerializer().BuildServiceProvider();
        var storage = new GroupCommitGrainStorage(store.Rows, services.GetRequiredService<IActivatorProvider>());
        var (pod, image) = (new Held<Box> { State = new Box { Count = 1 } }, new Held<Box> { State = new Box { Count = 2 } });
        await storage.WriteStateAsync("state", StoreFolder.Id("pod", "cafe"), pod, Token);
        await storage.WriteStateAsync("state", StoreFolder.Id("image", "cafe"), image, Token);

        var read = new Held<Box>();
        await storage.ReadStateAsync("state", StoreFolder.Id("pod", "cafe"), read, Token);

        Assert.Equal((1, pod.ETag, true), (read.State.Count, read.ETag, read.RecordExists));
        await storage.ClearStateAsync("state", StoreFolder.Id("pod", "cafe"), read, Token);
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync("state", StoreFolder.Id("pod", "cafe"), pod, Token));
    }

    [Fact]
    public async Task It_can_be_probed_and_a_closed_one_says_so()
    {
        await store.ProbeAsync(Token);
        await store.DisposeAsync();

        Assert.Equal("store.closed", (await Assert.ThrowsAsync<StoreUnavailableException>(() => store.Rows.WriteAsync([new RowWrite("k", "n", null, "{}"u8.ToArray(), [])], Token))).Code);
        Assert.Equal("store.closed", (await Assert.ThrowsAsync<StoreUnavailableException>(() => store.Rows.ReadAsync("k", "n", Token))).Code);
    }

    private static CatalogRow Row(CatalogKind kind, string key) => new(kind, key, key, "Importing", Noon, Noon, "{}");

    private async Task ProjectAsync(params IReadOnlyList<Projection> projections) =>
        await store.Rows.WriteAsync([new RowWrite("test", "test", RowWrite.AnyETag, "{}"u8.ToArray(), projections)], Token);
}

/// <summary>What a state of ours with a bug would bring.</summary>
internal sealed class ProjectionsThatBreak : IReadOnlyList<Projection>
{
    public int Count => 1;

    public Projection this[int index] => throw new InvalidOperationException("a bug");

    public IEnumerator<Projection> GetEnumerator() => throw new InvalidOperationException("a bug");

    System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
}

public sealed class EmbeddedStoreRules : StoreRules
{
    private readonly string folder = Path.Combine(Path.GetTempPath(), $"imagemgmt-store-{Guid.NewGuid():N}");

    protected override ValueTask<SiloStore> OpenAsync(DurableOptions options) => new(EmbeddedStore.Open(folder, options, NullLogger.Instance, TimeProvider.System));

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}

public sealed class PostgresStoreRules(PostgresServer server) : StoreRules, IClassFixture<PostgresServer>
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("imagemgmt-silo-");

    protected override async ValueTask<SiloStore> OpenAsync(DurableOptions options) =>
        await PostgresStore.OpenAsync(folder.FullName, await server.CreateDatabaseAsync(), 10, options, NullLogger.Instance, TimeProvider.System, Token);

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        folder.Delete(recursive: true);
    }
}
