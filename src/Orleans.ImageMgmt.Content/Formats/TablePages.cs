using System.Buffers.Binary;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>The mapping tables of a disk file, read in pages of which only the most recently used are kept, so that memory does not
/// depend on the size of the image or on what its header claims.</summary>
internal sealed class TablePages(ImageFile file)
{
    /// <summary>Bytes per page: one L2 table of a default qcow2.</summary>
    public const int PageLength = 64 << 10;

    /// <summary>Pages kept: 16 MiB, which maps 128 GiB of a qcow2 with 64 KiB clusters without reading a table twice.</summary>
    public const int MaxPages = 256;

    private readonly Dictionary<long, Page> pages = [];
    private Page? last;
    private long clock;

    /// <summary>The table bytes from <paramref name="offset"/> to the end of its page, at most <paramref name="wanted"/> of them and at least
    /// <paramref name="needed"/>. Valid until the next call.</summary>
    /// <param name="needed">Bytes of one entry; entries are aligned to their size, so none crosses a page.</param>
    public ReadOnlySpan<byte> Span(long offset, int needed, long wanted, string what)
    {
        var page = Find(offset / PageLength, what);
        var at = (int)(offset % PageLength);
        if (page.Filled - at < needed)
        {
            throw file.Fault("truncated", offset, $"The {what} lies behind the end of the file. Copy the file again: it is cut short or damaged.");
        }

        return page.Bytes.AsSpan(at, (int)Math.Min(page.Filled - at, Math.Max(needed, wanted)));
    }

    public ulong UInt64BigEndian(long offset, string what) => BinaryPrimitives.ReadUInt64BigEndian(Span(offset, 8, 8, what));

    public uint UInt32LittleEndian(long offset, string what) => BinaryPrimitives.ReadUInt32LittleEndian(Span(offset, 4, 4, what));

    private Page Find(long number, string what)
    {
        if (last is not null && last.Number == number)
        {
            return last;
        }

        if (!pages.TryGetValue(number, out var page))
        {
            page = Load(number, what);
        }

        page.UsedAt = ++clock;
        return last = page;
    }

    private Page Load(long number, string what)
    {
        var offset = number * PageLength;
        var filled = (int)Math.Clamp(file.Length - offset, 0, PageLength);
        Page page;
        if (pages.Count < MaxPages)
        {
            page = new Page(new byte[PageLength]);
        }
        else
        {
            page = pages.Values.MinBy(static candidate => candidate.UsedAt)!;
            pages.Remove(page.Number);
        }

        // A read that fails must not leave the page listed with bytes of another place.
        last = null;
        page.Number = number;
        page.Filled = filled;
        file.ReadExactly(offset, page.Bytes.AsSpan(0, filled), what);
        pages.Add(number, page);
        return page;
    }

    private sealed class Page(byte[] bytes)
    {
        public byte[] Bytes => bytes;

        public long Number { get; set; }

        public int Filled { get; set; }

        public long UsedAt { get; set; }
    }
}
