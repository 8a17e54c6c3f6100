using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Formats;

namespace Orleans.ImageMgmt.Content;

/// <summary>Which file it is and in which state: equal before and after means that nobody wrote to it through the file system in between.</summary>
/// <param name="Device">Device number; 0 where the system does not say.</param>
/// <param name="Inode">Inode number; 0 where the system does not say.</param>
/// <param name="Length">Bytes.</param>
/// <param name="ModifiedNanoseconds">Last change of the bytes, since 1970. A writer can set it back.</param>
/// <param name="ChangedNanoseconds">Last change of the inode, since 1970. No caller can set it; it rises with every write.</param>
public readonly record struct FileIdentity(ulong Device, ulong Inode, long Length, long ModifiedNanoseconds, long ChangedNanoseconds);

/// <summary>What a sparse file on a local disk or share can be asked. Errors are <see cref="IOException"/> with the errno as HResult.</summary>
/// <remarks>On a system without these calls: holes are not seen (all is data), advice does nothing, flushing is .NET's.</remarks>
public static class SparseFile
{
    /// <summary>Blocks of zeros of this many bytes (aligned in the file) are left out when writing: the block of ext4 and XFS, the page of Linux.</summary>
    public const int BlockLength = 4096;

    internal static long BlockStart(long offset) => offset / BlockLength * BlockLength;

    internal static long BlockEnd(long offset) => (offset + BlockLength - 1) / BlockLength * BlockLength;

    private static volatile bool tellsMemory = true;

    private static bool Native => OperatingSystem.IsLinux();

    public static FileIdentity Identify(SafeFileHandle file)
    {
        if (!Native)
        {
            var modified = File.GetLastWriteTimeUtc(file) - DateTime.UnixEpoch;
            return new FileIdentity(0, 0, RandomAccess.GetLength(file), modified.Ticks * 100, modified.Ticks * 100);
        }

        var stat = Stat(file);
        return new FileIdentity(
            ((ulong)stat.DeviceMajor << 32) | stat.DeviceMinor,
            stat.Inode,
            (long)stat.Size,
            (stat.ModifiedSeconds * 1_000_000_000) + stat.ModifiedNanoseconds,
            (stat.ChangedSeconds * 1_000_000_000) + stat.ChangedNanoseconds);
    }

    /// <summary>Bytes that the file takes up on its disk; its length where the system does not say.</summary>
    public static long AllocatedBytes(SafeFileHandle file) => Native ? (long)Stat(file).Blocks * 512 : RandomAccess.GetLength(file);

    /// <summary>The first range at or after <paramref name="offset"/> that is not a hole, or null. Ends at the file's end.</summary>
    public static DiskRange? NextData(SafeFileHandle file, long offset)
    {
        if (!Native)
        {
            var length = RandomAccess.GetLength(file);
            return offset < length ? new DiskRange(offset, length - offset) : null;
        }

        var start = NativeFile.Seek(file, offset, NativeFile.SEEK_DATA);
        if (start < 0)
        {
            return Marshal.GetLastPInvokeError() == NativeFile.ENXIO ? null : throw Failure("lseek");
        }

        var end = NativeFile.Seek(file, start, NativeFile.SEEK_HOLE);
        return end < 0 ? throw Failure("lseek") : new DiskRange(start, end - start);
    }

    /// <summary>Makes a range a hole that reads as zeros. False where the file system cannot.</summary>
    public static bool TryPunchHole(SafeFileHandle file, long offset, long length) =>
        Native && NativeFile.Allocate(file, NativeFile.FALLOC_FL_KEEP_SIZE | NativeFile.FALLOC_FL_PUNCH_HOLE, offset, length) == 0;

    /// <summary>Makes a range of the target share the blocks of a range of the source (reflink), where both lie on one file system that can: no byte is copied, and a
    /// later write to either does not show in the other.</summary>
    /// <returns>Null where the two files can never share; false where this range cannot.</returns>
    internal static bool? TryClone(SafeFileHandle source, long sourceOffset, long length, SafeFileHandle target, long targetOffset)
    {
        if (!Native)
        {
            return null;
        }

        var held = false;
        source.DangerousAddRef(ref held);
        try
        {
            var range = new NativeFile.CloneRange
            {
                SourceFile = source.DangerousGetHandle(), SourceOffset = (ulong)sourceOffset, Length = (ulong)length, TargetOffset = (ulong)targetOffset,
            };
            return NativeFile.Control(target, NativeFile.FICLONERANGE, range) == 0 ? true
                : Marshal.GetLastPInvokeError() is NativeFile.EXDEV or NativeFile.ENOTTY or NativeFile.ENOSYS or NativeFile.EOPNOTSUPP ? null : false;
        }
        finally
        {
            if (held)
            {
                source.DangerousRelease();
            }
        }
    }

