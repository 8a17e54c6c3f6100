using System.Security.Cryptography;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>The bytes that came from the sending side are not what the manifest says.</summary>
public sealed class ArtefactCorruptException(int chunk) : IOException($"Chunk {chunk} of the sending side is not what the manifest says.")
{
    public int Chunk { get; } = chunk;
}

/// <summary>A copy as one stream from first byte to last, one chunk in memory, each chunk checked before any of its bytes is given out.
/// Zero chunks are never asked for.</summary>
internal sealed class ArtefactStream(IContentReader reader, bool isChecked, Func<int, CancellationToken, ValueTask<int>>? throttle = null) : Stream
{
    private readonly ContentManifest manifest = reader.Manifest;
    private readonly byte[] window = new byte[reader.Manifest.ChunkSize];
    private int loaded = -1;
    private long position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => manifest.Length;

    public override long Position
    {
        get => position;
        set => throw new NotSupportedException("An artefact is read from first byte to last.");
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (position >= manifest.Length || buffer.Length == 0)
        {
            return 0;
        }

        var chunk = (int)(position / manifest.ChunkSize);
        await LoadAsync(chunk, cancellationToken);
        var within = (int)(position - manifest.OffsetOf(chunk));
        var count = Math.Min(buffer.Length, manifest.LengthOf(chunk) - within);
        window.AsMemory(within, count).CopyTo(buffer);
        position += count;
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private async ValueTask LoadAsync(int chunk, CancellationToken cancellationToken)
    {
        if (chunk == loaded)
        {
            return;
        }

        var bytes = window.AsMemory(0, manifest.LengthOf(chunk));
        loaded = -1;
        if (manifest.IsZero(chunk))
        {
            bytes.Span.Clear();
        }
        else
        {
            await reader.ReadAsync(manifest.OffsetOf(chunk), bytes, throttle, cancellationToken);
            if (isChecked && !manifest.Matches(chunk, SHA256.HashData(bytes.Span)))
            {
                throw new ArtefactCorruptException(chunk);
            }
        }

        loaded = chunk;
    }
}
