using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Connectors.Conformance;

public abstract partial class ConnectorConformance
{
    [Fact]
    public async Task Rule_01_what_the_world_does_comes_back_as_a_value()
    {
        var disk = OfferedDisk.Make();
        disk.BeforeRead = BreakAt(3);
        Fault(await ReceiveAsync(disk), FaultStage.Receive, FaultCause.Unreachable, FaultCause.SourceCorrupt);
        Fault(await Connector.VerifyAsync(Other, SilentObserver.Instance, CancellationToken.None), FaultStage.Verify);
        Fault(await Connector.OpenAsync(Other, CancellationToken.None), FaultStage.Open);
        Fault(await FinaliseAsync(disk, Order(Other)), FaultStage.Finalise, FaultCause.TargetCorrupt);
        Fault(await Connector.PrepareAsync(Order(Other), new SourceRef("nobody-has-this"), SilentObserver.Instance, CancellationToken.None), FaultStage.Prepare);
        Value(await Connector.ProbeAsync(CancellationToken.None));
    }

    [Fact]
    public async Task Rule_02_every_call_may_come_twice()
    {
        var disk = OfferedDisk.Make();
        Value(await ReceiveAsync(disk));
        Value(await ReceiveAsync(disk));
        var receipt = Value(await FinaliseAsync(disk));
        Assert.Equal(receipt, Value(await FinaliseAsync(disk)));
        disk.Forget();
        Assert.Equal(0, Value(await ReceiveAsync(disk)).BytesSent);
        Assert.Empty(disk.Reads);
        Assert.Equal(receipt, Value(await FinaliseAsync(disk, Order(generation: 6))));
        Assert.True(Value(await EndAsync(() => Connector.DeleteAsync(Order(generation: 6), DeleteScope.Copy, CancellationToken.None))).CopyRemoved);
        Assert.False(Value(await EndAsync(() => Connector.DeleteAsync(Order(generation: 6), DeleteScope.Copy, CancellationToken.None))).CopyRemoved);
    }

