using System.Security.Cryptography;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>The content from first byte to last, for whole-artefact pushes. Each chunk's digest is checked on the way; chunks of zeros are not
/// read. No byte of a chunk's last piece is handed out before the chunk is proved, so a push of wrong bytes never completes.</summary>
public sealed class ContentStream(IContentReader source) : Stream
{
    private readonly ContentManifest manifest = source.Manifest;
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly PieceBuffer buffer = PieceBuffers.Rent();
    private long position;
    private int at;
    private int filled;
    private bool disposed;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => manifest.Length;

    public override long Position
    {
        get => position;
        set => throw new NotSupportedException();
    }

    /// <exception cref="SourceCorruptException">A chunk does not have its digest, or the source ends too early.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (position == manifest.Length || buffer.IsEmpty)
        {
            return 0;
        }

        if (at == filled)
        {
            await FillAsync(cancellationToken);
        }

        var count = Math.Min(buffer.Length, filled - at);
        this.buffer.Span.Slice(at, count).CopyTo(buffer.Span);
        at += count;
        position += count;
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        // The buffer is left to the collector: a read that was cancelled may still be writing into it.
        if (disposing && !disposed)
        {
            disposed = true;
            hash.Dispose();
        }

        base.Dispose(disposing);
    }

    private async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        var chunk = (int)(position / manifest.ChunkSize);
        var inside = (int)(position - manifest.OffsetOf(chunk));
        var piece = buffer.Memory[..Math.Min(PieceBuffers.PieceLength, manifest.LengthOf(chunk) - inside)];
        if (manifest.IsZero(chunk))
        {
            piece.Span.Clear();
        }
        else
        {
            await FetchAsync(chunk, inside, piece, cancellationToken);
        }

        at = 0;
        filled = piece.Length;
    }

    private async ValueTask FetchAsync(int chunk, int inside, Memory<byte> piece, CancellationToken cancellationToken)
    {
        try
        {
            await source.ReadAsync(position, piece, cancellationToken);
        }
        catch (EndOfStreamException trouble)
        {
            throw new SourceCorruptException(chunk, position, $"The source ends inside chunk {chunk}: {trouble.Message}", trouble);
        }

        if (inside == 0)
        {
            hash.GetHashAndReset();
        }

        hash.AppendData(piece.Span);
        if (inside + piece.Length == manifest.LengthOf(chunk) && !Proved(chunk))
        {
            throw new SourceCorruptException(chunk, manifest.OffsetOf(chunk), $"Chunk {chunk} at byte {manifest.OffsetOf(chunk)} does not have the digest of its manifest.");
        }
    }

    private bool Proved(int chunk)
    {
        Span<byte> digest = stackalloc byte[Digest.ByteLength];
        hash.GetHashAndReset(digest);
        return manifest.Matches(chunk, digest);
    }
}
