using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>One folder of a pod and where things lie in it. The layout is drawn in this project's README.</summary>
internal sealed class Datastore(string name, string folder, PodName pod, bool mountExpected, FilesystemPods pods)
{
    private const string MarkerName = ".imgmt-datastore";

    public string Name => name;

    public string Folder => folder;

    public string Library { get; } = Path.Combine(folder, "content-library");

    public string StagingRoot => Path.Combine(Library, ".staging");

    public string LedgerRoot => Path.Combine(Library, ".ledger");

    public string TrashRoot => Path.Combine(Library, ".trash");

    private string MarkerPath => Path.Combine(folder, MarkerName);

    public string ImageFolder(ImageName image) => Path.Combine(Library, image.Value);

    public LibraryFolder Final(VersionId version) => new(Path.Combine(ImageFolder(version.Image), version.Version.Value));

    public LibraryFolder Staged(VersionId version) => new(Path.Combine(StagingRoot, FlatName(version)));

    /// <summary>'@' is in no name, so the flat name can be taken apart again.</summary>
    public static string FlatName(VersionId version) => $"{version.Image.Value}@{version.Version.Value}";

    public static bool TryParseFlat(string flat, out VersionId version)
    {
        var at = flat.IndexOf('@', StringComparison.Ordinal);
        version = default;
        return at > 0 && VersionId.TryCreate($"{flat[..at]}/{flat[(at + 1)..]}", out version);
    }

    /// <summary>Free bytes for this user, asked of the file system.</summary>
    public (long Free, long Total) Room() => pods.RoomOf(folder);

    /// <summary>Is this the file system that it was, and is it ours? Claims it when it has never been anybody's. Null when all is well.</summary>
    /// <remarks>
    /// A share that is not mounted leaves an empty folder behind, and copies written there would fill the disk of the machine itself.
    /// Within one process a marker once seen must stay what it was. Across restarts an empty folder is indistinguishable from a new
    /// datastore, unless 'expect-mount' says that the folder has to be a mount.
    /// </remarks>
    public ConnectorFault? Check(FaultStage stage)
    {
        if (!Directory.Exists(folder))
        {
            return Fault(stage, FaultCause.Unreachable, "its folder is not there", "Mount the share or create the folder.");
        }

        if (mountExpected && !IsMount())
        {
            return Fault(stage, FaultCause.Unreachable, "nothing is mounted there, though 'expect-mount' names it", "Mount the share.");
        }

        var known = pods.Seen.TryGetValue(folder, out var id);
        var marker = FilesystemRecords.TryRead<DatastoreMarker>(MarkerPath);
        if (marker is null)
        {
            if (known)
            {
                return Fault(stage, FaultCause.Unreachable, $"its marker {MarkerName} was there and is gone: the share is not mounted, or was emptied", "Mount the share again.");
            }

            if (Claim() is { } claimed)
            {
                marker = claimed;
            }
            else
            {
                return Fault(stage, FaultCause.Misconfigured, $"it holds a content library and no readable marker {MarkerName}", "Put the marker back from a backup, or move the library away.");
            }
        }

        if (marker.Pod != pod)
        {
            return Fault(stage, FaultCause.Misconfigured, $"it belongs to pod {marker.Pod}", "Give every pod a folder of its own.");
        }

        if (known && marker.Id != id)
        {
            return Fault(stage, FaultCause.Unreachable, "another file system than before is mounted there", "Mount the share that was there, or restart the service to take this one.");
        }

        pods.Seen[folder] = marker.Id;
        MakeFolders();
        return null;
    }

    /// <summary>As <see cref="Check"/>, but claims nothing and leaves nothing; also whether it can be written.</summary>
    public ConnectorFault? Look(FaultStage stage)
    {
        if (Glance(stage) is { } fault)
        {
            return fault;
        }

        var path = Path.Combine(folder, $".imgmt-trial-{Guid.NewGuid():N}");
        FilesystemRecords.WriteBytes(path, "probe"u8);
        File.Delete(path);
        return null;
    }

    /// <summary>As <see cref="Look"/>, but writes nothing at all.</summary>
    public ConnectorFault? Glance(FaultStage stage)
    {
        if (!Directory.Exists(folder))
        {
            return Fault(stage, FaultCause.Unreachable, "its folder is not there", "Mount the share or create the folder.");
        }

        if (mountExpected && !IsMount())
        {
            return Fault(stage, FaultCause.Unreachable, "nothing is mounted there, though 'expect-mount' names it", "Mount the share.");
        }

        var marker = FilesystemRecords.TryRead<DatastoreMarker>(MarkerPath);
        if (marker is not null && marker.Pod != pod)
        {
            return Fault(stage, FaultCause.Misconfigured, $"it belongs to pod {marker.Pod}", "Give every pod a folder of its own.");
        }

        if (marker is null && Directory.Exists(Library))
        {
            return Fault(stage, FaultCause.Misconfigured, $"it holds a content library and no readable marker {MarkerName}", "Put the marker back from a backup, or move the library away.");
        }

        return null;
    }

