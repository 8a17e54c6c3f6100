namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>The folder of a silo's data: private to its user, held by one process at a time.</summary>
internal sealed class DataDirectory : IDisposable
{
    private const string LockName = "silo.lock";
    private const string HolderName = "silo.pid";

    /// <summary>Characters read of the holder's note; a process id is shorter.</summary>
    private const int HolderLimit = 32;

    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode FileMode600 = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>File systems that live on another machine: a lock or a sync may not reach it (flock(2), fsync(2); sqlite.org/wal.html: no shared memory).</summary>
    private static readonly string[] Remote = ["nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "9p", "afs", "ceph", "fuse.sshfs", "fuse"];

    private readonly FileStream held;

    private DataDirectory(string path, FileStream held, string format) => (Path, this.held, Format) = (path, held, format);

    public string Path { get; }

    /// <summary>Name of the file system, such as <c>ext4</c>.</summary>
    public string Format { get; }

    /// <summary>Makes the folder if it is not there, checks what it lies on, and takes it for this process.</summary>
    /// <exception cref="DataDirectoryInUseException">Another process has it.</exception>
    /// <exception cref="StoreUnavailableException">It cannot be made or written, or lies on a file system that cannot be trusted.</exception>
    public static DataDirectory Take(string path, bool allowRemote)
    {
        path = System.IO.Path.GetFullPath(path);
        try
        {
            MakePrivate(path);
            var format = new DriveInfo(path).DriveFormat;
            if (!allowRemote && Remote.Contains(format, StringComparer.OrdinalIgnoreCase))
            {
                throw new StoreUnavailableException(
                    StoreUnavailableException.Unsuitable,
                    $"The data directory {path} is on a network file system ({format}), where locks and syncs may not hold. Use a local one, or set {nameof(DurableOptions.AllowNetworkFileSystem)}.");
            }

            return new DataDirectory(path, Lock(path), format);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StoreUnavailableException(
                StoreUnavailableException.Unsuitable, $"The data directory {path} cannot be used: {error.Message} Give this user a folder it can write.", error);
        }
    }

    /// <summary>The full path of a file in it that exists and only this user can read or write. SQLite gives its side files the same mode.</summary>
    public static string PrivateFile(string directory, string name)
    {
        var file = System.IO.Path.Combine(directory, name);
        using (OpenPrivate(file, FileShare.ReadWrite | FileShare.Delete))
        {
            return file;
        }
    }

    public void Dispose()
    {
        File.Delete(System.IO.Path.Combine(Path, HolderName));
        held.Dispose();
    }

    private static FileStream Lock(string path)
    {
        var name = System.IO.Path.Combine(path, LockName);
        FileStream held;
        try
        {
            held = OpenPrivate(name, FileShare.None);
        }
        catch (IOException) when (File.Exists(name))
        {
            throw new DataDirectoryInUseException($"The data directory {path} is in use by {Holder(path)}. End it, or give this one a directory of its own.");
        }

        try
        {
            using var second = OpenPrivate(name, FileShare.None);
        }
        catch (IOException)
        {
            // Refused even to ourselves: the file system honours locks.
            using var holder = new StreamWriter(OpenPrivate(System.IO.Path.Combine(path, HolderName), FileShare.ReadWrite));
            holder.BaseStream.SetLength(0);
            holder.Write(Environment.ProcessId);
            return held;
        }

        held.Dispose();
        throw new StoreUnavailableException(
            StoreUnavailableException.Unsuitable, $"The file system of the data directory {path} does not honour locks. Use a local one such as ext4 or xfs.");
    }

    private static string Holder(string path)
    {
        try
        {
            using var reader = new StreamReader(System.IO.Path.Combine(path, HolderName));
            var buffer = new char[HolderLimit];
            return int.TryParse(buffer.AsSpan(0, reader.ReadBlock(buffer)), System.Globalization.CultureInfo.InvariantCulture, out var id)
                ? $"process {id}"
                : "another process";
        }
        catch (IOException)
        {
            return "another process";
        }
    }

    private static FileStream OpenPrivate(string name, FileShare share)
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = share };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = FileMode600;
        }

        return new FileStream(name, options);
    }

    private static void MakePrivate(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
            return;
        }

        Directory.CreateDirectory(path, FolderMode);
        if (File.GetUnixFileMode(path) != FolderMode)
        {
            File.SetUnixFileMode(path, FolderMode);
        }
    }
}
