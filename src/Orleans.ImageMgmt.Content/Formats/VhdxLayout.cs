using System.Buffers.Binary;
using System.Numerics;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>Where a VHDX keeps its block allocation table, and the disk it describes. Source: Microsoft, [MS-VHDX] sections 2.1 to 2.6.</summary>
/// <param name="Length">Guest-visible bytes.</param>
/// <param name="BlockLength">Guest-visible bytes of one payload block.</param>
/// <param name="ChunkRatio">Payload blocks between two sector bitmap entries of the table.</param>
/// <param name="TableOffset">Where the block allocation table is.</param>
internal sealed record VhdxLayout(long Length, long BlockLength, long ChunkRatio, long TableOffset)
{
    public const int Megabyte = 1 << 20;

    private const int HeaderLength = 4 << 10;
    private const int RegionTableLength = 64 << 10;
    private const int MaxEntries = 2047;
    private const int RegionEntryLength = 32;
    private const int ItemEntryLength = 32;
    private const int MetadataTableLength = 64 << 10;
    private const long SectorsPerChunk = 1L << 23;
    private const uint HasParent = 2;

    private static readonly long[] HeaderOffsets = [64 << 10, 128 << 10];
    private static readonly long[] RegionTableOffsets = [192 << 10, 256 << 10];

    private static readonly Guid TableRegion = new("2DC27766-F623-4200-9D64-115E9BFD4A08");
    private static readonly Guid MetadataRegion = new("8B7CA206-4790-4B9A-B8FE-575F050F886E");
    private static readonly Guid FileParameters = new("CAA16737-FA36-4D43-B3B6-33F0AA44E76B");
    private static readonly Guid DiskSize = new("2FA54224-CD1B-4876-B211-5DBED83BF4B8");
    private static readonly Guid DiskId = new("BECA12AB-B2E6-4523-93EF-C309E000C746");
    private static readonly Guid LogicalSector = new("8141BF1D-A96F-4709-BA47-F233A8FAAB5F");
    private static readonly Guid PhysicalSector = new("CDA348C7-445D-4471-9CC9-E9885251C556");
    private static readonly Guid ParentLocator = new("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C");

    public static ReadOnlySpan<byte> Magic => "vhdxfile"u8;

    public static VhdxLayout Read(ImageFile file)
    {
        CheckHeader(file);
        var regions = ReadRegions(file);
        return ReadMetadata(file, regions.Metadata, regions.Table, regions.TableLength);
    }

    /// <summary>Two headers are written in turn; the valid one with the higher sequence number holds.</summary>
    private static void CheckHeader(ImageFile file)
    {
        var bytes = new byte[HeaderLength];
        byte[]? current = null;
        long at = 0;
        foreach (var offset in HeaderOffsets)
        {
            file.ReadExactly(offset, bytes, "VHDX header");
            if (bytes.AsSpan(0, 4).SequenceEqual("head"u8) && IsSound(bytes)
                && (current is null || Sequence(bytes) > Sequence(current)))
            {
                current = [.. bytes];
                at = offset;
            }
        }

        if (current is null)
        {
            throw file.Fault("header", HeaderOffsets[0], "Neither of the two VHDX headers has a right signature and checksum: the file is damaged. Copy or export it again.");
        }

        var version = BinaryPrimitives.ReadUInt16LittleEndian(current.AsSpan(66));
        if (version != 1)
        {
            throw file.Fault("version", at + 66, $"This is VHDX version {version}; version 1 can be taken. Convert it with 'Convert-VHD' or 'qemu-img convert -O vhdx'.");
        }

        if (current.AsSpan(48, 16).ContainsAnyExcept((byte)0))
        {
            throw file.Fault("log", at + 48, "This VHDX has changes in its log that were not applied: it was not closed cleanly, or a machine is running on it. Shut the machine down, mount and unmount the disk (or run 'qemu-img check -r all'), and try again.");
        }
    }

