using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using static Orleans.ImageMgmt.Connectors.Tests.Calls;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>A delta is about the guest's bytes: what a source was packed in does not matter, for copies are raw (D2).</summary>
public sealed class GuestDeltaTests : IAsyncDisposable
{
    private const int Block = BlockLayout.BlockLength;
    private const int Length = 16 << 20;
    private static readonly int[] ChangedBlocks = [3, 700, 701, 2_900];
    private readonly FilesystemFixture source = new();
    private readonly FilesystemFixture target = new();
    private ReceivePlan? planned;

    public async ValueTask DisposeAsync()
    {
        await source.DisposeAsync();
        await target.DisposeAsync();
    }

    [Theory]
    [InlineData("qcow2", "-c -O qcow2", "-O vmdk -o subformat=streamOptimized")]
    [InlineData("vmdk", "-O vmdk -o subformat=streamOptimized", "-c -O qcow2 -o compression_type=zstd")]
    public async Task After_a_compressed_source_only_the_blocks_that_the_guest_changed_travel(string first, string packing, string nextPacking)
    {
        var bytes = Disk();
        await CopyAsync("1.0", bytes, $"first.{first}", packing);
        foreach (var block in ChangedBlocks)
        {
            new Random(block).NextBytes(bytes.AsSpan(block * Block, Block));
        }

        var (receipt, asked) = await CopyAsync("1.1", bytes, "next.image", nextPacking);
        Assert.Equal(ChangedBlocks, asked);
        Assert.InRange(receipt.BytesSent, ChangedBlocks.Length * Block, (ChangedBlocks.Length * Block) + (3 * BlockSet.ByteLength) + (ChangedBlocks.Length * BlockLayout.DigestLength) + 200);
        Assert.True(planned!.ByBlocks);
        Assert.InRange(receipt.BytesSent, planned.BytesToSend * 95 / 100, planned.BytesToSend); // random bytes do not pack: the bound is what travels
        Assert.Equal((10 << 20) - (ChangedBlocks.Length * Block), planned.BytesReused);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(Path.Combine(target.FinalFolder(receipt.Version), "disk.raw")));
        Assert.All(
            (FilesystemFixture[])[source, target],
            pod => Assert.Equal(["blocks.bin"], Directory.EnumerateFiles(pod.FinalFolder(receipt.Version), "blocks.bin*").Select(Path.GetFileName)));
    }

    /// <summary>Data in ten of sixteen chunks; random, so that nothing travels smaller than it is.</summary>
    private static byte[] Disk()
    {
        var bytes = new byte[Length];
        new Random(7).NextBytes(bytes.AsSpan(0, 4 << 20));
        new Random(8).NextBytes(bytes.AsSpan(8 << 20, 6 << 20));
        return bytes;
    }

    private List<(string, DateTime)> Files() =>
        [.. Directory.EnumerateFiles(target.Datastore, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(path => (path, File.GetLastWriteTimeUtc(path)))];

    private async Task<(Receipt Receipt, List<int> Asked)> CopyAsync(string name, byte[] bytes, string file, string packing)
    {
        var raw = Path.Combine(source.Root, $"{name}.raw");
        await File.WriteAllBytesAsync(raw, bytes);
        Assert.True(ScratchMount.Run("qemu-img", ["convert", "-f", "raw", .. packing.Split(' '), raw, Path.Combine(source.Sources, file)]));
        var order = new CopyOrder(new VersionId(Pos.Image, new VersionName(name)), new Generation(1), 1);
        var prepared = Value(await source.Connector.PrepareAsync(order, new SourceRef(file), SilentObserver.Instance, CancellationToken.None));
        await using var reader = Value(await source.Connector.OpenAsync(order.Version, CancellationToken.None));
        var far = new FarReader(reader);
        var before = Files();
        planned = Value(await target.Connector.PlanReceiveAsync(order.Version, prepared.Content, far.Manifest, far, CancellationToken.None));
        Assert.Empty(far.Asked);
        Assert.Equal(before, Files()); // the plan leaves nothing behind
        Value(await target.Connector.ReceiveAsync(order, Value(ReaderOffer.Create(far, prepared.Content)), SilentObserver.Instance, CancellationToken.None));
        return (Value(await target.Connector.FinaliseAsync(order, prepared.Content, SilentObserver.Instance, CancellationToken.None)), far.Asked);
    }

    /// <summary>The source pod's own reader as of another machine.</summary>
    private sealed class FarReader(IContentReader inner) : IContentReader, IBlockReader
    {
        private readonly SortedSet<int> asked = [];

        public List<int> Asked => [.. asked];

        public ContentManifest Manifest => inner.Manifest;

        public SafeFileHandle? LocalFile => null;

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) => inner.ReadAsync(offset, buffer, cancellationToken);

        public ValueTask<int> ReadDigestsAsync(DigestRequest request, Memory<byte> answer, CancellationToken cancellationToken) =>
            ((IBlockReader)inner).ReadDigestsAsync(request, answer, cancellationToken);

        public ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken)
        {
            lock (asked)
            {
                asked.UnionWith(request.Blocks.Numbers.Select(block => (int)block));
            }

            return ((IBlockReader)inner).ReadBlocksAsync(request, frame, cancellationToken);
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
