using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>Asks the file system where a sparse file has data (lseek(2), <c>SEEK_DATA</c> and <c>SEEK_HOLE</c>).</summary>
/// <remarks>Where that cannot be asked (other systems, pipes, file systems without holes), everything is data: right, only slower.
/// Moves the descriptor's own position, which positioned reads do not use.</remarks>
internal static partial class FileHoles
{
    private const int SeekData = 3;
    private const int SeekHole = 4;
    private const int NoSuchOffset = 6;

    // The native offset is 64 bits wide only there.
    private static readonly bool Known = OperatingSystem.IsLinux() && nint.Size == sizeof(long);

    /// <summary>The first range at or after <paramref name="offset"/> that the file system has stored, or null when only a hole is left before <paramref name="length"/>.</summary>
    public static DiskRange? Next(SafeFileHandle file, long offset, long length)
    {
        if (offset >= length)
        {
            return null;
        }

        if (!Known)
        {
            return new DiskRange(offset, length - offset);
        }

        var start = Seek(file, offset, SeekData);
        if (start < 0)
        {
            return Marshal.GetLastPInvokeError() == NoSuchOffset ? null : new DiskRange(offset, length - offset);
        }

        if (start < offset || start >= length)
        {
            return start >= length ? null : new DiskRange(offset, length - offset);
        }

        var end = Seek(file, start, SeekHole);
        return new DiskRange(start, (end <= start ? length : Math.Min(end, length)) - start);
    }

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial long Seek(SafeFileHandle file, long offset, int whence);
}
