using Orleans.ImageMgmt.Connectors.Conformance;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using static Orleans.ImageMgmt.Connectors.Tests.Calls;

namespace Orleans.ImageMgmt.Connectors.Tests;

public sealed class DatastoreTests : IAsyncDisposable
{
    private readonly FilesystemFixture fixture = new();
    private readonly OfferedDisk disk = OfferedDisk.Make();

    public ValueTask DisposeAsync() => fixture.DisposeAsync();

    [Fact]
    public async Task A_final_copy_is_read_only_and_sparse()
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        Value(await fixture.Connector.FinaliseAsync(disk));
        const UnixFileMode ReadOnly = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        foreach (var file in Directory.EnumerateFiles(fixture.FinalFolder(Pos)))
        {
            Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(file) == ReadOnly, file);
        }

        var allocated = Assert.Single(await fixture.Connector.InventoryAsync()).Bytes;
        Assert.InRange(allocated, disk.Manifest.DataLength, disk.Manifest.Length - 1);
    }

    [Fact]
    public async Task A_share_that_goes_away_is_unreachable_and_nothing_is_written_in_its_place()
    {
        Value(await fixture.Connector.ProbeAsync(CancellationToken.None));
        Directory.Move(fixture.Datastore, fixture.Datastore + "-gone");
        Fault(await fixture.Connector.ProbeAsync(CancellationToken.None), FaultCause.Unreachable);
        Directory.CreateDirectory(fixture.Datastore);
        fixture.Reconnect();
        Fault(await fixture.Connector.ProbeAsync(CancellationToken.None), FaultCause.Unreachable);
        Fault(await fixture.Connector.ReceiveAsync(disk), FaultCause.Unreachable);
        Fault(await fixture.Connector.InventoryAsync(null, 10, CancellationToken.None), FaultCause.Unreachable);
        Assert.Empty(Directory.EnumerateFileSystemEntries(fixture.Datastore));
        Directory.Delete(fixture.Datastore);
        Directory.Move(fixture.Datastore + "-gone", fixture.Datastore);
        Value(await fixture.Connector.ReceiveAsync(disk));
    }

    [Fact]
    public async Task Another_file_system_under_the_same_name_is_noticed()
    {
        Value(await fixture.Connector.ProbeAsync(CancellationToken.None));
        Directory.Move(fixture.Datastore, fixture.Datastore + "-before");
        Directory.CreateDirectory(fixture.Datastore);
        var elsewhere = Value(new FilesystemPods(TimeProvider.System).Create(fixture.Spec()));
        Value(await elsewhere.ProbeAsync(CancellationToken.None));
        Assert.Contains("another file system", Fault(await fixture.Connector.ProbeAsync(CancellationToken.None), FaultCause.Unreachable).Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{ \"receipt\": null, \"content\": null }")]
    [InlineData("{ \"receipt\": { \"version\": \"Win10POS/1.0\" }, \"content\": {} }")]
    [InlineData("[]")]
    public async Task A_receipt_with_parts_missing_is_no_receipt(string text)
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        Value(await fixture.Connector.FinaliseAsync(disk));
        var path = Path.Combine(fixture.FinalFolder(Pos), "receipt.json");
        FilesystemRecords.SetMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllTextAsync(path, text, TestContext.Current.CancellationToken);
        Fault(await fixture.Connector.VerifyAsync(), FaultCause.SourceMissing);
        Assert.DoesNotContain(await fixture.Connector.InventoryAsync(), entry => entry.Final);
        Value(await fixture.Connector.ReceiveAsync(disk));
        Value(await fixture.Connector.FinaliseAsync(disk));
        Value(await fixture.Connector.VerifyAsync());
    }

    [Fact]
    public async Task A_manifest_that_is_longer_than_any_is_not_read()
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        Value(await fixture.Connector.FinaliseAsync(disk));
        var path = Path.Combine(fixture.FinalFolder(Pos), "manifest.bin");
        FilesystemRecords.SetMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write))
        {
            RandomAccess.SetLength(file, 3L << 30);
        }

        Fault(await fixture.Connector.OpenAsync(Pos, CancellationToken.None), FaultCause.SourceCorrupt);
        Fault(await fixture.Connector.VerifyAsync(), FaultCause.TargetCorrupt);
    }

    [Fact]
    public async Task A_library_without_its_marker_is_not_claimed()
    {
        Value(await fixture.Connector.ProbeAsync(CancellationToken.None));
        File.Delete(Path.Combine(fixture.Datastore, ".imgmt-datastore"));
        await fixture.ReopenAsync();
        Fault(await fixture.Connector.ProbeAsync(CancellationToken.None), FaultCause.Misconfigured);
    }

    [Fact]
    public async Task A_folder_of_another_pod_is_refused()
    {
        Value(await fixture.Connector.ProbeAsync(CancellationToken.None));
        var pod = Value(new FilesystemPods(TimeProvider.System).Create(fixture.Spec() with { Name = new PodName("fs-2") }));
        Assert.Contains("fs-1", Fault(await pod.ProbeAsync(CancellationToken.None), FaultCause.Misconfigured).Detail, StringComparison.Ordinal);
        Fault(await pod.ReceiveAsync(disk), FaultCause.Misconfigured);
    }

    [Fact]
    public async Task A_plain_folder_where_a_mount_is_expected_is_unreachable()
    {
        fixture.Settings["expect-mount"] = "main";
        await fixture.ReopenAsync();
        Fault(await fixture.Connector.ProbeAsync(CancellationToken.None), FaultCause.Unreachable);
        Assert.Empty(Directory.EnumerateFileSystemEntries(fixture.Datastore));
        using var mount = ScratchMount.TryMount(fixture.Datastore, 32);
        var probe = await fixture.Connector.ProbeAsync(CancellationToken.None);
        Assert.Equal(mount is not null, probe is ConnectorResult<PodProbe>.Done);
    }

    [Fact]
    public async Task A_folder_whose_name_was_folded_to_another_versions_is_left_alone()
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        Value(await fixture.Connector.FinaliseAsync(disk));
        var folded = new VersionId(new ImageName("win10pos"), Pos.Version);
        Directory.CreateSymbolicLink(Path.Combine(fixture.Library, "win10pos"), Path.Combine(fixture.Library, "Win10POS"));
        Fault(await fixture.Connector.DeleteAsync(new CopyOrder(folded, new Generation(1), 1), DeleteScope.Copy, CancellationToken.None), FaultCause.Misconfigured);
        Value(await fixture.Connector.VerifyAsync());
        File.Delete(Path.Combine(fixture.Library, "win10pos"));
    }

    [Fact]
    public async Task A_datastore_that_cannot_be_written_says_so_and_keeps_its_copies_readable()
    {
        using var mount = ScratchMount.TryMount(fixture.Datastore, 32);
        Value(await fixture.Connector.ReceiveAsync(disk));
        Value(await fixture.Connector.FinaliseAsync(disk));
        if (mount is null)
        {
            // No right to mount: nor is this user root, so the folder's own mode stops it.
            FilesystemRecords.SetMode(Path.Combine(fixture.Library, ".trash"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
            FilesystemRecords.SetMode(Path.Combine(fixture.Library, ".ledger"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }
        else
        {
            mount.Remount("ro");
        }

        Assert.Equal(mount is null ? FaultCause.Denied : FaultCause.ReadOnly, Fault(await fixture.Connector.ProbeAsync(CancellationToken.None)).Cause);
        var other = new CopyOrder(new VersionId(Pos.Image, new VersionName("1.1")), new Generation(1), 1);
        var offer = Value(ReaderOffer.Create(disk, disk.Content));
        Assert.Equal(mount is null ? FaultCause.Denied : FaultCause.ReadOnly, Fault(await fixture.Connector.ReceiveAsync(other, offer, SilentObserver.Instance, CancellationToken.None)).Cause);
        Value(await fixture.Connector.VerifyAsync());
        FilesystemRecords.SetMode(fixture.Sources, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        if (mount is null)
        {
            FilesystemRecords.SetMode(Path.Combine(fixture.Library, ".trash"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            FilesystemRecords.SetMode(Path.Combine(fixture.Library, ".ledger"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    [Fact]
    public async Task A_datastore_that_fills_up_stops_with_no_room_and_goes_on_when_there_is_some()
    {
        using var mount = ScratchMount.TryMount(fixture.Datastore, 5);
        if (mount is null)
        {
            // No right to mount: what the system would say is still told apart.
            Assert.Equal(FaultCause.NoRoom, FilesystemFaults.From(FaultStage.Receive, FilesystemFixture.Pod, new IOException("full", 28))!.Cause);
            return;
        }

        // The fixture's figure of room says that there is plenty, as it would when others write at the same time.
        var before = new Recorder();
        Fault(await fixture.Connector.ReceiveAsync(disk, before), FaultCause.NoRoom);
        mount.Remount("size=32m");
        var after = new Recorder();
        Value(await fixture.Connector.ReceiveAsync(disk, after));
        Assert.Empty(after.Requested.Intersect(before.Staged));
        Value(await fixture.Connector.FinaliseAsync(disk));
    }

    [Fact]
    public async Task The_true_room_is_asked_of_the_file_system()
    {
        using var mount = ScratchMount.TryMount(fixture.Datastore, 6);
        await using var pod = Value(new FilesystemPods(TimeProvider.System).Create(fixture.Spec()));
        var room = Assert.Single(Value(await pod.ProbeAsync(CancellationToken.None)).Datastores);
        Assert.InRange(room.FreeBytes!.Value, 1, room.TotalBytes!.Value);
        Assert.True(mount is null || room.TotalBytes == 6 << 20, $"{room}");
        Assert.Equal(mount is not null, await pod.ReceiveAsync(disk) is ConnectorResult<StagedCopy>.Failed { Fault.Cause: FaultCause.NoRoom });
        Assert.True(mount is null || disk.Reads.Count == 0, "Nothing was asked for.");
    }

    [Fact]
    public async Task A_pod_with_one_dead_datastore_works_on_the_other()
    {
        var second = Path.Combine(fixture.Root, "second");
        Directory.CreateDirectory(second);
        fixture.Settings["datastore.second"] = second;
        await fixture.ReopenAsync();
        Value(await fixture.Connector.ProbeAsync(CancellationToken.None));
        Directory.Delete(fixture.Datastore, recursive: true);
        var rooms = Value(await fixture.Connector.ProbeAsync(CancellationToken.None)).Datastores;
        Assert.Equal(FaultCause.Unreachable, rooms.Single(room => room.Name == "main").Trouble!.Cause);
        Assert.Null(rooms.Single(room => room.Name == "second").Trouble);
        Assert.Equal("second", Value(await fixture.Connector.ReceiveAsync(disk)).Datastore);
        Assert.Equal("second", Value(await fixture.Connector.FinaliseAsync(disk)).Datastore);
        Fault(await fixture.Connector.DeleteAsync(Order(), DeleteScope.Copy, CancellationToken.None), FaultCause.Unreachable);
        Fault(await fixture.Connector.InventoryAsync(null, 10, CancellationToken.None), FaultCause.Unreachable);
    }

    [Fact]
    public async Task A_source_truncated_while_it_is_read_is_refused_and_leaves_nothing()
    {
        var source = fixture.AddSource("golden.raw", disk.Bytes.ToArray());
        var observer = new AtFirstAdvance(() => File.WriteAllBytes(Path.Combine(fixture.Sources, "golden.raw"), new byte[2 << 20]));
        var fault = Fault(await fixture.Connector.PrepareAsync(Order(), source, observer, CancellationToken.None));
        Assert.True(fault.Cause is FaultCause.SourceChanged or FaultCause.SourceUnusable or FaultCause.InputOutput, fault.ToString());
        Assert.Empty(await fixture.Connector.InventoryAsync());
    }

    [Fact]
    public async Task A_bad_source_copy_on_the_same_machine_is_found_and_named()
    {
        await using var other = new FilesystemFixture();
        Value(await other.Connector.ReceiveAsync(disk));
        Value(await other.Connector.FinaliseAsync(disk));
        other.DamageFinal(Pos, 4);
        await using var reader = Value(await other.Connector.OpenAsync(Pos, CancellationToken.None));
        var offer = Value(ReaderOffer.Create(reader, disk.Content));
        Value(await fixture.Connector.ReceiveAsync(Order(), offer, SilentObserver.Instance, CancellationToken.None));
        Fault(await fixture.Connector.FinaliseAsync(disk), FaultCause.TargetCorrupt);
        Fault(await fixture.Connector.ReceiveAsync(Order(), offer, SilentObserver.Instance, CancellationToken.None), FaultCause.SourceCorrupt);
        Assert.DoesNotContain(await fixture.Connector.InventoryAsync(), entry => entry.Final);
    }

    [Fact]
    public void All_faults_of_the_settings_are_told_at_once()
    {
        var fault = Fault(new FilesystemPods(TimeProvider.System).Create(Spec(
            "filesystem", ("datastore.a b", "/x"), ("datastore.c", "relative"), ("sources", "/a/../b"), ("expect-mount", "z"), ("reserve", "lots"), ("colour", "blue"))));
        Assert.Equal(FaultCause.Misconfigured, fault.Cause);
        Assert.All(
            (string[])["datastore.a b", "'relative'", "'/a/../b'", "'z'", "'lots'", "'colour'", "allowed-sources"],
            expected => Assert.Contains(expected, fault.Detail, StringComparison.Ordinal));
        Assert.Contains("0 settings", Fault(new FilesystemPods(TimeProvider.System).Create(Spec("filesystem"))).Detail, StringComparison.Ordinal);
    }

    private sealed class AtFirstAdvance(Action act) : ITransferObserver
    {
        private int done;

        public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded)
        {
        }

        public void ChunkRequested(int chunk)
        {
        }

        public void ChunkStaged(int chunk, int length)
        {
        }

        public void Advanced(long bytes, long total)
        {
            if (Interlocked.Exchange(ref done, 1) == 0)
            {
                act();
            }
        }
    }
}
