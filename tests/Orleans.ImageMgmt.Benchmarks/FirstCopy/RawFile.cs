using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Content.Formats;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Benchmarks.FirstCopy;

/// <summary>A raw file as a disk.</summary>
internal sealed class RawFile(SafeFileHandle file) : DiskImage
{
    public override SourceFormat Format => SourceFormat.Raw;

    public override ContentKind Kind => ContentKind.Disk;

    public override long Length { get; } = RandomAccess.GetLength(file);

    public override int Read(long offset, Span<byte> buffer) => RandomAccess.Read(file, buffer, offset);

    public override DiskRange? NextData(long offset) => SparseFile.NextData(file, offset);
}
