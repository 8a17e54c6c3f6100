using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Connectors.Conformance;

public abstract partial class ConnectorConformance
{
    [Fact]
    public async Task Rule_05_nothing_staged_is_visible_as_a_copy()
    {
        var disk = OfferedDisk.Make();
        disk.BeforeRead = BreakAt(5);
        Fault(await ReceiveAsync(disk), FaultStage.Receive);
        Assert.DoesNotContain(await InventoryAsync(), entry => entry.Final);
        disk.BeforeRead = null;
        Value(await ReceiveAsync(disk));
        Assert.False(Assert.Single(await InventoryAsync()).Final);
        Fault(await Connector.OpenAsync(Version, CancellationToken.None), FaultStage.Open, FaultCause.SourceMissing, FaultCause.Unsupported);
        Fault(await Connector.VerifyAsync(Version, SilentObserver.Instance, CancellationToken.None), FaultStage.Verify, FaultCause.SourceMissing);
    }

    [Fact]
    public async Task Rule_06_a_final_copy_appears_at_once_and_whole()
    {
        var disk = OfferedDisk.Make();
        await MakeCopyAsync(disk);
        var entry = Assert.Single(await InventoryAsync());
        Assert.True(entry.Final);
        Assert.Equal(new Generation(5), entry.Generation);
        if (!Can.RangedRead)
        {
            Fault(await Connector.OpenAsync(Version, CancellationToken.None), FaultStage.Open, FaultCause.Unsupported);
            return;
        }

        await using var reader = Value(await Connector.OpenAsync(Version, CancellationToken.None));
        Assert.Equal(disk.Manifest.Encode(), reader.Manifest.Encode());
        var bytes = new byte[disk.Bytes.Length];
        await reader.ReadAsync(0, bytes, CancellationToken.None);
        Assert.True(disk.Bytes.Span.SequenceEqual(bytes));
    }

    [Fact]
    public async Task Rule_07_a_receipt_is_given_only_after_a_read_back()
    {
        var disk = OfferedDisk.Make();
        Value(await ReceiveAsync(disk));
        Fixture.DamageStaged(Version, 3);
        Fault(await FinaliseAsync(disk), FaultStage.Finalise, FaultCause.TargetCorrupt);
        Assert.DoesNotContain(await InventoryAsync(), entry => entry.Final);
        disk.Forget();
        var receipt = await MakeCopyAsync(disk);
        if (Can.Resumable)
        {
            Assert.Equal([3], disk.Reads.Distinct());
        }

        Assert.Equal(disk.Content.ContentDigest, receipt.ContentDigest);
        Assert.Equal(Version, receipt.Version);
        Assert.Equal(Connector.Pod, receipt.Pod);
        Assert.Equal(new Generation(5), receipt.Generation);
        Assert.Equal(Can.Name, receipt.ConnectorVersion);
        Assert.True(receipt.BytesReadBack >= disk.Manifest.DataLength || Can.NativeChecksum, "Every byte of data was read back.");
    }

    [Fact]
    public async Task Rule_07_a_copy_that_went_bad_gets_no_receipt_until_it_is_repaired()
    {
        var disk = OfferedDisk.Make();
        await MakeCopyAsync(disk);
        Fixture.DamageFinal(Version, 7);
        Assert.Contains("7", Fault(await Connector.VerifyAsync(Version, SilentObserver.Instance, CancellationToken.None), FaultStage.Verify, FaultCause.TargetCorrupt).Detail, StringComparison.Ordinal);
        Fault(await FinaliseAsync(disk), FaultStage.Finalise, FaultCause.TargetCorrupt);
        Assert.DoesNotContain(await InventoryAsync(), entry => entry.Final);
        await MakeCopyAsync(disk);
        Assert.Equal(disk.Content.ContentDigest, Value(await Connector.VerifyAsync(Version, SilentObserver.Instance, CancellationToken.None)).ContentDigest);
    }

    [Fact]
    public async Task Rule_09_room_is_checked_before_the_first_byte()
    {
        var disk = OfferedDisk.Make();
        if (!Can.ReportsRoom)
        {
            Assert.All(Value(await Connector.ProbeAsync(CancellationToken.None)).Datastores, datastore => Assert.Null(datastore.FreeBytes));
            return;
        }

        await Fixture.ReopenAsync(room: disk.Manifest.DataLength - 1);
        Fault(await ReceiveAsync(disk), FaultStage.Receive, FaultCause.NoRoom);
        Assert.Empty(disk.Reads);
        await Fixture.ReopenAsync(room: disk.Manifest.DataLength + RoomForRecords);
        Value(await ReceiveAsync(disk));
    }

    [Fact]
    public async Task Rule_09_room_is_asked_only_for_what_is_still_missing()
    {
        var disk = OfferedDisk.Make();
        disk.BeforeRead = BreakAt(6);
        Fault(await ReceiveAsync(disk), FaultStage.Receive);
        disk.BeforeRead = null;

        // What is staged counts as taken: a connector that asked for the whole again would find no room.
        await Fixture.ReopenAsync(room: disk.Manifest.DataLength + RoomForRecords);
        Value(await ReceiveAsync(disk));
        Value(await FinaliseAsync(disk));
    }

