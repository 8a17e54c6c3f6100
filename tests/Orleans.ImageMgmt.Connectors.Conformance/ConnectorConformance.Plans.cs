using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Connectors.Conformance;

public abstract partial class ConnectorConformance
{
    [Fact]
    public async Task Rule_22_a_plan_changes_nothing_and_says_what_a_receive_would_then_do()
    {
        var disk = OfferedDisk.Make();
        if (!Can.CanPlan)
        {
            Fault(await PlanAsync(disk), FaultStage.Receive, FaultCause.Unsupported);
            return;
        }

        var fresh = Value(await PlanAsync(disk));
        Assert.Equal((disk.Manifest.DataLength, 0L, 0L, disk.Manifest.DataLength, false), (fresh.BytesToSend, fresh.BytesStaged, fresh.BytesReused, fresh.RoomNeeded, fresh.IsHeld));
        Assert.Empty(await InventoryAsync());

        disk.BeforeRead = BreakAt(6);
        Fault(await ReceiveAsync(disk), FaultStage.Receive);
        disk.BeforeRead = null;
        var before = await InventoryAsync();
        var reads = disk.Reads.Count;
        var half = Value(await PlanAsync(disk));
        Assert.True(half.BytesStaged > 0, "What is staged is seen.");
        Assert.Equal(disk.Manifest.DataLength, half.BytesToSend + half.BytesStaged + half.BytesReused);
        Assert.Equal(before, await InventoryAsync());
        Assert.Equal(reads, disk.Reads.Count);

        var made = Value(await ReceiveAsync(disk));
        Assert.True(made.BytesSent <= half.BytesToSend + (2 * disk.Manifest.ChunkSize), $"{half.BytesToSend} were foreseen, {made.BytesSent} were sent.");
        Value(await FinaliseAsync(disk));
        var held = Value(await PlanAsync(disk));
        Assert.Equal((true, 0L, 0L), (held.IsHeld, held.BytesToSend, held.RoomNeeded));
    }

    private Task<ConnectorResult<ReceivePlan>> PlanAsync(OfferedDisk disk) => Connector.PlanReceiveAsync(Version, disk.Content, disk.Manifest, CancellationToken.None);
}
