using System.Text.Json;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Storage;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

public sealed class GrainStorageTests : IAsyncLifetime
{
    private readonly StoreFolder folder = new();

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => folder.DisposeAsync();

    [Fact]
    public async Task A_record_that_was_never_written_reads_as_an_empty_state()
    {
        var held = new Held<Box> { State = new Box { Count = 7 }, ETag = "3", RecordExists = true };

        await folder.Storage.ReadStateAsync("state", StoreFolder.Id("box", "a"), held);

        Assert.Equal((0, null, false), (held.State.Count, held.ETag, held.RecordExists));
    }

    [Fact]
    public async Task What_was_written_is_read_with_its_etag()
    {
        var id = StoreFolder.Id("box", "a");
        var written = new Held<Box> { State = { Count = 5 } };
        await folder.Storage.WriteStateAsync("state", id, written);
        var read = new Held<Box>();

        await folder.Storage.ReadStateAsync("state", id, read);

        Assert.Equal((5, written.ETag, true), (read.State.Count, read.ETag, read.RecordExists));
        Assert.True(written.RecordExists);
    }

    [Fact]
    public async Task A_stale_write_is_refused_and_changes_nothing()
    {
        var id = StoreFolder.Id("box", "a");
        var first = new Held<Box> { State = { Count = 1 } };
        await folder.Storage.WriteStateAsync("state", id, first);
        var second = new Held<Box>();
        await folder.Storage.ReadStateAsync("state", id, second);
        second.State.Count = 2;
        await folder.Storage.WriteStateAsync("state", id, second);

        var refusal = await Assert.ThrowsAsync<InconsistentStateException>(() => folder.Storage.WriteStateAsync("state", id, first));

        Assert.Equal((second.ETag, first.ETag), (refusal.StoredEtag, refusal.CurrentEtag));
        await folder.Storage.ReadStateAsync("state", id, first);
        Assert.Equal(2, first.State.Count);
    }

    [Fact]
    public async Task A_write_without_an_etag_over_an_existing_row_is_refused()
    {
        var id = StoreFolder.Id("box", "a");
        await folder.Storage.WriteStateAsync("state", id, new Held<Box> { State = { Count = 1 } });

        await Assert.ThrowsAsync<InconsistentStateException>(() => folder.Storage.WriteStateAsync("state", id, new Held<Box> { State = { Count = 2 } }));
    }

    [Fact]
    public async Task A_write_with_an_etag_of_a_row_that_is_gone_is_refused()
    {
        await Assert.ThrowsAsync<InconsistentStateException>(
            () => folder.Storage.WriteStateAsync("state", StoreFolder.Id("box", "a"), new Held<Box> { ETag = "1" }));
    }

    [Fact]
    public async Task A_row_cleared_and_written_again_never_accepts_an_etag_of_its_former_life()
    {
        var id = StoreFolder.Id("box", "a");
        var held = new Held<Box> { State = { Count = 1 } };
        await folder.Storage.WriteStateAsync("state", id, held);
        var former = held.ETag;
        await folder.Storage.ClearStateAsync("state", id, held);
        Assert.Equal((0, null, false), (held.State.Count, held.ETag, held.RecordExists));
        held.State.Count = 2;
        await folder.Storage.WriteStateAsync("state", id, held);

        await Assert.ThrowsAsync<InconsistentStateException>(() => folder.Storage.WriteStateAsync("state", id, new Held<Box> { ETag = former }));
    }

    [Fact]
    public async Task A_stale_clear_is_refused_and_a_clear_of_nothing_is_not()
    {
        var id = StoreFolder.Id("box", "a");
        await folder.Storage.ClearStateAsync("state", id, new Held<Box>());
        var held = new Held<Box>();
        await folder.Storage.WriteStateAsync("state", id, held);

        await Assert.ThrowsAsync<InconsistentStateException>(() => folder.Storage.ClearStateAsync("state", id, new Held<Box>()));
        await Assert.ThrowsAsync<InconsistentStateException>(() => folder.Storage.ClearStateAsync("state", id, new Held<Box> { ETag = "999" }));
        Assert.NotNull(await folder.Rows.ReadAsync(id.ToString(), "state", StoreFolder.Token));
    }

