using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>How a run of guest-visible bytes is stored.</summary>
internal enum ExtentKind
{
    /// <summary>Not stored: reads as zeros.</summary>
    Zero,

    /// <summary>Stored as it is.</summary>
    Plain,

    /// <summary>Stored compressed, one unit (cluster or grain) at a time.</summary>
    Packed,
}

/// <summary>A run of guest-visible bytes and where the file holds it.</summary>
/// <param name="Length">Guest-visible bytes, at least 1.</param>
/// <param name="FileOffset">Where the first of them is stored; for a packed unit, where the unit's stored form begins.</param>
/// <param name="Stored">Bytes of the file that this run has for itself, never more than it really has.</param>
/// <param name="PackedLength">Bytes of the stored form of a packed unit, where the map tells it.</param>
internal readonly record struct Extent(ExtentKind Kind, long Length, long FileOffset = 0, long Stored = 0, int PackedLength = 0);

/// <summary>A disk file whose guest-visible bytes are found through a map of clusters, grains or blocks.</summary>
internal abstract class MappedImage(ImageFile file) : DiskImage
{
    /// <summary>Longest range that <see cref="NextData"/> returns, so that one call walks a bounded part of the map. The next call goes on behind it.</summary>
    public const long MaxRange = 1L << 30;

    private byte[]? unit;
    private long unitStart = -1;
    private long countedTo;
    private long stored;

    public override ContentKind Kind => ContentKind.Disk;

    protected ImageFile File => file;

    /// <summary>Guest-visible bytes of one cluster, grain or block.</summary>
    protected abstract long UnitLength { get; }

    /// <summary>How the bytes from <paramref name="offset"/> on are stored; at most <paramref name="limit"/> of them, and fewer where the map is looked up in parts.</summary>
    protected abstract Extent Map(long offset, long limit);

    /// <summary>Decompresses the unit that <paramref name="extent"/> names into exactly <paramref name="output"/>.</summary>
    /// <param name="start">Guest-visible offset of the unit's first byte.</param>
    protected virtual void Unpack(Extent extent, long start, Span<byte> output) => throw new NotSupportedException("This format has no compressed units.");

    public override int Read(long offset, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (offset >= Length)
        {
            return 0;
        }

        var count = (int)Math.Min(buffer.Length, Length - offset);
        for (var done = 0; done < count;)
        {
            var position = offset + done;
            var extent = Map(position, count - done);
            var target = buffer.Slice(done, (int)Math.Min(extent.Length, count - done));
            switch (extent.Kind)
            {
                case ExtentKind.Zero:
                    target.Clear();
                    break;
                case ExtentKind.Plain:
                    file.ReadPadded(extent.FileOffset, target);
                    break;
                case ExtentKind.Packed:
                    ReadPacked(extent, position, target);
                    break;
                default:
                    throw new NotSupportedException(extent.Kind.ToString());
            }

            done += target.Length;
        }

        return count;
    }

    public override DiskRange? NextData(long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        for (var position = offset; position < Length;)
        {
            var extent = Map(position, Length - position);
            if (extent.Kind == ExtentKind.Zero)
            {
                position += extent.Length;
                continue;
            }

            var start = position;
            while (extent.Kind != ExtentKind.Zero)
            {
                Count(position, extent);
                position += extent.Length;
                if (position >= Length || position - start >= MaxRange)
                {
                    break;
                }

                extent = Map(position, Length - position);
            }

            return new DiskRange(start, position - start);
        }

        return null;
    }

    /// <summary>Every stored byte belongs to one place of the disk. A map that claims more stored bytes than the file has points at some of
    /// them twice: a small hostile file could otherwise stand for terabytes of data.</summary>
    private void Count(long position, Extent extent)
    {
        if (position < countedTo)
        {
            return;
        }

        countedTo = position + extent.Length;
        stored += extent.Stored;

        // The last unit may be longer than what the file has of it.
        if (stored > file.Length + UnitLength)
        {
            throw file.Fault("overlap", extent.FileOffset, $"The map claims more stored data than the file's {file.Length} bytes: parts of the file are used more than once. Repair or convert the image with its own tools first.");
        }
    }

    private void ReadPacked(Extent extent, long position, Span<byte> target)
    {
        var start = position - (position % UnitLength);
        var length = (int)Math.Min(UnitLength, Length - start);
        if (position == start && target.Length == length)
        {
            Unpack(extent, start, target);
            return;
        }

        unit ??= new byte[UnitLength];
        if (unitStart != start)
        {
            unitStart = -1;
            Unpack(extent, start, unit.AsSpan(0, length));
            unitStart = start;
        }

        unit.AsSpan((int)(position - start), target.Length).CopyTo(target);
    }
}
