using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using static Orleans.ImageMgmt.Connectors.Tests.Calls;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>In a fan-out most bytes come from pods that are receiving themselves: what they give has to be as small as what the source pod gives.</summary>
public sealed class StagedGiverTests : IAsyncDisposable
{
    private readonly FilesystemFixture source = new();
    private readonly FilesystemFixture giver = new();

    public async ValueTask DisposeAsync()
    {
        await source.DisposeAsync();
        await giver.DisposeAsync();
    }

    [Fact]
    public async Task A_copy_that_is_still_coming_is_given_out_as_what_differs_from_the_version_before()
    {
        var bytes = new byte[4 << 20];
        new Random(5).NextBytes(bytes);
        var old = await ReceiveAsync("1.0", bytes);
        Value(await giver.Connector.FinaliseAsync(OrderOf("1.0"), old, SilentObserver.Instance, CancellationToken.None));
        byte[] moved = [.. bytes[..(1 << 20)], .. new byte[77], .. bytes[(1 << 20)..^77]];
        var next = await ReceiveAsync("1.1", moved);

        await using var staged = Value(await giver.Connector.OpenStagedAsync(OrderOf("1.1").Version, CancellationToken.None));
        var blocks = (IBlockReader)staged;
        var digests = new byte[DigestAnswer.MaxLength(4)];
        var told = await blocks.ReadDigestsAsync(new DigestRequest(NumberRuns.Of([0, 1, 2, 3]), [next.ContentDigest, old.ContentDigest]), digests, CancellationToken.None);
        Assert.Equal(2, digests[0]); // against the second base; the first is this very version, which it does not hold yet
        Assert.InRange(told, 1, (3 * BlockLayout.BlocksPerPiece * BlockLayout.DigestLength) + (4 * BlockSet.ByteLength) + 1); // nothing is said of the first mebibyte but that it is the same

        var frame = new byte[BlockFrame.MaxLength];
        var length = await blocks.ReadBlocksAsync(new BlockRequest(NumberRuns.Of(Enumerable.Range(256, 256).Select(block => (long)block)), 3, [old.ContentDigest]), frame, CancellationToken.None);
        var head = BlockFrame.Read(frame.AsSpan(0, length), 1 << 20, [old.Length]);
        Assert.Equal(BlockPacking.ZstdWithWindows, head.Packing);
        Assert.InRange(length, 1, 100_000); // random bytes, moved by 77: a mebibyte without windows
    }

    private static CopyOrder OrderOf(string version) => new(new VersionId(Pos.Image, new VersionName(version)), new Generation(1), 1);

    /// <summary>Imports at the source, and brings all of it into the giver's staging folder.</summary>
    private async Task<ContentDescription> ReceiveAsync(string version, byte[] bytes)
    {
        var prepared = Value(await source.Connector.PrepareAsync(OrderOf(version), source.AddSource($"{version}.raw", bytes), SilentObserver.Instance, CancellationToken.None));
        await using var reader = Value(await source.Connector.OpenAsync(OrderOf(version).Version, CancellationToken.None));
        Value(await giver.Connector.ReceiveAsync(OrderOf(version), Value(ReaderOffer.Create(reader, prepared.Content)), SilentObserver.Instance, CancellationToken.None));
        return prepared.Content;
    }
}