    /// <summary>Writes, flushes and removes a tiny file: the only honest answer to "can it be written?".</summary>
    public void TryWrite()
    {
        // In the trash: what a cut leaves behind, whoever empties it removes. A name of its own, for two probes may run at once; that the
        // other one empties the trash meanwhile takes nothing from this answer.
        var path = Path.Combine(TrashRoot, $"probe-{Guid.NewGuid():N}");
        FilesystemRecords.WriteBytes(path, "probe"u8);
        File.Delete(path);
    }

    /// <summary>Takes a folder out of sight at once, then removes it. What a cut leaves in the trash is removed by the next call that looks.</summary>
    public bool Discard(LibraryFolder doomed)
    {
        if (!Directory.Exists(doomed.Path))
        {
            EmptyTrash();
            return false;
        }

        var parent = Path.GetDirectoryName(doomed.Path)!;
        Directory.Move(doomed.Path, Path.Combine(TrashRoot, Guid.NewGuid().ToString("N")));
        FlushOrParent(parent);
        EmptyTrash();
        return true;
    }

    /// <summary>Makes a rename out of a library folder durable, also when that folder, empty now, was removed by another call.</summary>
    public void FlushOrParent(string path)
    {
        try
        {
            SparseFile.FlushFolder(path);
        }
        catch (IOException) when (!Directory.Exists(path))
        {
            SparseFile.FlushFolder(Library);
        }
    }

    public void EmptyTrash()
    {
        foreach (var path in Directory.EnumerateFileSystemEntries(TrashRoot))
        {
            try
            {
                if (Directory.Exists(path))
                {
                    Directory.Delete(path, recursive: true);
                }
                else
                {
                    File.Delete(path);
                }
            }
            catch (IOException) when (!Path.Exists(path))
            {
                // Another call empties the trash too.
            }
        }
    }

    /// <summary>Makes the marker of a datastore that has never been anybody's, or takes the one that somebody else has just made.
    /// Null where a library lies without one.</summary>
    /// <remarks>The marker appears whole and before the library, so a library that was there first and a marker that is not there
    /// afterwards do not belong together.</remarks>
    private DatastoreMarker? Claim()
    {
        var hasLibrary = Directory.Exists(Library);
        if (FilesystemRecords.TryRead<DatastoreMarker>(MarkerPath) is { } made)
        {
            return made;
        }

        if (hasLibrary || File.Exists(MarkerPath))
        {
            return null;
        }

        var draft = $"{MarkerPath}-{Guid.NewGuid():N}";
        FilesystemRecords.Write(draft, new DatastoreMarker(Guid.NewGuid(), pod, pods.Time.GetUtcNow()));
        try
        {
            File.Move(draft, MarkerPath, overwrite: false);
        }
        catch (IOException) when (File.Exists(MarkerPath))
        {
            // Another call or process was faster: its marker counts.
        }

        foreach (var leftover in Directory.EnumerateFiles(folder, MarkerName + "-*"))
        {
            // Of a claim that was cut, or of one that has just lost: it looks whether a marker is there.
            File.Delete(leftover);
        }

        SparseFile.FlushFolder(folder);
        return FilesystemRecords.TryRead<DatastoreMarker>(MarkerPath);
    }

    public ConnectorFault Fault(FaultStage stage, FaultCause cause, string what, string next) =>
        new(stage, cause, $"Datastore '{name}' of pod {pod} ({folder}) cannot be used: {what}.", next);

    private bool IsMount()
    {
        using var own = FileFacts.Open(folder);
        using var parent = FileFacts.Open(Path.GetDirectoryName(own.RealPath) ?? "/");
        return !own.IsOnMountOf(parent);
    }

    private void MakeFolders()
    {
        if (Directory.Exists(TrashRoot))
        {
            return;
        }

        // The trash is made last: where it is, all are.
        Directory.CreateDirectory(StagingRoot);
        Directory.CreateDirectory(LedgerRoot);
        Directory.CreateDirectory(TrashRoot);
        SparseFile.FlushFolder(Library);
        SparseFile.FlushFolder(folder);
    }
}
