using System.Buffers.Binary;
using System.Security.Cryptography;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>
/// Level 1 of a version's manifest: one SHA-256 per fixed-offset chunk of the guest-visible bytes, all-zero chunks only marked.
/// A copy whose every chunk matches it has the content digest it names, because both were computed in one pass over the sealed bytes.
/// </summary>
/// <remarks>Chunks are 1 MiB up to <see cref="MaxChunks"/> chunks, then twice as large for each doubling of the disk, so that a
/// manifest never exceeds 4 MiB.</remarks>
public sealed class ContentManifest
{
    public const int MinChunkSize = 1 << 20;
    public const int MaxChunks = 1 << 17;
    private const int HeaderLength = 64;

    /// <summary>Bytes of the longest manifest there is; a longer file is none.</summary>
    public const int MaxEncodedLength = HeaderLength + (MaxChunks * Digest.ByteLength);

    private static ReadOnlySpan<byte> Magic => "IMGMAN01"u8;

    private readonly byte[] digests;

    /// <param name="length">Guest-visible length in bytes.</param>
    /// <param name="chunkSize">As <see cref="ChunkSizeFor"/> gives it.</param>
    /// <param name="contentDigest">SHA-256 of all bytes.</param>
    /// <param name="chunkDigests">32 bytes a chunk, in order; 32 zero bytes mark a chunk of zeros.</param>
    public ContentManifest(long length, int chunkSize, Digest contentDigest, byte[] chunkDigests)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(chunkSize, ChunkSizeFor(length));
        Length = length;
        ChunkSize = chunkSize;
        ContentDigest = contentDigest;
        ChunkCount = checked((int)((length + chunkSize - 1) / chunkSize));
        ArgumentOutOfRangeException.ThrowIfNotEqual(chunkDigests.Length, ChunkCount * Digest.ByteLength);
        digests = chunkDigests;
    }

    public long Length { get; }

    public int ChunkSize { get; }

    public int ChunkCount { get; }

    public Digest ContentDigest { get; }

    public static int ChunkSizeFor(long length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Limits.DiskLength);
        long size = MinChunkSize;
        while (size * MaxChunks < length)
        {
            size *= 2;
        }

        return checked((int)size);
    }

    public long OffsetOf(int chunk) => (long)chunk * ChunkSize;

    /// <summary>Bytes of one chunk; only the last may be short.</summary>
    public int LengthOf(int chunk) => (int)Math.Min(ChunkSize, Length - OffsetOf(chunk));

    public bool IsZero(int chunk) => !DigestOf(chunk).ContainsAnyExcept((byte)0);

    public ReadOnlySpan<byte> DigestOf(int chunk) => digests.AsSpan(chunk * Digest.ByteLength, Digest.ByteLength);

    public bool Matches(int chunk, ReadOnlySpan<byte> sha256) => DigestOf(chunk).SequenceEqual(sha256);

    public int DataChunks
    {
        get
        {
            var count = 0;
            for (var chunk = 0; chunk < ChunkCount; chunk++)
            {
                count += IsZero(chunk) ? 0 : 1;
            }

            return count;
        }
    }

    public long DataLength
    {
        get
        {
            long sum = 0;
            for (var chunk = 0; chunk < ChunkCount; chunk++)
            {
                sum += IsZero(chunk) ? 0 : LengthOf(chunk);
            }

            return sum;
        }
    }

    /// <summary>Header (magic, length, chunk size, reserved, content digest), then the chunk digests. Little-endian.</summary>
    public byte[] Encode()
    {
        var bytes = new byte[HeaderLength + digests.Length];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(8), Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(16), ChunkSize);
        ContentDigest.ToBytes().CopyTo(bytes.AsSpan(32));
        digests.CopyTo(bytes.AsSpan(HeaderLength));
        return bytes;
    }

    /// <exception cref="InvalidDataException">Not a manifest, or cut short.</exception>
    public static ContentManifest Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderLength || !bytes[..8].SequenceEqual(Magic))
        {
            throw new InvalidDataException("Not a manifest: the first 8 bytes are not IMGMAN01.");
        }

        var length = BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]);
        var chunkSize = BinaryPrimitives.ReadInt32LittleEndian(bytes[16..]);
        if (length is < 0 or > Limits.DiskLength || chunkSize != ChunkSizeFor(length))
        {
            throw new InvalidDataException($"Manifest with length {length} and chunk size {chunkSize}: no such pair.");
        }

        var chunks = (length + chunkSize - 1) / chunkSize;
        if (bytes.Length != HeaderLength + (chunks * Digest.ByteLength))
        {
            throw new InvalidDataException($"Manifest of {bytes.Length} bytes; {HeaderLength + (chunks * Digest.ByteLength)} expected.");
        }

        return new ContentManifest(length, chunkSize, Digest.FromBytes(bytes.Slice(32, 32)), bytes[HeaderLength..].ToArray());
    }

    /// <summary>SHA-256 of the encoded manifest.</summary>
    public Digest ComputeDigest() => Digest.FromBytes(SHA256.HashData(Encode()));
}