    [Fact]
    public async Task Rule_02_two_calls_at_once_leave_one_whole_copy()
    {
        var disk = OfferedDisk.Make();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => MakeCopyAsync(disk))));
        var entry = Assert.Single(await InventoryAsync());
        Assert.True(entry.Final);
        Assert.Equal(disk.Content.ContentDigest, Value(await Connector.VerifyAsync(Version, SilentObserver.Instance, CancellationToken.None)).ContentDigest);
    }

    [Fact]
    public async Task Rule_02_calls_about_different_versions_do_not_disturb_each_other()
    {
        var disk = OfferedDisk.MakeSmall(1);
        var versions = Enumerable.Range(0, 6).Select(i => new VersionId(new ImageName($"image-{i % 2}"), new VersionName($"1.{i}"))).ToList();
        await Task.WhenAll(versions.Select(version => Task.Run(async () =>
        {
            for (var round = 0; round < 3; round++)
            {
                Assert.Equal(version, (await MakeCopyAsync(disk, Order(version))).Version);
                Value(await Connector.ProbeAsync(CancellationToken.None));
                Assert.Contains(await InventoryAsync(), entry => entry.Version == version && entry.Final);
                Assert.True(Value(await EndAsync(() => Connector.DeleteAsync(Order(version), DeleteScope.Copy, CancellationToken.None))).CopyRemoved);
            }
        })));
        Assert.Empty(await InventoryAsync());
    }

    [Fact]
    public async Task Rule_03_a_call_may_be_cut_at_any_chunk_and_made_again()
    {
        var disk = OfferedDisk.Make();
        for (var cut = 0; cut < disk.Manifest.DataChunks; cut++)
        {
            disk.Forget();
            disk.BeforeRead = BreakAt(cut);
            Fault(await ReceiveAsync(disk), FaultStage.Receive);
            Fault(await FinaliseAsync(disk), FaultStage.Finalise, FaultCause.TargetCorrupt);
            await Fixture.ReopenAsync();
            disk.BeforeRead = null;
            Assert.Equal(disk.Content.ContentDigest, (await MakeCopyAsync(disk)).ContentDigest);
            Assert.True(Value(await EndAsync(() => Connector.DeleteAsync(Order(), DeleteScope.Copy, CancellationToken.None))).CopyRemoved);
            Assert.Empty(await InventoryAsync());
        }
    }

    [Fact]
    public async Task Rule_04_an_older_generation_is_refused_as_stale_even_after_a_restart_and_a_delete()
    {
        var disk = OfferedDisk.MakeSmall(1);
        await MakeCopyAsync(disk, Order(generation: 7));
        await Fixture.ReopenAsync();
        await AllStaleAsync(disk, Order(generation: 6));
        Value(await EndAsync(() => Connector.DeleteAsync(Order(generation: 8), DeleteScope.Copy, CancellationToken.None)));
        await Fixture.ReopenAsync();
        await AllStaleAsync(disk, Order(generation: 7));
        Assert.Empty(await InventoryAsync());
        await MakeCopyAsync(disk, Order(generation: 8));
    }

    [Fact]
    public async Task Rule_08_a_staged_chunk_is_never_asked_for_again()
    {
        var disk = OfferedDisk.Make();
        disk.BeforeRead = BreakAt(4);
        var before = new Recorder();
        Fault(await ReceiveAsync(disk, observer: before), FaultStage.Receive);
        await Fixture.ReopenAsync();
        disk.BeforeRead = null;
        var after = new Recorder();
        var staged = Value(await ReceiveAsync(disk, observer: after));
        if (Can.Resumable)
        {
            Assert.NotEmpty(before.Staged);
            Assert.Empty(after.Requested.Intersect(before.Staged));
            Assert.Equal(disk.Manifest.DataChunks - before.Staged.Count, after.Requested.Count);
            Assert.Equal(before.Staged.Sum(chunk => (long)disk.Manifest.LengthOf(chunk)), staged.BytesStagedBefore);
        }
        else
        {
            Assert.Equal(0, staged.BytesStagedBefore);
            Assert.True(staged.BytesSent >= disk.Manifest.DataLength, "What cannot be resumed is sent whole.");
        }

        Value(await FinaliseAsync(disk));
    }

    [Fact]
    public async Task Rule_10_deleting_nothing_is_success()
    {
        var removed = Value(await Connector.DeleteAsync(Order(), DeleteScope.Copy, CancellationToken.None));
        Assert.Equal(new Removed(false, false), removed);
        Assert.Equal(new Removed(false, false), Value(await Connector.DeleteAsync(Order(), DeleteScope.Staged, CancellationToken.None)));
    }

    [Fact]
    public async Task Rule_10_deleting_what_is_staged_leaves_a_final_copy_alone()
    {
        var disk = OfferedDisk.MakeSmall(1);
        await MakeCopyAsync(disk);
        Assert.Equal(new Removed(false, false), Value(await Connector.DeleteAsync(Order(), DeleteScope.Staged, CancellationToken.None)));
        Assert.True(Assert.Single(await InventoryAsync()).Final);
    }

    [Fact]
    public async Task Rule_12_cancellation_is_prompt_and_what_it_leaves_can_be_resumed_or_removed()
    {
        var disk = OfferedDisk.Make();
        using var stop = new CancellationTokenSource();
        disk.BeforeRead = async (number, token) =>
        {
            if (number == 3)
            {
                await stop.CancelAsync();
                await new TaskCompletionSource().Task.WaitAsync(token.CanBeCanceled ? token : stop.Token);
            }
        };
        Fault(await ReceiveAsync(disk, cancellationToken: stop.Token), FaultStage.Receive, FaultCause.Cancelled);
        Fault(await ReceiveAsync(disk, cancellationToken: stop.Token), FaultStage.Receive, FaultCause.Cancelled);
        disk.BeforeRead = null;
        Value(await ReceiveAsync(disk));
        Value(await EndAsync(() => Connector.DeleteAsync(Order(), DeleteScope.Staged, CancellationToken.None)));
        Assert.Empty(await InventoryAsync());
    }

    private async Task AllStaleAsync(OfferedDisk disk, CopyOrder old)
    {
        Fault(await ReceiveAsync(disk, old), FaultStage.Receive, FaultCause.Stale);
        Fault(await FinaliseAsync(disk, old), FaultStage.Finalise, FaultCause.Stale);
        Fault(await EndAsync(() => Connector.DeleteAsync(old, DeleteScope.Copy, CancellationToken.None)), FaultStage.Delete, FaultCause.Stale);
        Fault(
            await EndAsync(() => Connector.PrepareAsync(old, new SourceRef("any"), SilentObserver.Instance, CancellationToken.None)),
            FaultStage.Prepare,
            FaultCause.Stale);
    }
}
