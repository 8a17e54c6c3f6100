using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>The pod's final copies of other versions of an image, open for taking chunks from them. Deleting one meanwhile takes nothing away.</summary>
internal sealed class OwnLibrary : IDisposable
{
    /// <summary>Copies that are looked into, the last made first: versions of one image resemble their neighbours most.</summary>
    private const int MaxCopies = 4;

    private readonly List<OwnCopy> copies = [];

    private OwnLibrary()
    {
    }

    public IReadOnlyList<OwnCopy> Copies => copies;

    /// <summary>Opens what is whole. What cannot be opened is no fault: its chunks are asked from the source then.</summary>
    public static OwnLibrary Open(IReadOnlyList<Datastore> datastores, VersionId version)
    {
        var library = new OwnLibrary();
        try
        {
            foreach (var (folder, record) in datastores.SelectMany(datastore => Finals(datastore, version)).OrderByDescending(final => final.Record.Receipt.VerifiedAt).Take(MaxCopies))
            {
                library.Add(folder, record.Content);
            }

            return library;
        }
        catch
        {
            library.Dispose();
            throw;
        }
    }

    /// <summary>The copy of another version of the image with this content; null when there is none that is whole.</summary>
    public static OpenBase? FindContent(IReadOnlyList<Datastore> datastores, VersionId version, Digest content)
    {
        using var library = new OwnLibrary();
        foreach (var (folder, record) in datastores.SelectMany(datastore => Finals(datastore, version)).Where(final => final.Record.Content.ContentDigest == content))
        {
            library.Add(folder, record.Content);
            if (library.copies.Count > 0)
            {
                var found = library.copies[0];
                library.copies.Clear();
                return new OpenBase(found.File, found.Manifest, found.SidePath);
            }
        }

        return null;
    }

    public void Dispose() => copies.ForEach(copy => copy.File.Dispose());

    private static List<(LibraryFolder Folder, FinalRecord Record)> Finals(Datastore datastore, VersionId version)
    {
        var finals = new List<(LibraryFolder Folder, FinalRecord Record)>();
        try
        {
            foreach (var path in Directory.EnumerateDirectories(datastore.ImageFolder(version.Image)))
            {
                var folder = new LibraryFolder(path);
                if (Path.GetFileName(path) != version.Version.Value && folder.TryLoadFinal() is { } record)
                {
                    finals.Add((folder, record));
                }
            }
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            // Mostly: the image has no copy here yet.
        }

        return finals;
    }

    private void Add(LibraryFolder folder, ContentDescription content)
    {
        try
        {
            if (FilesystemRecords.TryReadManifest(folder.ManifestPath, content.ManifestDigest) is { } manifest)
            {
                copies.Add(new OwnCopy(File.OpenHandle(folder.ArtefactPath(content), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete), manifest, folder.BlocksPath));
            }
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            // Deleted or unreadable since.
        }
    }
}
