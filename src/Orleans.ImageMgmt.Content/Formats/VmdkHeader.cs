using System.Buffers.Binary;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>The checked header of a VMDK sparse extent that is a whole disk. Source: VMware, Virtual Disk Format 5.0, "Hosted Sparse Extents" and "Stream-Optimized Compressed Sparse Extents".</summary>
/// <param name="Length">Guest-visible bytes.</param>
/// <param name="GrainLength">Guest-visible bytes of one grain.</param>
/// <param name="TableEntries">Grains that one grain table maps.</param>
/// <param name="DirectoryOffset">Where the grain directory is.</param>
/// <param name="HasZeroGrains">A grain entry of 1 means zeros.</param>
/// <param name="IsPacked">Grains are compressed and carry a marker.</param>
internal sealed record VmdkHeader(long Length, long GrainLength, int TableEntries, long DirectoryOffset, bool HasZeroGrains, bool IsPacked)
{
    public const int SectorLength = 512;

    /// <summary>Bytes of a grain. VMware writes 64 KiB; more than this would only serve to take memory.</summary>
    public const long MaxGrainLength = 2L << 20;

    /// <summary>Bytes of a grain directory; one of the largest disk with default grains has 8 MiB.</summary>
    public const long MaxDirectoryLength = 32L << 20;

    private const int MinGrainLength = 4 << 10;
    private const int MaxTableEntries = 512;
    private const ulong DirectoryAtEnd = ulong.MaxValue;
    private const uint FooterMarker = 3;
    private const uint HasNewlineTest = 1;
    private const uint ZeroGrains = 1 << 2;
    private const uint PackedGrains = 1 << 16;
    private const uint Markers = 1 << 17;

    public static ReadOnlySpan<byte> Magic => "KDMV"u8;

    public long DirectoryEntries => ((Length - 1) / (GrainLength * TableEntries)) + 1;

    public static VmdkHeader Read(ImageFile file)
    {
        var bytes = new byte[SectorLength];
        file.ReadExactly(0, bytes, "VMDK header");
        CheckIdentity(file, bytes, 0);
        VmdkDescriptor.Read(file, BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(28)), BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(36)));

        // A stream cannot go back to write where the directory ended up: a copy of the header at the end of the file tells it.
        long at = 0;
        if (BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(56)) == DirectoryAtEnd)
        {
            at = ReadFooter(file, bytes);
        }

        return Check(file, bytes, at);
    }

    private static long ReadFooter(ImageFile file, byte[] bytes)
    {
        var at = file.Length - (2 * SectorLength);
        var marker = at - SectorLength;
        if (marker >= SectorLength)
        {
            file.ReadExactly(marker, bytes, "footer marker");
            if (BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(8)) == 0 && BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(12)) == FooterMarker)
            {
                file.ReadExactly(at, bytes, "VMDK footer");
                CheckIdentity(file, bytes, at);
                return at;
            }
        }

        throw file.Fault("truncated", Math.Max(0, marker), "The header says that the grain directory is named at the end of the file, but there is no footer. Copy or export the file again: it is cut short.");
    }

    private static void CheckIdentity(ImageFile file, byte[] bytes, long at)
    {
        if (!bytes.AsSpan(0, 4).SequenceEqual(Magic))
        {
            throw file.Fault("header", at, "There is no VMDK header here: the file is damaged. Copy or export it again.");
        }

        var version = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4));
        if (version is < 1 or > 3)
        {
            throw file.Fault("version", at + 4, $"This is VMDK sparse extent version {version}; versions 1 to 3 can be taken. Convert it with 'qemu-img convert -O vmdk' or export it as OVA.");
        }

        if (bytes[72] != 0)
        {
            throw file.Fault("unclean", at + 72, "This VMDK was not closed cleanly, or a machine is running on it. Shut the machine down, repair the disk with 'vmware-vdiskmanager -R', and try again.");
        }

        var flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(8));
        if ((flags & HasNewlineTest) != 0 && !bytes.AsSpan(73, 4).SequenceEqual("\n \r\n"u8))
        {
            throw file.Fault("newlines", at + 73, "The line ends in the header were changed, as a text-mode transfer does. Copy the file again in binary mode.");
        }
    }

    private static VmdkHeader Check(ImageFile file, byte[] bytes, long at)
    {
        var flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(8));
        var isPacked = (flags & PackedGrains) != 0;
        var algorithm = BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(77));
        if (isPacked ? algorithm != 1 || (flags & Markers) == 0 : algorithm != 0)
        {
            throw file.Fault("compression", at + 77, $"The header gives compression {algorithm} with flags 0x{flags:x8}; none, or DEFLATE with markers, can be taken. Convert it with 'qemu-img convert -O vmdk'.");
        }

        var sectors = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(12));
        if (sectors is 0 or > Limits.DiskLength / SectorLength)
        {
            throw file.Fault("size", at + 12, $"The header gives a disk of {sectors} sectors; 1 to {Limits.DiskLength / SectorLength} can be taken.");
        }

        var grain = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(20));
        if (grain is < MinGrainLength / SectorLength or > MaxGrainLength / SectorLength || !ulong.IsPow2(grain))
        {
            throw file.Fault("grain-size", at + 20, $"The header gives grains of {grain} sectors; a power of two from {MinGrainLength / SectorLength} to {MaxGrainLength / SectorLength} can be taken.");
        }

        var entries = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(44));
        if (entries is 0 or > MaxTableEntries)
        {
            throw file.Fault("table-size", at + 44, $"The header gives {entries} entries per grain table; 1 to {MaxTableEntries} can be taken.");
        }

        var directory = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(56));
        var header = new VmdkHeader((long)sectors * SectorLength, (long)grain * SectorLength, (int)entries, (long)Math.Min(directory, (ulong)(file.Length / SectorLength)) * SectorLength, (flags & ZeroGrains) != 0, isPacked);
        var length = header.DirectoryEntries * 4;
        if (length > MaxDirectoryLength)
        {
            throw file.Fault("directory-size", at + 44, $"The grain directory would have {length} bytes; at most {MaxDirectoryLength} can be taken. Convert it with 'qemu-img convert -O vmdk'.");
        }

        if (directory == 0 || directory > (ulong)(file.Length / SectorLength) || !file.Holds(header.DirectoryOffset, length))
        {
            throw file.Fault("truncated", at + 56, $"The grain directory is said to be at sector {directory}, but the file ends at {file.Length}. Copy or export the file again: it is cut short or damaged.");
        }

        return header;
    }
}
