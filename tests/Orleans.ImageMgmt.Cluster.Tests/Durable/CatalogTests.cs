using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

public sealed class CatalogTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);
    private readonly StoreFolder folder = new(new DurableOptions { ActivityRows = 100 });

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => folder.DisposeAsync();

    [Fact]
    public async Task Pages_go_through_a_list_once_even_when_rows_come_and_go_in_between()
    {
        await ProjectAsync([.. Enumerable.Range(0, 25).Select(n => new Projection.Upsert(Row(CatalogKind.Image, $"img{n:D2}")))]);
        var first = await folder.Store.Catalog.ListImagesAsync(null, 10, StoreFolder.Token);
        await ProjectAsync(new Projection.Delete(CatalogKind.Image, "img03"), new Projection.Upsert(Row(CatalogKind.Image, "img00x")));
        Assert.True(CatalogCursor.TryParse(first.Next.ToString(), out var cursor));
        var second = await folder.Store.Catalog.ListImagesAsync(cursor, 10, StoreFolder.Token);
        var third = await folder.Store.Catalog.ListImagesAsync(second.Next, 10, StoreFolder.Token);

        Assert.Equal(Enumerable.Range(0, 25).Select(n => $"img{n:D2}"), first.Rows.Concat(second.Rows).Concat(third.Rows).Select(row => row.Key));
        Assert.Null(third.Next);
    }

    [Fact]
    public async Task Rows_come_back_as_they_were_projected()
    {
        var row = Row(CatalogKind.Copy, "win11/7@paris") with
        {
            Status = "Available", Image = "win11", Version = "7", Pod = "paris", Family = "filesystem", Sort = "0007", Unfinished = true, Body = """{"a":1}""",
        };
        await ProjectAsync(new Projection.Upsert(Row(CatalogKind.Copy, row.Key)));
        await ProjectAsync(new Projection.Upsert(row));

        Assert.Equal(row, await folder.Store.Catalog.FindAsync(CatalogKind.Copy, row.Key, StoreFolder.Token));
    }

    [Fact]
    public async Task Lists_are_filtered_by_every_column()
    {
        await ProjectAsync(
        [
            .. from image in (string[])["win10", "win11"]
               from version in (string[])["1.0", "1.1"]
               from pod in (string[])["paris", "rome"]
               select new Projection.Upsert(Row(CatalogKind.Copy, $"{image}/{version}@{pod}") with
               {
                   Image = image, Version = version, Pod = pod, Family = image == "win10" ? "filesystem" : "vsphere", Status = pod == "rome" ? "Failed" : "Available",
               }),
        ]);
        var catalog = folder.Store.Catalog;

        var ofVersion = await catalog.ListCopiesOfVersionAsync(new VersionId(new ImageName("win11"), new VersionName("1.1")), null, 10, StoreFolder.Token);
        Assert.Equal(["win11/1.1@paris", "win11/1.1@rome"], ofVersion.Rows.Select(row => row.Key));
        Assert.Equal(4, (await catalog.ListCopiesOnPodAsync("rome", null, 10, StoreFolder.Token)).Rows.Count);
        var narrow = await catalog.ListAsync(
            new CatalogQuery(CatalogKind.Copy) { Status = "Failed", Family = "vsphere", NamePrefix = "win11/1.0" }, StoreFolder.Token);
        Assert.Equal(["win11/1.0@rome"], narrow.Rows.Select(row => row.Key));
        Assert.Equal(4, (await catalog.CountByStatusAsync(CatalogKind.Copy, StoreFolder.Token))["Failed"]);
        Assert.Empty((await catalog.ListImagesAsync(null, 10, StoreFolder.Token)).Rows);
    }

    [Fact]
    public async Task Operations_come_newest_first_and_unfinished_ones_are_found_for_the_resume_scan()
    {
        await ProjectAsync(
        [
            .. Enumerable.Range(0, 6).Select(n => new Projection.Upsert(Row(CatalogKind.Operation, $"op{5 - n}") with
            {
                Sort = CatalogRow.Chronological(Noon.AddMinutes(n)), Unfinished = n % 2 == 0,
            })),
        ]);
        var newest = await folder.Store.Catalog.ListOperationsAsync(null, 2, StoreFolder.Token);
        var older = await folder.Store.Catalog.ListOperationsAsync(newest.Next, 2, StoreFolder.Token);
        await ProjectAsync(new Projection.Upsert(Row(CatalogKind.Operation, "op1") with { Sort = CatalogRow.Chronological(Noon.AddMinutes(4)) }));

        var unfinished = await folder.Store.Catalog.ListUnfinishedOperationsAsync(null, 10, StoreFolder.Token);

        Assert.Equal(["op0", "op1", "op2", "op3"], newest.Rows.Concat(older.Rows).Select(row => row.Key));
        Assert.Equal(["op3", "op5"], unfinished.Select(row => row.Key));
    }

    [Fact]
    public async Task The_activity_log_is_read_newest_first_and_kept_to_its_limit()
    {
        for (var page = 0; page < 30; page++)
        {
            await ProjectAsync([.. Enumerable.Range(page * 100, 100).Select(n => new Projection.Append(
                new ActivityRow(Noon.AddSeconds(n), "ann", "marker.move", $"{n}") { Image = n % 2 == 0 ? "even" : "odd", Operation = $"op{n}" }))]);
        }

        var all = await folder.Store.Catalog.ListActivityAsync(new ActivityQuery { Limit = 500 }, StoreFolder.Token);
        var even = await folder.Store.Catalog.ListActivityAsync(new ActivityQuery { Image = "even", Before = all[10].Number, Limit = 2 }, StoreFolder.Token);

        Assert.Equal("2999", all[0].Body);
        Assert.Equal(Noon.AddSeconds(2999), all[0].At);
        Assert.Equal(["2988", "2986"], even.Select(row => row.Body));
        var kept = (await RestAsync(all[^1].Number)) + all.Count;
        Assert.InRange(kept, 100, 100 + 1_000);
    }

    [Fact]
    public async Task Every_list_is_read_through_an_index_in_its_order()
    {
        var wanted = new[]
        {
            "kind = 1 ORDER BY sort, key", "kind = 2 AND image = 'a' ORDER BY sort, key", "kind = 4 AND image = 'a' AND version = 'b' ORDER BY sort, key",
            "kind = 4 AND pod = 'a' ORDER BY sort, key", "kind = 2 AND status = 'a' ORDER BY sort, key", "kind = 1 AND family = 'a' ORDER BY sort, key",
            "kind = 5 ORDER BY sort DESC, key DESC", "kind = 5 AND unfinished = 1 AND key > 'a' ORDER BY key",
            "kind = ?1 AND kind = 5 AND json_extract(body, '$.kind') = 'a' ORDER BY sort DESC, key DESC", "kind = 3 AND sort >= 'a' AND sort < 'b' ORDER BY sort, key",
        };
        await using var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={Path.Combine(folder.Path, "store.db")};Pooling=False");
        await connection.OpenAsync(StoreFolder.Token);
        foreach (var where in wanted)
        {
            await using var command = connection.CreateCommand();
            command.CommandText = $"EXPLAIN QUERY PLAN SELECT * FROM catalog WHERE {where} LIMIT 10";
            await using var reader = await command.ExecuteReaderAsync(StoreFolder.Token);
            List<string> plan = [];
            while (await reader.ReadAsync(StoreFolder.Token))
            {
                plan.Add(reader.GetString(3));
            }

            Assert.All(plan, step => Assert.StartsWith("SEARCH catalog USING INDEX", step, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Copies_of_a_pod_are_read_along_the_pods_index_whatever_else_is_asked()
    {
        await using var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={Path.Combine(folder.Path, "store.db")};Pooling=False");
        await connection.OpenAsync(StoreFolder.Token);
        await using var command = connection.CreateCommand();
        command.CommandText = "EXPLAIN QUERY PLAN SELECT * FROM catalog WHERE kind = 4 AND +status = 'a' AND pod = 'b' ORDER BY sort, key LIMIT 10";
        await using var reader = await command.ExecuteReaderAsync(StoreFolder.Token);
        Assert.True(await reader.ReadAsync(StoreFolder.Token));
        Assert.Equal("SEARCH catalog USING INDEX catalog_pod (kind=? AND pod=?)", reader.GetString(3));
        Assert.False(await reader.ReadAsync(StoreFolder.Token));
    }

    [Fact]
    public async Task A_rebuild_makes_the_lists_again_from_the_state_alone()
    {
        foreach (var key in (string[])["a", "b", "c"])
        {
            await DurableStoreTests.WriteAsync(folder, key);
        }

        await ProjectAsync(
            new Projection.Delete(CatalogKind.Image, "a"), new Projection.Upsert(Row(CatalogKind.Image, "ghost")),
            new Projection.Append(new ActivityRow(Noon, "ann", "x", "{}")));

        var rows = await folder.Store.RebuildAsync(row => row.Name == "s" ? row.Load<Box>().Project() : [], StoreFolder.Token);

        Assert.Equal(4, rows);
        Assert.Equal(["a", "b", "c"], (await folder.Store.Catalog.ListImagesAsync(null, 10, StoreFolder.Token)).Rows.Select(row => row.Key));
        Assert.Single(await folder.Store.Catalog.ListActivityAsync(new ActivityQuery(), StoreFolder.Token));
    }

    [Fact]
    public async Task A_rebuild_that_fails_leaves_the_lists_as_they_were()
    {
        await DurableStoreTests.WriteAsync(folder, "a");

        await Assert.ThrowsAsync<InvalidDataException>(() => folder.Store.RebuildAsync(_ => throw new InvalidDataException(), StoreFolder.Token));

        Assert.Single((await folder.Store.Catalog.ListImagesAsync(null, 10, StoreFolder.Token)).Rows);
        await DurableStoreTests.WriteAsync(folder, "b");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(501)]
    public async Task A_page_of_a_wrong_size_is_refused(int limit)
    {
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => folder.Store.Catalog.ListImagesAsync(null, limit, StoreFolder.Token));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("%%%")]
    [InlineData("e30")]
    [InlineData("WyJhIl0")]
    public void Text_that_is_no_cursor_is_refused(string? text)
    {
        Assert.False(CatalogCursor.TryParse(text, out _));
    }

    private static CatalogRow Row(CatalogKind kind, string key) => new(kind, key, key, "Importing", Noon, Noon, "{}");

    private async Task ProjectAsync(params IReadOnlyList<Projection> projections) =>
        await folder.Rows.WriteAsync([new RowWrite("test", "test", RowWrite.AnyETag, "{}"u8.ToArray(), projections)], StoreFolder.Token);

    private async Task<int> RestAsync(long before)
    {
        var count = 0;
        while (await folder.Store.Catalog.ListActivityAsync(new ActivityQuery { Before = before, Limit = 500 }, StoreFolder.Token) is { Count: > 0 } rows)
        {
            (count, before) = (count + rows.Count, rows[^1].Number);
        }

        return count;
    }
}
