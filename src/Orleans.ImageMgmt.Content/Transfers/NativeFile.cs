using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>The few calls of the C library that .NET has no door to. Linux numbers; <see cref="SparseFile"/> decides when they may be used.</summary>
internal static partial class NativeFile
{
    public const int ENOENT = 2;
    public const int EXDEV = 18;
    public const int ENOTTY = 25;
    public const int ENOSYS = 38;
    public const int EOPNOTSUPP = 95;

    /// <summary><c>FICLONERANGE</c> (include/uapi/linux/fs.h): takes a range of another file on the same file system without copying it.</summary>
    public const nuint FICLONERANGE = 0x4020940D;
    public const int EIO = 5;
    public const int ENXIO = 6;
    public const int EACCES = 13;
    public const int EPERM = 1;
    public const int ENODEV = 19;
    public const int EINVAL = 22;
    public const int ENOSPC = 28;
    public const int EROFS = 30;
    public const int ESTALE = 116;
    public const int EDQUOT = 122;
    public const int ENOTCONN = 107;
    public const int EREMOTEIO = 121;

    public const int SEEK_DATA = 3;
    public const int SEEK_HOLE = 4;
    public const int POSIX_FADV_WILLNEED = 3;
    public const int POSIX_FADV_DONTNEED = 4;
    public const int MADV_HUGEPAGE = 14;
    public const uint SYNC_FILE_RANGE_WRITE = 2;
    public const int FALLOC_FL_KEEP_SIZE = 1;
    public const int FALLOC_FL_PUNCH_HOLE = 2;
    public const int O_RDONLY = 0;
    public const int O_RDWR = 2;
    public const int O_CLOEXEC = 0x80000;
    public const int AT_EMPTY_PATH = 0x1000;

    /// <summary>Ask the server, not the client's cache, where the file lies on a share.</summary>
    public const int AT_STATX_FORCE_SYNC = 0x2000;

    public const uint STATX_BASIC_STATS = 0x7ff;
    public const nint SYS_CACHESTAT = 451;

    // File systems of other machines and of user space (include/uapi/linux/magic.h).
    public const long NFS_SUPER_MAGIC = 0x6969;
    public const long SMB2_SUPER_MAGIC = 0xFE534D42;
    public const long CIFS_SUPER_MAGIC = 0xFF534D42;
    public const long FUSE_SUPER_MAGIC = 0x65735546;
    public const long CEPH_SUPER_MAGIC = 0x00C36400;
    public const long V9FS_MAGIC = 0x01021997;

    private const string C = "libc";

    /// <summary>The one flag here whose number depends on the processor; 0 where it is not known.</summary>
    public static int O_DIRECT { get; } = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 0x4000,
        Architecture.Arm64 => 0x10000,
        _ => 0,
    };

    [LibraryImport(C, EntryPoint = "lseek", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial long Seek(SafeFileHandle file, long offset, int whence);

    [LibraryImport(C, EntryPoint = "fdatasync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int FlushData(SafeFileHandle file);

    [LibraryImport(C, EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Flush(SafeFileHandle file);

    [LibraryImport(C, EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial SafeFileHandle Open(string path, int flags);

    /// <summary>Returns the error itself, not through errno.</summary>
    [LibraryImport(C, EntryPoint = "posix_fadvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Advise(SafeFileHandle file, long offset, long length, int advice);

    [LibraryImport(C, EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static unsafe partial int AdviseMemory(void* start, nuint length, int advice);

    [LibraryImport(C, EntryPoint = "sync_file_range", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int SyncRange(SafeFileHandle file, long offset, long length, uint flags);

    [LibraryImport(C, EntryPoint = "fallocate", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Allocate(SafeFileHandle file, int mode, long offset, long length);

    [LibraryImport(C, EntryPoint = "fstatfs", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int StatSystem(SafeFileHandle file, out SystemBuffer buffer);

    [LibraryImport(C, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Stat(SafeFileHandle file, string path, int flags, uint mask, out StatBuffer buffer);

    [LibraryImport(C, EntryPoint = "ioctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Control(SafeFileHandle file, nuint request, in CloneRange range);

    /// <summary><c>cachestat</c> (Linux 6.5): how much of a range lies in the page cache, read without touching it. The C library has no name for it, the kernel the same number on every processor.</summary>
    [LibraryImport(C, EntryPoint = "syscall", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial nint CacheStat(nint number, SafeFileHandle file, in CacheRange range, out CacheCounts counts, nuint flags);

    /// <summary><c>struct cachestat_range</c> of the Linux kernel (include/uapi/linux/mman.h): bytes.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct CacheRange
    {
        public ulong Offset;
        public ulong Length;
    }

    /// <summary><c>struct cachestat</c> of the Linux kernel (include/uapi/linux/mman.h): pages.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct CacheCounts
    {
        public ulong Cached;
        public ulong Dirty;
        public ulong BeingWritten;
        public ulong Evicted;
        public ulong RecentlyEvicted;
    }

    /// <summary><c>struct file_clone_range</c> of the Linux kernel (include/uapi/linux/fs.h).</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct CloneRange
    {
        public long SourceFile;
        public ulong SourceOffset;
        public ulong Length;
        public ulong TargetOffset;
    }

    /// <summary><c>struct statx</c> of the Linux kernel (include/uapi/linux/stat.h), the fields that are used here.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct StatBuffer
    {
        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(40)]
        public ulong Size;

        /// <summary>Blocks of 512 bytes, whatever the file system's own block is.</summary>
        [FieldOffset(48)]
        public ulong Blocks;

        [FieldOffset(96)]
        public long ChangedSeconds;

        [FieldOffset(104)]
        public uint ChangedNanoseconds;

        [FieldOffset(112)]
        public long ModifiedSeconds;

        [FieldOffset(120)]
        public uint ModifiedNanoseconds;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;
    }

    /// <summary><c>struct statfs</c> on 64-bit processors: the kind of file system, and room for the rest.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 120)]
    public struct SystemBuffer
    {
        [FieldOffset(0)]
        public long Kind;
    }
}
