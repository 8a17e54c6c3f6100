using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>A disk file opened through its own format: the guest-visible bytes, whatever container holds them. Not safe for concurrent reads.</summary>
public abstract class DiskImage : IDisposable
{
    /// <summary>The format found in the file itself.</summary>
    public abstract SourceFormat Format { get; }

    /// <summary>Disk, or an opaque file whose content is the file.</summary>
    public abstract ContentKind Kind { get; }

    /// <summary>Guest-visible length in bytes.</summary>
    public abstract long Length { get; }

    /// <summary>Reads up to <paramref name="buffer"/>.Length guest-visible bytes at <paramref name="offset"/>; returns 0 only at the end.
    /// Unallocated ranges read as zeros.</summary>
    /// <exception cref="DiskFormatException">The file is damaged or not what its header claims.</exception>
    public abstract int Read(long offset, Span<byte> buffer);

    /// <summary>The first range at or after <paramref name="offset"/> that may hold other bytes than zeros, or null when there is none.
    /// What lies before it reads as zeros and need not be read.</summary>
    public abstract DiskRange? NextData(long offset);

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>A range of guest-visible bytes.</summary>
public readonly record struct DiskRange(long Offset, long Length)
{
    public long End => Offset + Length;
}

/// <summary>A file that cannot be taken as a source: not what it claims, damaged, or a kind that is refused.</summary>
/// <remarks>The only exception that parsers of hostile files let out, apart from <see cref="IOException"/> of the file itself.</remarks>
public sealed class DiskFormatException(string code, long offset, string message) : Exception(message)
{
    /// <summary>Stable code such as <c>qcow2.backing-file</c>, <c>vmdk.truncated</c>.</summary>
    public string Code { get; } = code;

    /// <summary>Byte offset in the source file that shows it.</summary>
    public long Offset { get; } = offset;
}
