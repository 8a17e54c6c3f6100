using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>Answers of <see cref="IBlockReader"/> out of a sealed file on this machine.</summary>
internal sealed class LocalBlocks(SafeFileHandle file, ContentManifest manifest, string? sidePath) : IDisposable
{
    /// <summary>Packing is all processor: more at once than there are cores only makes each slower. The rest wait in line, without a thread.</summary>
    private static readonly SemaphoreSlim Cores = new(Environment.ProcessorCount);

    private readonly BlockTable table = new(file, manifest, sidePath);

    public async ValueTask ReadDigestsAsync(int firstPiece, int pieces, Memory<byte> digests, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(digests.Length, BlockLayout.DigestsLength(manifest.Length, firstPiece, pieces));
        await RunAsync(
            () =>
            {
                table.Read(firstPiece, pieces, digests.Span, cancellationToken);
                return 0;
            },
            cancellationToken);
    }

    public async ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(frame.Length, BlockFrame.MaxLength);
        ArgumentOutOfRangeException.ThrowIfNegative(request.Level);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(request.Level, BlockRequest.MaxLevel);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(request.Bases.Count, BlockRequest.MaxBases);
        if (!request.Blocks.FitsIn(manifest.Length, request.Piece))
        {
            throw new ArgumentOutOfRangeException(nameof(request), $"No blocks, or some outside piece {request.Piece} of a content of {manifest.Length} bytes.");
        }

        return await RunAsync(() => Answer(request, frame.Span), cancellationToken);
    }

    public void Dispose() => table.Dispose();

    private static async Task<int> RunAsync(Func<int> work, CancellationToken cancellationToken)
    {
        await Cores.WaitAsync(cancellationToken);
        try
        {
            return await PieceBuffers.RunAsync(work, cancellationToken);
        }
        finally
        {
            Cores.Release();
        }
    }

    private int Answer(BlockRequest request, Span<byte> frame)
    {
        var buffer = PieceBuffers.Rent();
        var blocks = buffer.Span[..request.Blocks.BytesOf(manifest.Length, request.Piece)];
        Read(request, blocks);
        var length = request.Level == 0 ? 0 : Pack(request, blocks, frame);
        if (length == 0)
        {
            var start = BlockFrame.WriteHeader(frame, BlockPacking.Stored, 0, [], blocks.Length, blocks.Length);
            blocks.CopyTo(frame[start..]);
            length = start + blocks.Length;
        }

        PieceBuffers.Return(buffer);
        return length;
    }

    /// <returns>0 when packing gains nothing.</returns>
    private static int Pack(BlockRequest request, ReadOnlySpan<byte> blocks, Span<byte> frame)
    {
        using var packer = BlockPacker.Rent();
        var packed = packer.Pack(blocks, [], request.Level, frame.Slice(BlockFrame.HeaderLength, blocks.Length - 1));
        return packed == 0 ? 0 : BlockFrame.WriteHeader(frame, BlockPacking.Zstd, 0, [], blocks.Length, packed) + packed;
    }

    private void Read(BlockRequest request, Span<byte> blocks)
    {
        var length = BlockLayout.LengthOf(manifest.Length, request.Piece);
        for (var first = request.Blocks.NextFrom(0); first >= 0;)
        {
            var end = request.Blocks.EndOfRun(first);
            var at = first * BlockLayout.BlockLength;
            var run = blocks[..(Math.Min(end * BlockLayout.BlockLength, length) - at)];
            if (!ChunkCheck.TryReadAll(file, run, BlockLayout.OffsetOf(request.Piece) + at))
            {
                throw new EndOfStreamException($"The sealed file ends inside piece {request.Piece}; its manifest says {manifest.Length} bytes.");
            }

            blocks = blocks[run.Length..];
            first = request.Blocks.NextFrom(end);
        }
    }
}
