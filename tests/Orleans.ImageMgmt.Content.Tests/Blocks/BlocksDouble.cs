using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content.Tests.Blocks;

/// <summary>A reader as of another machine that offers blocks; notes what is asked, and may change what it hands out.</summary>
internal sealed class BlocksDouble(LocalContentReader inner, CancellationToken cut = default) : IContentReader, IBlockReader
{
    private readonly Lock gate = new();
    private readonly List<(int Piece, int Block)> asked = [];

    public ContentManifest Manifest => inner.Manifest;

    public SafeFileHandle? LocalFile => null;

    public Action<byte[]>? AfterDigests { get; init; }

    public Action<byte[]>? AfterFrame { get; init; }

    public Action<long, Memory<byte>>? AfterRead { get; init; }

    public Func<BlockRequest, Task>? BeforeFrame { get; init; }

    /// <summary>What was asked for, rising.</summary>
    public IReadOnlyList<(int Piece, int Block)> Asked
    {
        get
        {
            lock (gate)
            {
                return [.. asked.Order()];
            }
        }
    }

    public int Frames { get; private set; }

    public long DigestBytes { get; private set; }

    /// <summary>Bytes that an answer with digests lacks.</summary>
    public int ShorterDigests { get; init; }

    public long Travelled { get; private set; }

    public long PlainBytes { get; private set; }

    public bool AskedForWindows { get; private set; }

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        cut.ThrowIfCancellationRequested();
        await inner.ReadAsync(offset, buffer, cancellationToken);
        AfterRead?.Invoke(offset, buffer);
        lock (gate)
        {
            (PlainBytes, Travelled) = (PlainBytes + buffer.Length, Travelled + buffer.Length);
        }
    }

    public async ValueTask<int> ReadDigestsAsync(DigestRequest request, Memory<byte> answer, CancellationToken cancellationToken)
    {
        cut.ThrowIfCancellationRequested();
        var length = await inner.ReadDigestsAsync(request, answer, cancellationToken);
        var told = answer[..length].ToArray();
        AfterDigests?.Invoke(told);
        told.CopyTo(answer);
        lock (gate)
        {
            Travelled += length;
            DigestBytes += length;
        }

        return length - ShorterDigests;
    }

    public async ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken)
    {
        cut.ThrowIfCancellationRequested();
        await (BeforeFrame?.Invoke(request) ?? Task.CompletedTask);
        var length = await inner.ReadBlocksAsync(request, frame, cancellationToken);
        var answer = frame[..length].ToArray();
        AfterFrame?.Invoke(answer);
        answer.CopyTo(frame);
        lock (gate)
        {
            Frames++;
            Travelled += length;
            AskedForWindows |= request.Bases.Count > 0;
            asked.AddRange(request.Blocks.Numbers.Select(block => ((int)(block / 256), (int)(block % 256))));
        }

        return length;
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
