using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>Answers of <see cref="IBlockReader"/> out of a sealed file on this machine.</summary>
internal sealed class LocalBlocks(SafeFileHandle file, ContentManifest manifest, string? sidePath, Func<Digest, OpenBase?>? findBase) : IDisposable
{
    /// <summary>Packing is all processor: more at once than there are cores only makes each slower. The rest wait in line, without a thread.</summary>
    private static readonly SemaphoreSlim Cores = new(Environment.ProcessorCount);

    private readonly BlockTable table = new(file, manifest, sidePath);

    /// <summary>Bases that were asked for; null for one that is not held here. No more than this are remembered, whatever is asked.</summary>
    private const int MaxBases = 16;

    private readonly ConcurrentDictionary<Digest, Lazy<OpenBase?>> bases = new();

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

        var (which, held, index) = await BaseOfAsync(request, cancellationToken);
        return await RunAsync(() => Answer(request, which, held, index, frame.Span), cancellationToken);
    }

    public void Dispose()
    {
        table.Dispose();
        foreach (var held in bases.Values.Where(held => held.IsValueCreated))
        {
            held.Value?.File.Dispose();
        }
    }

    /// <summary>The first base of the request that is held here and indexed in time.</summary>
    private async ValueTask<(int Which, OpenBase? Base, WindowIndex? Index)> BaseOfAsync(BlockRequest request, CancellationToken cancellationToken)
    {
        for (var i = 0; i < request.Bases.Count && findBase is not null && request.Level > 0; i++)
        {
            var digest = request.Bases[i];
            if ((bases.ContainsKey(digest) || bases.Count < MaxBases)
                && bases.GetOrAdd(digest, static (name, find) => new Lazy<OpenBase?>(() => find(name)), findBase).Value is { } held
                && await WindowShelf.GetAsync(held.Manifest, () => findBase(digest), cancellationToken) is { } index)
            {
                return (i, held, index);
            }
        }

        return (0, null, null);
    }

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

    private int Answer(BlockRequest request, int which, OpenBase? held, WindowIndex? index, Span<byte> frame)
    {
        var buffer = PieceBuffers.Rent();
        var blocks = buffer.Span[..request.Blocks.BytesOf(manifest.Length, request.Piece)];
        Read(request, blocks);
        var length = request.Level == 0 ? 0 : Pack(request, which, held, index, blocks, frame);
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
    private static int Pack(BlockRequest request, int which, OpenBase? held, WindowIndex? index, ReadOnlySpan<byte> blocks, Span<byte> frame)
    {
        using var packer = BlockPacker.Rent();
        var windows = index?.Find(blocks) ?? [];
        var prefix = windows.Length == 0 ? [] : ReadWindows(held!, windows, packer.Prefix);
        windows = prefix.IsEmpty ? [] : windows;
        var start = BlockFrame.HeaderLength + (windows.Length * sizeof(int));
        var packed = packer.Pack(blocks, prefix, request.Level, frame.Slice(start, blocks.Length - 1));
        var packing = windows.Length == 0 ? BlockPacking.Zstd : BlockPacking.ZstdWithWindows;
        return packed == 0 ? 0 : BlockFrame.WriteHeader(frame, packing, windows.Length == 0 ? 0 : which, windows, blocks.Length, packed) + packed;
    }

    /// <returns>Nothing when the base cannot be read.</returns>
    private static Span<byte> ReadWindows(OpenBase held, int[] windows, Span<byte> prefix)
    {
        var length = 0;
        foreach (var window in windows)
        {
            var offset = (long)window * BlockFrame.WindowLength;
            var room = prefix.Slice(length, (int)Math.Min(BlockFrame.WindowLength, held.Manifest.Length - offset));
            if (!TryRead(held.File, room, offset))
            {
                return [];
            }

            length += room.Length;
        }

        return prefix[..length];
    }

    private static bool TryRead(SafeFileHandle file, Span<byte> room, long offset)
    {
        try
        {
            return ChunkCheck.TryReadAll(file, room, offset);
        }
        catch (IOException)
        {
            return false;
        }
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
