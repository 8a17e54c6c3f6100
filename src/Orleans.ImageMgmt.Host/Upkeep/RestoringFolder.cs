using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Host;

/// <summary>
/// The folder beside a data directory in which a restore is at work. It carries a note, which its process keeps locked: so a later restore knows a folder that
/// a cut one left from one in which another is at work, and both from one that somebody else made. Only the first is removed.
/// </summary>
internal sealed class RestoringFolder : IDisposable
{
    private const string Suffix = ".restoring";
    internal const string NoteName = ".imgmt-restoring";
    internal const string NoteText = "imgmt restore is at work in this folder; what is in it is of no use without its end.\n";

    private readonly FileStream note;
    private string noteFolder;

    private RestoringFolder(string path, FileStream note) => (Path, noteFolder, this.note) = (path, path, note);

    public string Path { get; }

    /// <summary>The empty folder for a restore into <paramref name="data"/>.</summary>
    /// <exception cref="BackupException">It is in use, or is no folder of ours.</exception>
    public static RestoringFolder Take(string data)
    {
        var path = data + Suffix;
        if (File.Exists(path) || Directory.Exists(path))
        {
            RemoveOwn(path);
        }

        Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var note = new FileStream(System.IO.Path.Combine(path, NoteName), new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.None, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        note.Write(System.Text.Encoding.UTF8.GetBytes(NoteText));
        note.Flush(flushToDisk: true);
        return new RestoringFolder(path, note);
    }

    /// <summary>The folder, complete, gets the name of the data directory.</summary>
    public void Become(string data)
    {
        SparseFile.FlushFolder(Path);
        if (Directory.Exists(data))
        {
            Directory.Delete(data); // empty: it was looked at
        }

        Directory.Move(Path, data);
        noteFolder = data;
        SparseFile.FlushFolder(System.IO.Path.GetDirectoryName(data)!);
    }

    public void Dispose()
    {
        if (noteFolder == Path)
        {
            Directory.Delete(Path, recursive: true); // it came to nothing
        }
        else
        {
            File.Delete(System.IO.Path.Combine(noteFolder, NoteName));
        }

        note.Dispose();
    }

    private static void RemoveOwn(string path)
    {
        if (Directory.Exists(path) && !Directory.EnumerateFileSystemEntries(path).Any())
        {
            Directory.Delete(path); // cut before its note was written
            return;
        }

        var name = System.IO.Path.Combine(path, NoteName);
        if (!File.Exists(name))
        {
            throw Foreign(path);
        }

        FileStream left;
        try
        {
            left = new FileStream(name, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException problem) when (File.Exists(name))
        {
            throw new BackupException("restore.running", $"Another restore is at work in {path}.", "Wait for its end.", problem);
        }

        using (left)
        {
            var isCutAtOnce = left.Length == 0 && Directory.EnumerateFileSystemEntries(path).Count() == 1;
            if (!isCutAtOnce && !IsOurs(left))
            {
                throw Foreign(path);
            }

            Directory.Delete(path, recursive: true); // an earlier restore into the same directory was cut
        }
    }

    private static bool IsOurs(FileStream note)
    {
        var text = new byte[NoteText.Length];
        return note.Length == text.Length && note.ReadAtLeast(text, text.Length, throwOnEndOfStream: false) == text.Length && text.AsSpan().SequenceEqual(System.Text.Encoding.UTF8.GetBytes(NoteText));
    }

    private static BackupException Foreign(string path) =>
        new("restore.foreign-folder", $"{path} is there and was not made by a restore; it is left alone.", "Move it away, or restore into another directory.");
}
