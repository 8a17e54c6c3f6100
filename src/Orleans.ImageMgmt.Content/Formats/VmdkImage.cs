using System.Buffers.Binary;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>A VMDK that holds a whole disk in one file: <c>monolithicSparse</c> or <c>streamOptimized</c>. Source: VMware, Virtual Disk Format 5.0.</summary>
internal sealed class VmdkImage : MappedImage
{
    private const int EntryLength = 4;
    private const int MarkerLength = 12;
    private const uint ZeroGrain = 1;

    private readonly VmdkHeader header;
    private readonly TablePages tables;
    private readonly Unpacker unpacker;

    public VmdkImage(ImageFile file)
        : base(file)
    {
        header = VmdkHeader.Read(file);
        tables = new TablePages(file);
        unpacker = new Unpacker(file, Packing.Zlib);
        for (long index = 0; index < header.DirectoryEntries; index++)
        {
            FindTable(index);
        }
    }

    public override SourceFormat Format => SourceFormat.Vmdk;

    public override long Length => header.Length;

    protected override long UnitLength => header.GrainLength;

    protected override Extent Map(long offset, long limit)
    {
        var grain = offset / header.GrainLength;
        var inGrain = offset % header.GrainLength;
        var index = grain % header.TableEntries;
        var table = FindTable(grain / header.TableEntries);
        if (table == 0)
        {
            return new Extent(ExtentKind.Zero, Math.Min(((header.TableEntries - index) * header.GrainLength) - inGrain, limit));
        }

        var at = table + (index * EntryLength);
        var entries = tables.Span(at, EntryLength, (header.TableEntries - index) * EntryLength, "grain table");
        var kind = Classify(BinaryPrimitives.ReadUInt32LittleEndian(entries), at, out var stored);
        var length = header.GrainLength - inGrain;
        if (kind == ExtentKind.Packed)
        {
            // The marker tells how long the stored form is; it takes a sector at least.
            return new Extent(kind, Math.Min(length, limit), stored, VmdkHeader.SectorLength);
        }

        for (var next = EntryLength; length < limit && next < entries.Length; next += EntryLength)
        {
            var kindNext = Classify(BinaryPrimitives.ReadUInt32LittleEndian(entries[next..]), at + next, out var storedNext);
            if (kindNext != kind || (kind == ExtentKind.Plain && storedNext != stored + inGrain + length))
            {
                break;
            }

            length += header.GrainLength;
        }

        length = Math.Min(length, limit);
        return kind == ExtentKind.Zero ? new Extent(kind, length) : new Extent(kind, length, stored + inGrain, length);
    }

    protected override void Unpack(Extent extent, long start, Span<byte> output)
    {
        Span<byte> marker = stackalloc byte[MarkerLength];
        File.ReadExactly(extent.FileOffset, marker, "grain marker");
        var sector = BinaryPrimitives.ReadUInt64LittleEndian(marker);
        var size = BinaryPrimitives.ReadUInt32LittleEndian(marker[8..]);
        if (sector != (ulong)(start / VmdkHeader.SectorLength))
        {
            throw File.Fault("marker", extent.FileOffset, $"The grain of sector {start / VmdkHeader.SectorLength} is marked as that of sector {sector}: the file is damaged. Copy or export it again.");
        }

        // DEFLATE grows what it cannot compress by a few bytes per block, never to twice its size.
        if (size == 0 || size > header.GrainLength * 2 || !File.Holds(extent.FileOffset + MarkerLength, size))
        {
            throw File.Fault("marker", extent.FileOffset + 8, $"The grain of sector {sector} is said to have {size} stored bytes: the file is cut short or damaged. Copy or export it again.");
        }

        unpacker.Unpack(extent.FileOffset + MarkerLength, (int)size, output, $"grain of sector {sector}");
    }

    protected override void Dispose(bool disposing)
    {
        unpacker.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Where one grain table is, or 0 where nothing is allocated.</summary>
    private long FindTable(long index)
    {
        var at = header.DirectoryOffset + (index * EntryLength);
        var offset = (long)tables.UInt32LittleEndian(at, "grain directory") * VmdkHeader.SectorLength;
        if (offset != 0 && !File.Holds(offset, (long)header.TableEntries * EntryLength))
        {
            throw File.Fault("truncated", at, $"Entry {index} of the grain directory points at {offset}, but the file ends at {File.Length}. Copy or export the file again: it is cut short or damaged.");
        }

        return offset;
    }

    private ExtentKind Classify(uint entry, long at, out long stored)
    {
        stored = (long)entry * VmdkHeader.SectorLength;
        if (entry == 0 || (entry == ZeroGrain && header.HasZeroGrains))
        {
            return ExtentKind.Zero;
        }

        // The last grain may be short; what is missing of it reads as zeros, as in the writers' own tools.
        if (stored >= File.Length || (header.IsPacked && !File.Holds(stored, MarkerLength)))
        {
            throw File.Fault("truncated", at, $"A grain is said to be at {stored}, but the file ends at {File.Length}. Copy or export the file again: it is cut short or damaged.");
        }

        return header.IsPacked ? ExtentKind.Packed : ExtentKind.Plain;
    }
}