    /// <summary>Returns when the bytes and what is needed to find them are on stable storage (fdatasync).</summary>
    public static void Flush(SafeFileHandle file)
    {
        if (!Native)
        {
            RandomAccess.FlushToDisk(file);
        }
        else if (NativeFile.FlushData(file) != 0)
        {
            throw Failure("fdatasync");
        }
    }

    /// <summary>Returns when the folder's entries (a new file, a rename) are on stable storage.</summary>
    public static void FlushFolder(string path)
    {
        if (!Native)
        {
            return;
        }

        using var folder = NativeFile.Open(path, NativeFile.O_RDONLY | NativeFile.O_CLOEXEC);
        if (folder.IsInvalid)
        {
            throw Failure($"open {path}");
        }

        if (NativeFile.Flush(folder) != 0)
        {
            throw Failure($"fsync {path}");
        }
    }

    /// <summary>Asks the system to forget cached pages of a range that are already on the disk; length 0 means to the end.</summary>
    public static void DropCache(SafeFileHandle file, long offset = 0, long length = 0)
    {
        if (Native)
        {
            // Advice may be ignored by definition: nothing depends on it but where a read-back through the cache comes from.
            _ = NativeFile.Advise(file, offset, length, NativeFile.POSIX_FADV_DONTNEED);
        }
    }

    /// <summary>Begins reading a range into the page cache and returns. Advice: a system may do nothing.</summary>
    internal static void StartReading(SafeFileHandle file, long offset, long length)
    {
        if (Native)
        {
            _ = NativeFile.Advise(file, offset, length, NativeFile.POSIX_FADV_WILLNEED);
        }
    }

    /// <summary>Whether all of a range lies in the page cache. False where the system does not say (Linux before 6.5). Looks only: nothing is read, nothing stays longer for it.</summary>
    internal static bool IsInMemory(SafeFileHandle file, long offset, long length)
    {
        if (!Native || !tellsMemory)
        {
            return false;
        }

        var range = new NativeFile.CacheRange { Offset = (ulong)offset, Length = (ulong)length };
        if (NativeFile.CacheStat(NativeFile.SYS_CACHESTAT, file, range, out var counts, 0) == 0)
        {
            var pages = ((offset + length - 1) / Environment.SystemPageSize) - (offset / Environment.SystemPageSize) + 1;
            return counts.Cached >= (ulong)pages;
        }

        // A file that may not be asked about is one file; a system without the call is asked once.
        tellsMemory = Marshal.GetLastPInvokeError() != NativeFile.ENOSYS;
        return false;
    }

    /// <summary>Begins writing dirty pages of a range to the disk and returns at once. Promises nothing about durability.</summary>
    internal static void StartWriteBack(SafeFileHandle file, long offset, long length)
    {
        if (Native)
        {
            // A file system that cannot do it flushes later; an error of the disk comes back from fdatasync.
            _ = NativeFile.SyncRange(file, offset, length, NativeFile.SYNC_FILE_RANGE_WRITE);
        }
    }

    /// <summary>Whether the file lies on a share or in user space: on another machine, or behind a process of its own.</summary>
    internal static bool IsShare(SafeFileHandle file) =>
        !Native || NativeFile.StatSystem(file, out var system) != 0 || system.Kind is NativeFile.NFS_SUPER_MAGIC or NativeFile.SMB2_SUPER_MAGIC
            or NativeFile.CIFS_SUPER_MAGIC or NativeFile.FUSE_SUPER_MAGIC or NativeFile.CEPH_SUPER_MAGIC or NativeFile.V9FS_MAGIC;

    private static NativeFile.StatBuffer Stat(SafeFileHandle file)
    {
        const int Flags = NativeFile.AT_EMPTY_PATH | NativeFile.AT_STATX_FORCE_SYNC;
        return NativeFile.Stat(file, "", Flags, NativeFile.STATX_BASIC_STATS, out var stat) == 0 ? stat : throw Failure("statx");
    }

    private static IOException Failure(string call)
    {
        var errno = Marshal.GetLastPInvokeError();
        return new IOException($"{call}: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}).", errno);
    }
}
