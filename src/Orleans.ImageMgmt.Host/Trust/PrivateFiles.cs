using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Host;

/// <summary>Files and folders that hold keys: for their user alone, whole or not there.</summary>
internal static class PrivateFiles
{
    private const UnixFileMode Folder700 = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode File600 = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode File644 = File600 | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Others = ~Folder700;

    public static void MakeFolder(string path) => Directory.CreateDirectory(path, Folder700);

    /// <summary>Writes under a temporary name, syncs, renames, and syncs the folder: a reader sees the old text or the new, and the new one survives a loss of power.</summary>
    public static void Write(string path, string text, bool isSecret)
    {
        var half = $"{path}.{Guid.NewGuid():N}.new";
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = isSecret ? File600 : File644,
        };
        try
        {
            using (var file = new FileStream(half, options))
            {
                file.Write(System.Text.Encoding.UTF8.GetBytes(text));
                file.Flush(flushToDisk: true);
            }

            File.Move(half, path, overwrite: true);
            SparseFile.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        catch
        {
            // Whatever it was goes on to the caller; half a secret is not left lying about.
            File.Delete(half);
            throw;
        }
    }

    /// <exception cref="TrustException">Others could read or change it.</exception>
    public static void RequirePrivate(string path, bool allowGroupRead = false)
    {
        var mode = Directory.Exists(path) ? new DirectoryInfo(path).UnixFileMode : File.GetUnixFileMode(path);
        if ((mode & (allowGroupRead ? Others & ~UnixFileMode.GroupRead : Others)) != 0)
        {
            throw new TrustException($"{path} holds keys and is open to other users (mode {Convert.ToString((int)mode, 8)}). Make it yours alone: chmod go= {path}");
        }
    }
}