    private static ulong Sequence(byte[] header) => BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(8));

    /// <summary>CRC-32C over the structure with its own checksum field, bytes 4 to 7, taken as zeros.</summary>
    private static bool IsSound(byte[] bytes)
    {
        var crc = BitOperations.Crc32C(uint.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(bytes));
        crc = BitOperations.Crc32C(crc, 0u);
        for (var at = 8; at < bytes.Length; at += 8)
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at)));
        }

        return ~crc == BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4));
    }

    private static (long Metadata, long Table, long TableLength) ReadRegions(ImageFile file)
    {
        var bytes = new byte[RegionTableLength];
        foreach (var offset in RegionTableOffsets)
        {
            file.ReadExactly(offset, bytes, "region table");
            if (bytes.AsSpan(0, 4).SequenceEqual("regi"u8) && IsSound(bytes))
            {
                return FindRegions(file, offset, bytes);
            }
        }

        throw file.Fault("regions", RegionTableOffsets[0], "Neither of the two region tables has a right signature and checksum: the file is damaged. Copy or export it again.");
    }

    private static (long Metadata, long Table, long TableLength) FindRegions(ImageFile file, long at, byte[] bytes)
    {
        var count = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(8));
        if (count > MaxEntries)
        {
            throw file.Fault("regions", at + 8, $"The region table has {count} entries; at most {MaxEntries} are possible. The file is damaged.");
        }

        (long Offset, long Length)? metadata = null;
        (long Offset, long Length)? table = null;
        for (var index = 0; index < count; index++)
        {
            var entry = 16 + (index * RegionEntryLength);
            var id = new Guid(bytes.AsSpan(entry, 16));
            var offset = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(entry + 16));
            var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(entry + 24));
            if (offset < Megabyte || offset % Megabyte != 0 || length == 0 || length % Megabyte != 0 || !file.Holds(offset, length))
            {
                throw file.Fault("truncated", at + entry + 16, $"A region is said to have {length} bytes at {offset}, but the file ends at {file.Length}. Copy or export the file again: it is cut short or damaged.");
            }

            if (id == MetadataRegion)
            {
                metadata = ((long)offset, length);
            }
            else if (id == TableRegion)
            {
                table = ((long)offset, length);
            }
            else if ((BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(entry + 28)) & 1) != 0)
            {
                throw file.Fault("region", at + entry, $"This VHDX needs the region {id}, which is not known here. Convert it with 'Convert-VHD' or 'qemu-img convert -O vhdx'.");
            }
        }

        return metadata is { } found && table is { } blocks
            ? (found.Offset, blocks.Offset, blocks.Length)
            : throw file.Fault("regions", at, "The region table names no metadata or no block allocation table: the file is damaged. Copy or export it again.");
    }

    private static VhdxLayout ReadMetadata(ImageFile file, long region, long table, long tableLength)
    {
        var bytes = new byte[MetadataTableLength];
        file.ReadExactly(region, bytes, "metadata table");
        var count = BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(10));
        if (!bytes.AsSpan(0, 8).SequenceEqual("metadata"u8) || count > MaxEntries)
        {
            throw file.Fault("metadata", region, "There is no metadata table where the region table says: the file is damaged. Copy or export it again.");
        }

        ulong? parameters = null;
        ulong? size = null;
        ulong? sector = null;
        for (var index = 0; index < count; index++)
        {
            var entry = ItemEntryLength + (index * ItemEntryLength);
            var id = new Guid(bytes.AsSpan(entry, 16));
            var offset = region + BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(entry + 16));
            if (id == FileParameters)
            {
                parameters = Value(file, offset, 8);
            }
            else if (id == DiskSize)
            {
                size = Value(file, offset, 8);
            }
            else if (id == LogicalSector)
            {
                sector = Value(file, offset, 4);
            }
            else if (id == ParentLocator)
            {
                throw Differencing(file, region + entry);
            }
            else if (id != DiskId && id != PhysicalSector && (BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(entry + 24)) & 4) != 0)
            {
                throw file.Fault("metadata", region + entry, $"This VHDX needs the metadata item {id}, which is not known here. Convert it with 'Convert-VHD' or 'qemu-img convert -O vhdx'.");
            }
        }

        return parameters is { } known && size is { } length && sector is { } sectorLength
            ? Check(file, region, known, length, sectorLength, table, tableLength)
            : throw file.Fault("metadata", region, "The metadata names no block size, disk size or sector size: the file is damaged. Copy or export it again.");
    }

    private static ulong Value(ImageFile file, long offset, int length)
    {
        Span<byte> bytes = stackalloc byte[8];
        bytes.Clear();
        file.ReadExactly(offset, bytes[..length], "metadata item");
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    private static DiskFormatException Differencing(ImageFile file, long at) =>
        file.Fault("parent", at, "This VHDX is a differencing disk, so it does not hold the whole disk. Merge it into its parent, or convert it to a dynamic disk with 'Convert-VHD'.");

    private static VhdxLayout Check(ImageFile file, long region, ulong parameters, ulong size, ulong sector, long table, long tableLength)
    {
        var block = parameters & uint.MaxValue;
        if ((parameters >> 32 & HasParent) != 0)
        {
            throw Differencing(file, region);
        }

        if (block is < Megabyte or > 256UL * Megabyte || !ulong.IsPow2(block))
        {
            throw file.Fault("block-size", region, $"The metadata gives blocks of {block} bytes; a power of two from 1 MiB to 256 MiB is possible. The file is damaged.");
        }

        if (sector is not (512 or 4096))
        {
            throw file.Fault("sector-size", region, $"The metadata gives sectors of {sector} bytes; 512 and 4096 are possible. The file is damaged.");
        }

        if (size is 0 or > Limits.DiskLength || size % sector != 0)
        {
            throw file.Fault("size", region, $"The metadata gives a disk of {size} bytes; whole sectors up to {Limits.DiskLength} can be taken.");
        }

        // Fewer than 2^26 + 2^15 entries of 8 bytes: the largest disk in the smallest blocks.
        var layout = new VhdxLayout((long)size, (long)block, SectorsPerChunk * (long)sector / (long)block, table);
        var blocks = ((layout.Length - 1) / layout.BlockLength) + 1;
        var needed = (blocks + ((blocks - 1) / layout.ChunkRatio)) * 8;
        return needed <= tableLength
            ? layout
            : throw file.Fault("table-size", table, $"The block allocation table has {tableLength} bytes, but a disk of {size} bytes needs {needed}. The file is damaged.");
    }
}
