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
