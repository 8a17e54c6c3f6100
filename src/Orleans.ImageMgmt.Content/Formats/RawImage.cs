using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>A file whose bytes are the content: a raw disk, or an ISO 9660 image.</summary>
internal sealed class RawImage(ImageFile file, SourceFormat format, ContentKind kind) : DiskImage
{
    public override SourceFormat Format => format;

    public override ContentKind Kind => kind;

    public override long Length => file.Length;

    public override int Read(long offset, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        var count = (int)Math.Clamp(file.Length - offset, 0, buffer.Length);
        file.ReadPadded(offset, buffer[..count]);
        return count;
    }

    public override DiskRange? NextData(long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return FileHoles.Next(file.Handle, offset, file.Length);
    }
}
