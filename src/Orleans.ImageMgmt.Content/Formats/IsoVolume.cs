using System.Buffers.Binary;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>Recognises an optical disc image by its volume descriptors. Source: ECMA-119 (ISO 9660), sections 8.1 and 8.4.</summary>
internal static class IsoVolume
{
    private const int DescriptorOffset = 16 * 2048;
    private const int DescriptorLength = 2048;
    private const int Primary = 1;

    /// <summary>Whether the file has the standard identifier in its first volume descriptor. A hybrid image that can also be started from a
    /// disk is an ISO too: its content is the file.</summary>
    /// <exception cref="DiskFormatException">It is one, and cut short.</exception>
    public static bool IsIso(ImageFile file)
    {
        Span<byte> descriptor = stackalloc byte[DescriptorLength];
        if (!file.Holds(DescriptorOffset, DescriptorLength))
        {
            return false;
        }

        file.ReadExactly(DescriptorOffset, descriptor, "volume descriptor");
        if (!descriptor[1..].StartsWith("CD001"u8))
        {
            return false;
        }

        // Only a primary descriptor tells the size; the first one of an unusual disc may be another.
        var blocks = BinaryPrimitives.ReadUInt32LittleEndian(descriptor[80..]);
        var blockLength = BinaryPrimitives.ReadUInt16LittleEndian(descriptor[128..]);
        var length = (long)blocks * blockLength;
        if (descriptor[0] == Primary && length > file.Length)
        {
            throw file.As("iso").Fault("truncated", DescriptorOffset + 80, $"The volume has {length} bytes, but the file ends at {file.Length}. Copy it again: it is cut short.");
        }

        return true;
    }
}
