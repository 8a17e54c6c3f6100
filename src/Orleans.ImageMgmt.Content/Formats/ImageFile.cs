using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>A window of the source file with checked reads. Every offset a parser takes from the file goes through here.</summary>
/// <remarks>Offsets are those of the window; faults name the offset in the whole file.</remarks>
internal sealed class ImageFile(SafeFileHandle handle, long start, long length, string format)
{
    public SafeFileHandle Handle => handle;

    public long Length => length;

    /// <summary>The same bytes read under another format's name, for its fault codes.</summary>
    public ImageFile As(string name) => new(handle, start, length, name);

    /// <summary>A part of this window; the caller has checked that the window holds it.</summary>
    public ImageFile Window(long offset, long size, string name) => new(handle, start + offset, size, name);

    public bool Holds(long offset, long size) => offset >= 0 && size >= 0 && offset <= length - size;

    /// <summary>As <see cref="Holds(long, long)"/>, for values as they stand in the file, which may not fit a signed number.</summary>
    public bool Holds(ulong offset, ulong size) => size <= (ulong)length && offset <= (ulong)length - size;

    public DiskFormatException Fault(string code, long offset, string message) => new($"{format}.{code}", start + offset, message);

    /// <summary>Fills <paramref name="buffer"/> or refuses the file as cut short.</summary>
    public void ReadExactly(long offset, Span<byte> buffer, string what)
    {
        if (!Holds(offset, buffer.Length))
        {
            throw Fault("truncated", offset, $"The {what} needs {buffer.Length} bytes at {start + offset}, but the file ends at {start + length}. Copy the file again: it is cut short or damaged.");
        }

        Fill(offset, buffer);
    }

    /// <summary>Fills <paramref name="buffer"/>; what lies behind the end of the window reads as zeros.</summary>
    public void ReadPadded(long offset, Span<byte> buffer)
    {
        var present = (int)Math.Clamp(length - offset, 0, buffer.Length);
        Fill(offset, buffer[..present]);
        buffer[present..].Clear();
    }

    private void Fill(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var read = RandomAccess.Read(handle, buffer, start + offset);
            if (read <= 0)
            {
                throw new EndOfStreamException($"The source file became shorter while it was read: nothing at offset {start + offset}.");
            }

            offset += read;
            buffer = buffer[read..];
        }
    }
}
