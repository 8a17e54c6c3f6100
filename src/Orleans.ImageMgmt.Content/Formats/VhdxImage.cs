using System.Buffers.Binary;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>A fixed or dynamic VHDX. Source: Microsoft, [MS-VHDX] section 2.5 (block allocation table).</summary>
internal sealed class VhdxImage : MappedImage
{
    private const int EntryLength = 8;
    private const ulong StateBits = 7;
    private const ulong ReservedBits = 0xF_FFF8;
    private const int FullyPresent = 6;
    private const int PartiallyPresent = 7;

    private readonly VhdxLayout layout;
    private readonly TablePages tables;

    public VhdxImage(ImageFile file)
        : base(file)
    {
        layout = VhdxLayout.Read(file);
        tables = new TablePages(file);
    }

    public override SourceFormat Format => SourceFormat.Vhdx;

    public override long Length => layout.Length;

    protected override long UnitLength => layout.BlockLength;

    protected override Extent Map(long offset, long limit)
    {
        var block = offset / layout.BlockLength;
        var inBlock = offset % layout.BlockLength;

        // A sector bitmap entry follows each chunk of payload entries; runs end there.
        var at = layout.TableOffset + ((block + (block / layout.ChunkRatio)) * EntryLength);
        var left = layout.ChunkRatio - (block % layout.ChunkRatio);
        var entries = tables.Span(at, EntryLength, left * EntryLength, "block allocation table");
        var isStored = Find(BinaryPrimitives.ReadUInt64LittleEndian(entries), at, block, out var stored);
        var length = layout.BlockLength - inBlock;
        for (var next = EntryLength; length < limit && next < entries.Length; next += EntryLength)
        {
            var isNextStored = Find(BinaryPrimitives.ReadUInt64LittleEndian(entries[next..]), at + next, block + (next / EntryLength), out var storedNext);
            if (isNextStored != isStored || (isStored && storedNext != stored + inBlock + length))
            {
                break;
            }

            length += layout.BlockLength;
        }

        length = Math.Min(length, limit);
        return isStored ? new Extent(ExtentKind.Plain, length, stored + inBlock, length) : new Extent(ExtentKind.Zero, length);
    }

    private bool Find(ulong entry, long at, long block, out long stored)
    {
        stored = 0;
        var state = (int)(entry & StateBits);
        if (state == PartiallyPresent)
        {
            throw File.Fault("parent", at, "A block of this VHDX is partly in a parent disk, so the file does not hold the whole disk. Merge it into its parent, or convert it to a dynamic disk with 'Convert-VHD'.");
        }

        if (state is 4 or 5 || (entry & ReservedBits) != 0)
        {
            throw File.Fault("reserved-bits", at, $"A block entry has reserved bits set (0x{entry:x16}): the file is damaged. Copy or export it again.");
        }

        // Not present, undefined, zero and unmapped: without a parent they all read as zeros.
        if (state != FullyPresent)
        {
            return false;
        }

        var offset = (entry >> 20) * VhdxLayout.Megabyte;
        var needed = (ulong)Math.Min(layout.BlockLength, layout.Length - (block * layout.BlockLength));
        if (offset < VhdxLayout.Megabyte || !File.Holds(offset, needed))
        {
            throw File.Fault("truncated", at, $"Block {block} is said to have {needed} bytes at {offset}, but the file ends at {File.Length}. Copy or export the file again: it is cut short or damaged.");
        }

        stored = (long)offset;
        return true;
    }
}