    [Fact]
    public async Task Rule_22_what_was_told_to_be_staged_can_be_read_where_that_is_declared()
    {
        var disk = OfferedDisk.Make();
        if (!Can.ServesStaged)
        {
            Fault(await Connector.OpenStagedAsync(Version, CancellationToken.None), FaultStage.Open, FaultCause.Unsupported);
            return;
        }

        Fault(await Connector.OpenStagedAsync(Version, CancellationToken.None), FaultStage.Open, FaultCause.SourceMissing);
        disk.BeforeRead = BreakAt(6);
        var before = new Recorder();
        Fault(await ReceiveAsync(disk, observer: before), FaultStage.Receive);
        await using var reader = Value(await Connector.OpenStagedAsync(Version, CancellationToken.None));
        Assert.Equal(disk.Manifest.Encode(), reader.Manifest.Encode());
        Assert.NotEmpty(before.Staged);
        await ReadsAsync(disk, reader, before.Staged);
        disk.BeforeRead = null;
        await MakeCopyAsync(disk);
        await ReadsAsync(disk, reader, Enumerable.Range(0, disk.Manifest.ChunkCount));
        Fault(await Connector.OpenStagedAsync(Version, CancellationToken.None), FaultStage.Open, FaultCause.SourceMissing);
    }

    private static async Task ReadsAsync(OfferedDisk disk, IContentReader reader, IEnumerable<int> chunks)
    {
        foreach (var chunk in chunks)
        {
            var bytes = new byte[disk.Manifest.LengthOf(chunk)];
            await reader.ReadAsync(disk.Manifest.OffsetOf(chunk), bytes, CancellationToken.None);
            Assert.True(disk.Bytes.Span.Slice((int)disk.Manifest.OffsetOf(chunk), bytes.Length).SequenceEqual(bytes), $"Chunk {chunk} reads otherwise.");
        }
    }

    [Fact]
    public async Task Rule_11_the_inventory_tells_what_is_really_there()
    {
        Assert.Empty(await InventoryAsync());
        var disk = OfferedDisk.MakeSmall(1);
        await MakeCopyAsync(disk, Order(generation: 3));
        var second = OfferedDisk.MakeSmall(2);
        Value(await ReceiveAsync(second, Order(Other, generation: 4)));
        await Fixture.ReopenAsync();
        var entries = await InventoryAsync();
        Assert.Equal([(Version, true, 3L), (Other, false, 4L)], entries.OrderBy(entry => entry.Version.Value, StringComparer.Ordinal).Select(entry => (entry.Version, entry.Final, entry.Generation.Value)));
        Assert.All(entries, entry => Assert.True(entry.Bytes >= disk.Manifest.DataLength, "It takes up at least its data."));
        Value(await Connector.DeleteAsync(Order(Other, generation: 4), DeleteScope.Staged, CancellationToken.None));
        Assert.Equal(Version, Assert.Single(await InventoryAsync()).Version);
    }

    [Fact]
    public async Task Rule_17_bytes_that_do_not_match_the_manifest_never_become_a_copy()
    {
        var disk = OfferedDisk.Make();
        disk.Corrupt.Add(4);
        var received = await ReceiveAsync(disk);
        if (Can.Transfer == TransferMode.Chunks)
        {
            Fault(received, FaultStage.Receive, FaultCause.SourceCorrupt);
        }

        Fault(await FinaliseAsync(disk), FaultStage.Finalise, FaultCause.TargetCorrupt);
        Assert.DoesNotContain(await InventoryAsync(), entry => entry.Final);
        disk.Corrupt.Clear();
        await MakeCopyAsync(disk);
    }

    [Fact]
    public async Task Rule_19_pages_are_bounded_and_complete()
    {
        var versions = Enumerable.Range(0, 5).Select(i => new VersionId(new ImageName("paged"), new VersionName($"1.{i}"))).ToList();
        foreach (var (version, i) in versions.Select((version, i) => (version, i)))
        {
            Value(await ReceiveAsync(OfferedDisk.MakeSmall(i), Order(version)));
        }

        var seen = new List<VersionId>();
        string? cursor = null;
        do
        {
            var page = Value(await Connector.InventoryAsync(cursor, 2, CancellationToken.None));
            Assert.InRange(page.Entries.Count, 1, 2);
            seen.AddRange(page.Entries.Select(entry => entry.Version));
            cursor = page.NextCursor;
        }
        while (cursor is not null && seen.Count <= versions.Count);

        Assert.Equal(versions, seen.OrderBy(version => version.Value, StringComparer.Ordinal));
    }

    [Fact]
    public async Task Rule_20_progress_is_told_in_order()
    {
        var disk = OfferedDisk.Make();
        var recorder = new Recorder();
        Value(await ReceiveAsync(disk, observer: recorder));
        Assert.Equal((disk.Manifest.DataChunks, 0, disk.Manifest.DataLength), Assert.Single(recorder.Plans));
        Assert.Equal("planned", recorder.Order[0]);
        var data = Enumerable.Range(0, disk.Manifest.ChunkCount).Where(chunk => !disk.Manifest.IsZero(chunk));
        Assert.Equal(data, recorder.Staged.Order());
        Assert.Superset(recorder.Staged.ToHashSet(), recorder.Requested.ToHashSet());
        var finalising = new Recorder();
        Value(await EndAsync(() => Connector.FinaliseAsync(Order(), disk.Content, finalising, CancellationToken.None)));
        Assert.True(Can.NativeChecksum || finalising.Advances.Count > 0, "A read-back shows how far it is.");
        Assert.All(finalising.Advances, advance => Assert.InRange(advance.Bytes, 0, advance.Total));
    }

    /// <summary>Manifests, receipts and folders beside the data.</summary>
    protected const long RoomForRecords = 512 << 10;
}
