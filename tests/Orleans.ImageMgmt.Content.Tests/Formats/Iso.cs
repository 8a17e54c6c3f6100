using System.Buffers.Binary;

namespace Orleans.ImageMgmt.Content.Tests.Formats;

/// <summary>Writes the volume descriptor that makes a file an ISO 9660 image.</summary>
internal static class Iso
{
    public const int DescriptorOffset = 32 << 10;

    public static void Mark(byte[] content)
    {
        var descriptor = content.AsSpan(DescriptorOffset, 2048);
        descriptor.Clear();
        descriptor[0] = 1;
        "CD001"u8.CopyTo(descriptor[1..]);
        descriptor[6] = 1;
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor[80..], (uint)content.Length / 2048);
        BinaryPrimitives.WriteUInt32BigEndian(descriptor[84..], (uint)content.Length / 2048);
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor[128..], 2048);
        BinaryPrimitives.WriteUInt16BigEndian(descriptor[130..], 2048);
    }
}
