using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>Reads one chunk of a file and compares it with its manifest.</summary>
internal static class ChunkCheck
{
    /// <summary>Whether the chunk's bytes are those of the manifest. A file that ends too early is not.</summary>
    public static bool IsRight(DirectFile file, ContentManifest manifest, int chunk, CancellationToken cancellationToken)
    {
        var buffer = PieceBuffers.Rent();
        try
        {
            return IsRight(file, manifest, chunk, buffer, cancellationToken);
        }
        finally
        {
            PieceBuffers.Return(buffer);
        }
    }

    public static bool IsRight(DirectFile file, ContentManifest manifest, int chunk, PieceBuffer buffer, CancellationToken cancellationToken)
    {
        var offset = manifest.OffsetOf(chunk);
        var length = manifest.LengthOf(chunk);
        Span<byte> digest = stackalloc byte[Digest.ByteLength];
        if (length <= PieceBuffers.PieceLength)
        {
            if (!file.TryRead(buffer, length, offset))
            {
                return false;
            }

            if (manifest.IsZero(chunk))
            {
                return !buffer.Span[..length].ContainsAnyExcept((byte)0);
            }

            SHA256.HashData(buffer.Span[..length], digest);
            return manifest.Matches(chunk, digest);
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var done = 0; done < length;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var piece = buffer.Span[..Math.Min(PieceBuffers.PieceLength, length - done)];
            if (!file.TryRead(buffer, piece.Length, offset + done) || (manifest.IsZero(chunk) && piece.ContainsAnyExcept((byte)0)))
            {
                return false;
            }

            hash.AppendData(piece);
            done += piece.Length;
        }

        hash.GetHashAndReset(digest);
        return manifest.IsZero(chunk) || manifest.Matches(chunk, digest);
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
}
