using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>Reads chunks of a file and compares them with their manifest.</summary>
/// <param name="notes">Learns the digests of the blocks of chunks that are right, while their bytes are at hand; null: nobody does.</param>
internal sealed class ChunkCheck(SafeFileHandle file, DirectFile direct, ContentManifest manifest, BlockTable? notes = null)
{
    /// <summary>Hashing is all processor: more at once than there are cores only pushes each other's bytes out of their caches. Taken while
    /// hashing alone, so that a disk or share that hangs keeps nobody from it.</summary>
    private static readonly SemaphoreSlim Cores = new(Environment.ProcessorCount);

    /// <summary>Chunks that are read at once where they lie side by side.</summary>
    public int ChunksPerRead { get; } = Math.Max(1, DiskBuffers.Length / manifest.ChunkSize);

    /// <summary>Says for each chunk whether its bytes are those of the manifest. A file that ends too early has wrong ones.</summary>
    /// <param name="chunks">Rising.</param>
    /// <param name="buffer">Holds bytes meanwhile.</param>
    /// <param name="right">The verdicts, one a chunk.</param>
    /// <returns>Bytes read. A hole where zeros belong is proved without reading.</returns>
    public long Judge(ReadOnlySpan<int> chunks, DiskBuffer buffer, Span<bool> right, CancellationToken cancellationToken)
    {
        long bytes = 0;
        for (var i = 0; i < chunks.Length;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (manifest.IsZero(chunks[i]) && IsHole(chunks[i]))
            {
                right[i++] = true;
                continue;
            }

            var side = SideBySide(chunks[i..]);
            var length = (int)(manifest.OffsetOf(chunks[i + side - 1]) + manifest.LengthOf(chunks[i + side - 1]) - manifest.OffsetOf(chunks[i]));
            if (length <= DiskBuffers.Length && direct.TryRead(buffer.Span, length, manifest.OffsetOf(chunks[i])))
            {
                Compare(chunks.Slice(i, side), buffer.Span, right.Slice(i, side), cancellationToken);
            }
            else
            {
                for (var k = i; k < i + side; k++)
                {
                    right[k] = IsRight(chunks[k], buffer, cancellationToken);
                }
            }

            bytes += length;
            i += side;
        }

        GC.KeepAlive(buffer);
        return bytes;
    }

    /// <summary>Whether bytes are those of a chunk. Takes its turn on the processors.</summary>
    public static bool IsRight(ContentManifest manifest, int chunk, ReadOnlySpan<byte> bytes, CancellationToken cancellationToken)
    {
        Span<byte> digest = stackalloc byte[Digest.ByteLength];
        Cores.Wait(cancellationToken);
        try
        {
            SHA256.HashData(bytes, digest);
        }
        finally
        {
            Cores.Release();
        }

        return manifest.Matches(chunk, digest);
    }

    /// <summary>False when the file ends inside the range.</summary>
    public static bool TryReadAll(SafeFileHandle file, Span<byte> piece, long offset)
    {
        for (var done = 0; done < piece.Length;)
        {
            var read = RandomAccess.Read(file, piece[done..], offset + done);
            if (read == 0)
            {
                return false;
            }

            done += read;
        }

        return true;
    }

    /// <summary>How many of the first chunks follow each other and are read together.</summary>
    private int SideBySide(ReadOnlySpan<int> chunks)
    {
        var count = 1;
        while (count < Math.Min(chunks.Length, ChunksPerRead) && chunks[count] == chunks[count - 1] + 1 && !manifest.IsZero(chunks[count]) && !manifest.IsZero(chunks[0]))
        {
            count++;
        }

        return count;
    }

    private void Compare(ReadOnlySpan<int> chunks, ReadOnlySpan<byte> bytes, Span<bool> right, CancellationToken cancellationToken)
    {
        Span<byte> digest = stackalloc byte[Digest.ByteLength];
        Cores.Wait(cancellationToken);
        try
        {
            for (var i = 0; i < chunks.Length; i++)
            {
                var chunk = bytes.Slice(i * manifest.ChunkSize, manifest.LengthOf(chunks[i]));
                if (manifest.IsZero(chunks[i]))
                {
                    right[i] = !chunk.ContainsAnyExcept((byte)0);
                    continue;
                }

                SHA256.HashData(chunk, digest);
                right[i] = manifest.Matches(chunks[i], digest);
                if (right[i])
                {
                    notes?.Note(manifest.OffsetOf(chunks[i]), chunk);
                }
            }
        }
        finally
        {
            Cores.Release();
        }
    }

    /// <summary>One chunk, in pieces where it is larger than the buffer.</summary>
    private bool IsRight(int chunk, DiskBuffer buffer, CancellationToken cancellationToken)
    {
        var offset = manifest.OffsetOf(chunk);
        var length = manifest.LengthOf(chunk);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var done = 0; done < length;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var piece = buffer.Span[..Math.Min(DiskBuffers.Length, length - done)];
            if (!direct.TryRead(buffer.Span, piece.Length, offset + done) || (manifest.IsZero(chunk) && piece.ContainsAnyExcept((byte)0)))
            {
                return false;
            }

            Cores.Wait(cancellationToken);
            hash.AppendData(piece);
            Cores.Release();
            done += piece.Length;
        }

        Span<byte> digest = stackalloc byte[Digest.ByteLength];
        hash.GetHashAndReset(digest);
        return manifest.IsZero(chunk) || manifest.Matches(chunk, digest);
    }

    private bool IsHole(int chunk) =>
        SparseFile.NextData(file, manifest.OffsetOf(chunk)) is not { } data || data.Offset >= manifest.OffsetOf(chunk) + manifest.LengthOf(chunk);
}
