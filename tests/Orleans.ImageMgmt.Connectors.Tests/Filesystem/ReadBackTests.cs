using Orleans.ImageMgmt.Connectors.Conformance;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using static Orleans.ImageMgmt.Connectors.Tests.Calls;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>A finalise reads back what the receive of the same try has not; after any doubt, everything.</summary>
public sealed class ReadBackTests : IAsyncDisposable
{
    private readonly FilesystemFixture fixture = new();
    private readonly OfferedDisk disk = OfferedDisk.Make(5);

    public ValueTask DisposeAsync() => fixture.DisposeAsync();

    [Fact]
    public async Task The_same_try_is_read_back_once()
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        var (receipt, first) = await FinaliseAsync(Order());
        Assert.Equal(disk.Content.DataLength, receipt.BytesReadBack);
        Assert.Equal(disk.Content.Length, first);
    }

    [Fact]
    public async Task Another_try_reads_everything_back()
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        var (receipt, first) = await FinaliseAsync(Order() with { Attempt = 2 });
        Assert.Equal(disk.Content.DataLength, receipt.BytesReadBack);
        Assert.True(first < disk.Content.Length);
    }

    [Fact]
    public async Task Another_process_reads_everything_back()
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        await fixture.ReopenAsync();
        var (receipt, first) = await FinaliseAsync(Order());
        Assert.Equal(disk.Content.DataLength, receipt.BytesReadBack);
        Assert.True(first < disk.Content.Length);
    }

    [Fact]
    public async Task A_proof_is_used_once()
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        fixture.DamageStaged(Pos, 1);
        Fault(await fixture.Connector.FinaliseAsync(disk), FaultCause.TargetCorrupt);
        Fault(await fixture.Connector.FinaliseAsync(disk), FaultCause.TargetCorrupt);
        Value(await fixture.Connector.ReceiveAsync(disk));
        var (receipt, _) = await FinaliseAsync(Order());
        Assert.Equal(disk.Content.ContentDigest, receipt.ContentDigest);
    }

    [Fact]
    public async Task Damage_under_a_set_back_time_of_modification_is_found()
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        var path = Path.Combine(fixture.StagedFolder(Pos), "disk.raw");
        var modified = File.GetLastWriteTimeUtc(path);
        fixture.DamageStaged(Pos, 3);
        File.SetLastWriteTimeUtc(path, modified);
        Fault(await fixture.Connector.FinaliseAsync(disk), FaultCause.TargetCorrupt);
    }

    [Fact]
    public async Task A_pod_that_samples_says_in_its_receipt_how_much_it_read_back_and_a_verification_reads_all()
    {
        await using var sampling = new FilesystemFixture(settings: ("read-back", "sampled"));
        Value(await sampling.Connector.ReceiveAsync(disk));
        var receipt = Value(await sampling.Connector.FinaliseAsync(disk));
        Assert.InRange(receipt.BytesReadBack, 1, disk.Content.DataLength - 1);
        Assert.Equal(disk.Content.ContentDigest, receipt.ContentDigest);
        Assert.Equal(disk.Content.DataLength, Value(await sampling.Connector.VerifyAsync(Pos, SilentObserver.Instance, CancellationToken.None)).BytesReadBack);
    }

    [Fact]
    public void A_policy_that_is_none_is_refused_with_the_choices()
    {
        fixture.Settings["read-back"] = "never";
        var refused = Assert.IsType<ConnectorResult<IPodConnector>.Failed>(new FilesystemPods(TimeProvider.System).Create(fixture.Spec())).Fault;
        Assert.Equal(FaultCause.Misconfigured, refused.Cause);
        Assert.Contains("'read-back' is 'never'; one of each, sampled is expected", refused.Detail, StringComparison.Ordinal);
    }

    private async Task<(Receipt Receipt, long FirstAdvance)> FinaliseAsync(CopyOrder order)
    {
        var watch = new Advances();
        return (Value(await fixture.Connector.FinaliseAsync(order, disk.Content, watch, CancellationToken.None)), watch.First);
    }

    /// <summary>Where the read-back begins: at the end when nothing is left to be read.</summary>
    private sealed class Advances : ITransferObserver
    {
        public long First { get; private set; } = -1;

        public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded)
        {
        }

        public void ChunkRequested(int chunk)
        {
        }

        public void ChunkStaged(int chunk, int length)
        {
        }

        public void Advanced(long bytes, long total) => First = First < 0 ? bytes : First;
    }
}
