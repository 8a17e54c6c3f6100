using System.Buffers.Binary;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>A self-contained qcow2 disk of version 2 or 3. Source: QEMU, <c>docs/interop/qcow2.txt</c>.</summary>
/// <remarks>The active state is read. Internal snapshots may be there and are ignored: they are other states of the same disk, and the guest
/// sees the active one. Reference counts are not read either: they say what is free, not what is mapped.</remarks>
internal sealed class Qcow2Image : MappedImage
{
    private const ulong OffsetBits = 0x00FF_FFFF_FFFF_FE00;
    private const ulong ZeroBit = 1;
    private const ulong PackedBit = 1UL << 62;
    private const ulong CopiedBit = 1UL << 63;
    private const int SectorLength = 512;
    private const int EntryLength = 8;

    private readonly Qcow2Header header;
    private readonly TablePages tables;
    private readonly Unpacker unpacker;

    public Qcow2Image(ImageFile file)
        : base(file)
    {
        header = Qcow2Header.Read(file);
        tables = new TablePages(file);
        unpacker = new Unpacker(file, header.Packing);
        for (long index = 0; index < header.L1Entries; index++)
        {
            FindTable(index);
        }
    }

    public override SourceFormat Format => SourceFormat.Qcow2;

    public override long Length => header.Length;

    protected override long UnitLength => header.ClusterLength;

    protected override Extent Map(long offset, long limit)
    {
        var cluster = offset >> header.ClusterBits;
        var l2Index = cluster & ((1L << header.L2Bits) - 1);
        var inCluster = offset & (header.ClusterLength - 1);
        var table = FindTable(cluster >> header.L2Bits);
        if (table == 0)
        {
            var rest = (((1L << header.L2Bits) - l2Index) << header.ClusterBits) - inCluster;
            return new Extent(ExtentKind.Zero, Math.Min(rest, limit));
        }

        var at = table + (l2Index * EntryLength);
        var entries = tables.Span(at, EntryLength, ((1L << header.L2Bits) - l2Index) * EntryLength, "L2 table");
        var first = BinaryPrimitives.ReadUInt64BigEndian(entries);
        var kind = Classify(first, at, out var host);
        if (kind == ExtentKind.Packed)
        {
            return Packed(first, at, Math.Min(header.ClusterLength - inCluster, limit));
        }

        var length = header.ClusterLength - inCluster;
        for (var next = EntryLength; length < limit && next < entries.Length; next += EntryLength)
        {
            var kindNext = Classify(BinaryPrimitives.ReadUInt64BigEndian(entries[next..]), at + next, out var hostNext);
            if (kindNext != kind || (kind == ExtentKind.Plain && hostNext != host + inCluster + length))
            {
                break;
            }

            length += header.ClusterLength;
        }

        length = Math.Min(length, limit);
        return kind == ExtentKind.Zero ? new Extent(kind, length) : new Extent(kind, length, host + inCluster, length);
    }

    protected override void Unpack(Extent extent, long start, Span<byte> output) =>
        unpacker.Unpack(extent.FileOffset, extent.PackedLength, output, $"compressed cluster of guest offset {start}");

    protected override void Dispose(bool disposing)
    {
        unpacker.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Where the L2 table of one L1 entry is, or 0 where nothing is allocated.</summary>
    private long FindTable(long index)
    {
        var at = header.L1Offset + (index * EntryLength);
        var entry = tables.UInt64BigEndian(at, "L1 table");
        if ((entry & ~(OffsetBits | CopiedBit)) != 0)
        {
            throw File.Fault("reserved-bits", at, $"L1 entry {index} has reserved bits set (0x{entry:x16}): the file is damaged. Check it with 'qemu-img check'.");
        }

        var offset = (long)(entry & OffsetBits);
        if ((offset & (header.ClusterLength - 1)) != 0)
        {
            throw File.Fault("unaligned", at, $"L1 entry {index} points at {offset}, which is no cluster boundary: the file is damaged. Check it with 'qemu-img check'.");
        }

        if (offset != 0 && !File.Holds(offset, header.ClusterLength))
        {
            throw File.Fault("truncated", at, $"L1 entry {index} points at {offset}, but the file ends at {File.Length}. Copy the file again: it is cut short or damaged.");
        }

        return offset;
    }

    private ExtentKind Classify(ulong entry, long at, out long host)
    {
        host = 0;
        if ((entry & PackedBit) != 0)
        {
            return ExtentKind.Packed;
        }

        var zeroBit = header.Version == 3 ? ZeroBit : 0;
        if ((entry & ~(OffsetBits | CopiedBit | zeroBit)) != 0)
        {
            throw File.Fault("reserved-bits", at, $"An L2 entry has reserved bits set (0x{entry:x16}): the file is damaged. Check it with 'qemu-img check'.");
        }

        host = (long)(entry & OffsetBits);
        if (host == 0 || (entry & zeroBit) != 0)
        {
            return ExtentKind.Zero;
        }

        if ((host & (header.ClusterLength - 1)) != 0)
        {
            throw File.Fault("unaligned", at, $"An L2 entry points at {host}, which is no cluster boundary: the file is damaged. Check it with 'qemu-img check'.");
        }

        // The last cluster of a file may be short, as QEMU leaves it; what is missing of it reads as zeros.
        if (host >= File.Length)
        {
            throw File.Fault("truncated", at, $"An L2 entry points at {host}, but the file ends at {File.Length}. Copy the file again: it is cut short or damaged.");
        }

        return ExtentKind.Plain;
    }

    private Extent Packed(ulong entry, long at, long length)
    {
        var sizeShift = 62 - (header.ClusterBits - 8);
        var offset = (long)(entry & ((1UL << sizeShift) - 1));
        var sectors = (long)((entry & (PackedBit - 1)) >> sizeShift) + 1;
        if (offset == 0 || offset >= File.Length)
        {
            throw File.Fault("truncated", at, $"A compressed cluster is said to be at {offset}, but the file ends at {File.Length}. Copy the file again: it is cut short or damaged.");
        }

        // The entry counts whole sectors; the last one may be shared with the next cluster.
        var packed = (int)((sectors * SectorLength) - (offset % SectorLength));
        return new Extent(ExtentKind.Packed, length, offset, Math.Max(1, packed - SectorLength), packed);
    }
}
