using System.Collections.Concurrent;
using System.Runtime.InteropServices;
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

    private readonly ConcurrentDictionary<Digest, Lazy<HeldBase?>> bases = new();

    public async ValueTask<int> ReadDigestsAsync(DigestRequest request, Memory<byte> answer, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(answer.Length, DigestAnswer.MaxLength(request.Pieces.Count));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(request.Bases.Count, BlockRequest.MaxBases);
        if (!request.FitsIn(manifest.Length))
        {
            throw new ArgumentOutOfRangeException(nameof(request), $"No pieces, or some outside a content of {manifest.Length} bytes.");
        }

        return await RunAsync(() => Tell(request, answer.Span, cancellationToken), cancellationToken);
    }

    public async ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(request.Level);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(request.Level, BlockRequest.MaxLevel);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(request.Bases.Count, BlockRequest.MaxBases);
        if (!request.FitsIn(manifest.Length))
        {
            throw new ArgumentOutOfRangeException(nameof(request), $"No blocks, or some outside a content of {manifest.Length} bytes.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(frame.Length, BlockFrame.MaxLengthFor(request.BytesIn(manifest.Length)));

        var (which, held, index) = await BaseOfAsync(request, cancellationToken);
        return await RunAsync(() => Answer(request, which, held, index, frame.Span), cancellationToken);
    }

    public void Dispose()
    {
        table.Dispose();
        foreach (var held in bases.Values.Where(held => held.IsValueCreated))
        {
            held.Value?.Dispose();
        }
    }

    private int Tell(DigestRequest request, Span<byte> answer, CancellationToken cancellationToken)
    {
        var (which, held) = BaseOf(request);
        answer[0] = (byte)(which + 1);
        var at = DigestAnswer.HeaderLength;
        Span<ulong> digests = stackalloc ulong[BlockLayout.BlocksPerPiece];
        Span<ulong> before = stackalloc ulong[BlockLayout.BlocksPerPiece];
        foreach (int piece in request.Pieces.Numbers)
        {
            var these = digests[..BlockLayout.BlockCount(manifest.Length, piece)];
            table.Read(piece, 1, MemoryMarshal.AsBytes(these), cancellationToken);
            var those = held is not null ? before[..held.CountIn(piece)] : [];
            if (!those.IsEmpty)
            {
                held!.Table.Read(piece, 1, MemoryMarshal.AsBytes(those), cancellationToken);
            }

            at += DigestAnswer.WritePiece(these, those, held is not null, answer[at..]);
        }

        return at;
    }

    /// <summary>The first base of the request that is held here, or -1.</summary>
    private (int Which, HeldBase? Base) BaseOf(DigestRequest request)
    {
        for (var i = 0; i < request.Bases.Count; i++)
        {
            if (Held(request.Bases[i]) is { } held)
            {
                return (i, held);
            }
        }

        return (-1, null);
    }

    private HeldBase? Held(Digest content) => findBase is not null && (bases.ContainsKey(content) || bases.Count < MaxBases)
        ? bases.GetOrAdd(content, static (name, find) => new Lazy<HeldBase?>(() => find(name) is { } found ? new HeldBase(found) : null), findBase).Value
        : null;

    /// <summary>The first base of the request that is held here and indexed in time.</summary>
    private async ValueTask<(int Which, OpenBase? Base, WindowIndex? Index)> BaseOfAsync(BlockRequest request, CancellationToken cancellationToken)
    {
        for (var i = 0; i < request.Bases.Count && request.Level > 0; i++)
        {
            var digest = request.Bases[i];
            if (Held(digest) is { } held && await WindowShelf.GetAsync(held.Open.Manifest, () => findBase!(digest), cancellationToken) is { } index)
            {
                return (i, held.Open, index);
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
        var buffer = PieceBuffers.RentAnswer(request.Blocks.Count);
        var blocks = buffer.AsSpan()[..request.BytesIn(manifest.Length)];
        Read(request, blocks);
        var length = request.Level == 0 ? 0 : Pack(request, which, held, index, blocks, frame);
        if (length == 0)
        {
            var start = BlockFrame.WriteHeader(frame, BlockPacking.Stored, 0, [], blocks.Length, blocks.Length);
            blocks.CopyTo(frame[start..]);
            length = start + blocks.Length;
        }

        PieceBuffers.ReturnAnswer(buffer);
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
        foreach (var run in request.Blocks.Runs)
        {
            var from = run.First * BlockLayout.BlockLength;
            var bytes = blocks[..(int)(Math.Min(run.End * BlockLayout.BlockLength, manifest.Length) - from)];
            if (!ChunkCheck.TryReadAll(file, bytes, from))
            {
                throw new EndOfStreamException($"The sealed file ends before byte {from + bytes.Length}; its manifest says {manifest.Length} bytes.");
            }

            blocks = blocks[bytes.Length..];
        }
    }

    /// <summary>A base that somebody asked for, and its digests.</summary>
    private sealed class HeldBase(OpenBase open) : IDisposable
    {
        public OpenBase Open { get; } = open;

        public BlockTable Table { get; } = new(open.File, open.Manifest, open.SidePath);

        /// <summary>Blocks that it has in a piece.</summary>
        public int CountIn(int piece) => piece < BlockLayout.PieceCount(Open.Manifest.Length) ? BlockLayout.BlockCount(Open.Manifest.Length, piece) : 0;

        public void Dispose()
        {
            Table.Dispose();
            Open.File.Dispose();
        }
    }
}
