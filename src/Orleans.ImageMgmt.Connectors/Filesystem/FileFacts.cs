using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>What the kernel says about a path without reading it: opened for its name only (O_PATH), which touches neither device nor pipe.</summary>
/// <remarks>Linux only; numbers from include/uapi/asm-generic/fcntl.h and include/uapi/linux/stat.h.</remarks>
internal sealed partial class FileFacts : IDisposable
{
    private const int OpenPathOnly = 0x200000;
    private const int CloseOnExec = 0x80000;
    private const int EmptyPath = 0x1000;
    private const uint BasicFacts = 0x7ff;
    private const uint MountFact = 0x1000;
    private const int TypeMask = 0xF000;
    private const int RegularFile = 0x8000;
    private const int Folder = 0x4000;
    private const string C = "libc";

    private readonly SafeFileHandle handle;
    private readonly Statx stat;

    private FileFacts(SafeFileHandle handle, Statx stat)
    {
        this.handle = handle;
        this.stat = stat;
        RealPath = new FileInfo(ProcPath).LinkTarget ?? "";
    }

    /// <summary>Where the opened thing really is, links resolved by the kernel at the moment of opening.</summary>
    public string RealPath { get; }

    public bool IsRegular => (stat.Mode & TypeMask) == RegularFile;

    public bool IsFolder => (stat.Mode & TypeMask) == Folder;

    public long Length => (long)stat.Size;

    public DateTimeOffset ModifiedAt => DateTimeOffset.FromUnixTimeSeconds(stat.ModifiedSeconds);

    private string ProcPath => $"/proc/self/fd/{handle.DangerousGetHandle()}";

    /// <exception cref="IOException">As open(2) says, with the errno as HResult.</exception>
    public static FileFacts Open(string path)
    {
        var handle = OpenNative(path, OpenPathOnly | CloseOnExec);
        if (handle.IsInvalid)
        {
            throw Failure($"open {path}");
        }

        if (StatNative(handle, "", EmptyPath, BasicFacts | MountFact, out var stat) != 0)
        {
            var failure = Failure($"statx {path}");
            handle.Dispose();
            throw failure;
        }

        return new FileFacts(handle, stat);
    }

    /// <summary>Opens for reading the very thing that was looked at, wherever its name points by now.</summary>
    public SafeFileHandle OpenForReading() => File.OpenHandle(ProcPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    /// <summary>Do both lie on one mount? By mount id where the kernel tells it (5.8), else by device.</summary>
    public bool IsOnMountOf(FileFacts other) => (stat.Mask & other.stat.Mask & MountFact) != 0
        ? stat.MountId == other.stat.MountId
        : (stat.DeviceMajor, stat.DeviceMinor) == (other.stat.DeviceMajor, other.stat.DeviceMinor);

    public void Dispose() => handle.Dispose();

    private static IOException Failure(string call)
    {
        var errno = Marshal.GetLastPInvokeError();
        return new IOException($"{call}: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}).", errno);
    }

    [LibraryImport(C, EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial SafeFileHandle OpenNative(string path, int flags);

    [LibraryImport(C, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int StatNative(SafeFileHandle file, string path, int flags, uint mask, out Statx stat);

    /// <summary>The fields of <c>struct statx</c> that are used here; one layout on every architecture.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Statx
    {
        [FieldOffset(0)]
        public uint Mask;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(40)]
        public ulong Size;

        [FieldOffset(112)]
        public long ModifiedSeconds;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;

        [FieldOffset(144)]
        public ulong MountId;
    }
}
