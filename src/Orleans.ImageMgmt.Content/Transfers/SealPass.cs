using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Formats;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>The one pass over the guest-visible bytes: reads, hashes chunks, writes, and hands each piece on to the serial content hash.</summary>
/// <param name="target">Null: nothing is written.</param>
internal sealed class SealPass(
    DiskImage source,
    SafeFileHandle sourceFile,
    SafeFileHandle? target,
    SerialHash contentHash,
    SealOptions options,
    ITransferObserver observer) : IDisposable
{
    private readonly StagingWriter? writer = target is null ? null : new StagingWriter(target, options.WriteBackBytes);
    private DiskRange? data;
    private bool looked;

    public int ChunkSize { get; } = ContentManifest.ChunkSizeFor(source.Length);

    public byte[] ChunkDigests { get; private set; } = [];

    /// <summary>Null: the file is the content, so its digest is the content's.</summary>
    public Digest? SourceDigest { get; private set; }

    public bool Run(CancellationToken cancellationToken)
    {
        if (target is not null)
        {
            RandomAccess.SetLength(target, 0);
            RandomAccess.SetLength(target, source.Length);
        }

        var count = checked((int)((source.Length + ChunkSize - 1) / ChunkSize));
        ChunkDigests = new byte[count * Digest.ByteLength];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var chunk = 0; chunk < count; chunk++)
        {
            var start = (long)chunk * ChunkSize;
            var end = Math.Min(start + ChunkSize, source.Length);
            if (Take(chunk, start, end, hash, cancellationToken))
            {
                hash.GetHashAndReset(ChunkDigests.AsSpan(chunk * Digest.ByteLength, Digest.ByteLength));
            }

            observer.Advanced(end, source.Length);
        }

        writer?.Finish();
        contentHash.Complete();
        if (source.Format is not (SourceFormat.Raw or SourceFormat.Iso) || RandomAccess.GetLength(sourceFile) != source.Length)
        {
            SourceDigest = HashSourceFile(cancellationToken);
        }

        return true;
    }

    public void Dispose() => writer?.Dispose();

    /// <returns>False for a chunk of zeros; nothing is in the hash then.</returns>
    private bool Take(int chunk, long start, long end, IncrementalHash hash, CancellationToken cancellationToken)
    {
        // Zeros are hashed for the chunk only once it is known to hold anything else.
        long zeros = 0;
        var any = false;
        for (var at = start; at < end;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var range = NextData(chunk, at);
            var dataAt = range is { } found ? Math.Clamp(SparseFile.BlockStart(found.Offset), at, end) : end;
            if (dataAt > at)
            {
                contentHash.AppendZeros(dataAt - at);
                zeros += dataAt - at;
                at = dataAt;
                continue;
            }

            var buffer = PieceBuffers.Rent();
            var piece = buffer.Span[..(int)Math.Min(Math.Min(end, SparseFile.BlockEnd(range!.Value.End)) - at, PieceBuffers.PieceLength)];
            Read(chunk, piece, at);
            if (piece.ContainsAnyExcept((byte)0))
            {
                SerialHash.AppendZeros(hash, zeros);
                zeros = 0;
                any = true;
                hash.AppendData(piece);
                writer?.Write(piece, at);
                contentHash.Append(buffer, piece.Length);
            }
            else
            {
                contentHash.AppendZeros(piece.Length);
                zeros += piece.Length;
                PieceBuffers.Return(buffer);
            }

            at += piece.Length;
        }

        if (any)
        {
            SerialHash.AppendZeros(hash, zeros);
        }

        return any;
    }

    private DiskRange? NextData(int chunk, long at)
    {
        if (!looked || (data is { } range && range.End <= at))
        {
            data = FromSource(chunk, at, () => source.NextData(at));
            looked = true;
        }

        return data;
    }

    private void Read(int chunk, Span<byte> piece, long at)
    {
        try
        {
            for (var done = 0; done < piece.Length;)
            {
                var read = source.Read(at + done, piece[done..]);
                if (read == 0)
                {
                    throw new SourceChangedException($"The source ends at byte {at + done}; {source.Length} bytes were there when it was opened.");
                }

                done += read;
            }
        }
        catch (Exception trouble) when (trouble is (IOException and not SourceChangedException) or UnauthorizedAccessException)
        {
            throw new SourceUnreadableException(chunk, at, trouble);
        }
    }

    private Digest HashSourceFile(CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = PieceBuffers.Rent();
        for (long at = 0; ;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = FromSource(0, at, () => RandomAccess.Read(sourceFile, buffer.Span, at));
            if (read == 0)
            {
                break;
            }

            hash.AppendData(buffer.Span[..read]);
            at += read;

            // The disk is sealed; that the file is still read must show, or a large one on a slow share would pass for a stall.
            observer.Advanced(source.Length, source.Length);
        }

        PieceBuffers.Return(buffer);
        return Digest.FromBytes(hash.GetHashAndReset());
    }

    private static T FromSource<T>(int chunk, long at, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            throw new SourceUnreadableException(chunk, at, trouble);
        }
    }
}
