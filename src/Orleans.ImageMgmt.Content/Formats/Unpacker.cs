using System.Buffers;
using System.IO.Compression;
using ZstdSharp;
using ZstdSharp.Unsafe;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>How a unit is compressed.</summary>
internal enum Packing
{
    /// <summary>DEFLATE without a header (RFC 1951), as qcow2 stores clusters.</summary>
    Deflate,

    /// <summary>DEFLATE in a zlib wrapper (RFC 1950), as VMDK stores grains.</summary>
    Zlib,

    /// <summary>Zstandard frames (RFC 8878), as qcow2 stores clusters of compression type 1.</summary>
    Zstd,
}

/// <summary>Decompresses one cluster or grain at a time. Output never exceeds the caller's buffer, whatever the input claims.</summary>
internal sealed class Unpacker(ImageFile file, Packing packing) : IDisposable
{
    /// <summary>Largest Zstandard window accepted, as a power of two: 8 MiB, four times the largest cluster. A frame can ask for 128 MiB and more.</summary>
    private const int MaxWindowLog = 23;

    private byte[] packed = [];
    private Decompressor? zstd;

    /// <summary>Fills <paramref name="output"/> from <paramref name="packedLength"/> stored bytes; bytes behind the end of the file are missing input.</summary>
    /// <param name="packedLength">Bounded by the caller to a small multiple of a unit.</param>
    public void Unpack(long offset, int packedLength, Span<byte> output, string what)
    {
        packedLength = (int)Math.Min(packedLength, file.Length - offset);
        if (packed.Length < packedLength)
        {
            packed = new byte[Math.Max(packedLength, output.Length)];
        }

        file.ReadExactly(offset, packed.AsSpan(0, packedLength), what);
        int written;
        try
        {
            written = packing == Packing.Zstd ? Zstd(packedLength, output) : Inflate(packedLength, output);
        }
        catch (Exception error) when (error is InvalidDataException or ZstdException)
        {
            throw file.Fault("compressed", offset, $"The {what} cannot be decompressed: the file is damaged. Copy it again, or check it with its own tools.");
        }

        if (written < output.Length)
        {
            throw file.Fault("compressed", offset, $"The {what} decompresses to {written} bytes instead of {output.Length}: the file is damaged. Copy it again, or check it with its own tools.");
        }
    }

    public void Dispose() => zstd?.Dispose();

    private int Inflate(int packedLength, Span<byte> output)
    {
        using var input = new MemoryStream(packed, 0, packedLength, writable: false);
        using Stream inflating = packing == Packing.Zlib ? new ZLibStream(input, CompressionMode.Decompress) : new DeflateStream(input, CompressionMode.Decompress);
        return inflating.ReadAtLeast(output, output.Length, throwOnEndOfStream: false);
    }

    private int Zstd(int packedLength, Span<byte> output)
    {
        if (zstd is null)
        {
            zstd = new Decompressor();
            zstd.SetParameter(ZSTD_dParameter.ZSTD_d_windowLogMax, MaxWindowLog);
        }

        zstd.ResetStream();
        var input = packed.AsSpan(0, packedLength);
        var written = 0;
        while (written < output.Length)
        {
            var status = zstd.UnwrapStream(input, output[written..], out var consumed, out var produced);
            input = input[consumed..];
            written += produced;

            // Done is the end of one frame: a cluster may hold several. No progress means that input is missing.
            if (status == OperationStatus.InvalidData || (consumed == 0 && produced == 0))
            {
                break;
            }
        }

        return written;
    }
}