    [Fact]
    public async Task Of_64_racing_first_writers_on_8_rows_exactly_8_win()
    {
        var races = Enumerable.Range(0, 64).Select(async n =>
        {
            try
            {
                await folder.Storage.WriteStateAsync("state", StoreFolder.Id("box", $"{n % 8}"), new Held<Box> { State = { Count = n } });
                return true;
            }
            catch (InconsistentStateException)
            {
                return false;
            }
        });

        var wins = await Task.WhenAll(races);

        Assert.Equal(8, wins.Count(won => won));
        Assert.Equal(56, folder.Store.Counters.Conflicts);
    }

    [Theory]
    [InlineData("box", "state", "abc", "box", "state", "ABC")]
    [InlineData("box", "state", "10", "box", "state", "010")]
    [InlineData("box", "state", "cafe", "box", "state", "0cafe")]
    [InlineData("box", "state", "same", "lid", "state", "same")]
    [InlineData("box", "state", "same", "box", "other", "same")]
    public async Task Rows_that_look_alike_are_kept_apart(string type1, string name1, string key1, string type2, string name2, string key2)
    {
        await folder.Storage.WriteStateAsync(name1, StoreFolder.Id(type1, key1), new Held<Box> { State = { Count = 1 } });
        await folder.Storage.WriteStateAsync(name2, StoreFolder.Id(type2, key2), new Held<Box> { State = { Count = 2 } });
        var read = new Held<Box>();

        await folder.Storage.ReadStateAsync(name1, StoreFolder.Id(type1, key1), read);

        Assert.Equal(1, read.State.Count);
    }

    [Fact]
    public async Task The_state_is_taken_as_it_is_when_the_write_is_called()
    {
        var id = StoreFolder.Id("box", "a");
        var held = new Held<Box> { State = { Key = "a", Count = 1 } };
        var write = folder.Storage.WriteStateAsync("state", id, held);
        held.State.Count = 99;
        await write;
        var read = new Held<Box>();

        await folder.Storage.ReadStateAsync("state", id, read);

        Assert.Equal(1, read.State.Count);
        Assert.Equal("""{"count":1}""", (await folder.Store.Catalog.FindAsync(CatalogKind.Image, "a", StoreFolder.Token))!.Body);
    }

    [Fact]
    public async Task Clearing_a_state_takes_it_off_the_lists()
    {
        var id = StoreFolder.Id("box", "a");
        var held = new Held<Box> { State = { Key = "a" } };
        await folder.Storage.WriteStateAsync("state", id, held);
        Assert.NotNull(await folder.Store.Catalog.FindAsync(CatalogKind.Image, "a", StoreFolder.Token));

        await folder.Storage.ClearStateAsync("state", id, held);

        Assert.Null(await folder.Store.Catalog.FindAsync(CatalogKind.Image, "a", StoreFolder.Token));
    }

    [Fact]
    public async Task Fields_of_a_newer_program_survive_being_read_and_written_back()
    {
        var id = StoreFolder.Id("box", "a");
        await folder.Rows.WriteAsync(
            [new RowWrite(id.ToString(), "state", null, """{"schemaVersion":1,"count":4,"colour":{"rgb":[1,2,3]}}"""u8.ToArray(), [])], StoreFolder.Token);
        var held = new Held<Box>();
        await folder.Storage.ReadStateAsync("state", id, held);
        held.State.Count++;

        await folder.Storage.WriteStateAsync("state", id, held);

        using var json = JsonDocument.Parse((await folder.Rows.ReadAsync(id.ToString(), "state", StoreFolder.Token))!.Payload);
        Assert.Equal(5, json.RootElement.GetProperty("count").GetInt32());
        Assert.Equal(2, json.RootElement.GetProperty("colour").GetProperty("rgb")[1].GetInt32());
    }

    [Fact]
    public async Task A_state_of_a_newer_schema_is_refused()
    {
        var id = StoreFolder.Id("box", "a");
        await folder.Rows.WriteAsync([new RowWrite(id.ToString(), "state", null, """{"schemaVersion":2}"""u8.ToArray(), [])], StoreFolder.Token);

        var refusal = await Assert.ThrowsAsync<StateSchemaException>(() => folder.Storage.ReadStateAsync("state", id, new Held<Box>()));

        Assert.Equal("state.newer-schema", refusal.Code);
    }
}
