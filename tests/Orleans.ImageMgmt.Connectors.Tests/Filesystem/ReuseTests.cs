using Orleans.ImageMgmt.Connectors.Conformance;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using static Orleans.ImageMgmt.Connectors.Tests.Calls;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>A version after another one of its image: what the pod holds of it does not travel.</summary>
public sealed class ReuseTests : IAsyncDisposable
{
    private static readonly VersionId Next = new(Pos.Image, new VersionName("1.1"));
    private static readonly VersionId Elsewhere = new(new ImageName("Another"), new VersionName("1.0"));
    private readonly FilesystemFixture fixture = new();
    private readonly OfferedDisk disk = OfferedDisk.Make(6);

    public ValueTask DisposeAsync() => fixture.DisposeAsync();

    [Fact]
    public async Task The_same_content_under_the_next_version_sends_nothing_and_is_proved_all_the_same()
    {
        await CopyAsync(Pos);
        disk.Forget();
        var receipt = await CopyAsync(Next);
        Assert.Empty(disk.Reads);
        Assert.Equal(0, receipt.BytesSent);
        Assert.Equal(disk.Content.DataLength, receipt.BytesReused);
        Assert.Equal(disk.Content.DataLength, receipt.BytesReadBack);
        Assert.Equal(disk.Bytes.ToArray(), await File.ReadAllBytesAsync(Path.Combine(fixture.FinalFolder(Next), "disk.raw")));
    }

    [Fact]
    public async Task A_chunk_that_is_damaged_in_the_old_copy_is_sent()
    {
        await CopyAsync(Pos);
        fixture.DamageFinal(Pos, 3);
        disk.Forget();
        var receipt = await CopyAsync(Next);
        Assert.Equal([3], disk.Reads.Distinct());
        Assert.Equal(disk.Content.DataLength - receipt.BytesSent, receipt.BytesReused);
        Assert.Equal(disk.Bytes.ToArray(), await File.ReadAllBytesAsync(Path.Combine(fixture.FinalFolder(Next), "disk.raw")));
    }

    [Fact]
    public async Task A_copy_that_a_verification_found_bad_is_left_alone()
    {
        await CopyAsync(Pos);
        fixture.DamageFinal(Pos, 3);
        Fault(await fixture.Connector.VerifyAsync(), FaultCause.TargetCorrupt);
        disk.Forget();
        Assert.Equal(0, (await CopyAsync(Next)).BytesReused);
        Assert.NotEmpty(disk.Reads);
    }

    [Fact]
    public async Task A_cut_between_receive_and_finalise_sends_nothing_again()
    {
        await CopyAsync(Pos);
        Value(await ReceiveAsync(Next));
        await fixture.ReopenAsync();
        disk.Forget();
        var receipt = await CopyAsync(Next);
        Assert.Empty(disk.Reads);
        Assert.Equal(disk.Content.ContentDigest, receipt.ContentDigest);
    }

    [Fact]
    public async Task Another_image_is_not_looked_into()
    {
        await CopyAsync(Pos);
        disk.Forget();
        Assert.Equal(0, (await CopyAsync(Elsewhere)).BytesReused);
        Assert.NotEmpty(disk.Reads);
    }

    private async Task<Receipt> CopyAsync(VersionId version)
    {
        Value(await ReceiveAsync(version));
        return Value(await fixture.Connector.FinaliseAsync(OrderOf(version), disk.Content, SilentObserver.Instance, CancellationToken.None));
    }

    private Task<ConnectorResult<StagedCopy>> ReceiveAsync(VersionId version) =>
        fixture.Connector.ReceiveAsync(OrderOf(version), Value(ReaderOffer.Create(disk, disk.Content)), SilentObserver.Instance, CancellationToken.None);

    private static CopyOrder OrderOf(VersionId version) => new(version, new Generation(1), 1);
}
