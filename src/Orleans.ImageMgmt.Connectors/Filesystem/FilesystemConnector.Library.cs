using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

internal sealed partial class FilesystemConnector
{
    private readonly record struct Found(Datastore Datastore, FinalRecord Record);

    private ConnectorResult<PodProbe> Probe()
    {
        var rooms = new List<DatastoreRoom>();
        foreach (var datastore in datastores)
        {
            try
            {
                if (datastore.Check(FaultStage.Probe) is { } fault)
                {
                    rooms.Add(new DatastoreRoom(datastore.Name, null, null, fault));
                    continue;
                }

                datastore.TryWrite();
                datastore.EmptyTrash();
                var (free, total) = datastore.Room();
                rooms.Add(new DatastoreRoom(datastore.Name, Math.Max(0, free - settings.Reserve), total));
            }
            catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
            {
                rooms.Add(new DatastoreRoom(datastore.Name, null, null, FilesystemFaults.From(FaultStage.Probe, Pod, trouble)));
            }
        }

        return rooms.All(room => room.Trouble is not null) ? rooms[0].Trouble! : new PodProbe(rooms);
    }

    private ConnectorResult<IContentReader> Open(VersionId version)
    {
        if (FindFinal(version, FaultStage.Open, out var trouble) is not { } final)
        {
            return trouble ?? ConnectorFaults.NoCopy(FaultStage.Open, version, Pod);
        }

        var folder = final.Datastore.Final(version);
        return FilesystemRecords.TryReadManifest(folder.ManifestPath, final.Record.Content.ManifestDigest) is { } manifest
            ? new ConnectorResult<IContentReader>.Done(new LocalContentReader(
                File.OpenHandle(folder.ArtefactPath(final.Record.Content), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete), manifest, folder.BlocksPath, digest => OwnLibrary.FindContent(datastores, version, digest)))
            : new ConnectorFault(FaultStage.Open, FaultCause.SourceCorrupt, $"The manifest of {version} on datastore '{final.Datastore.Name}' is damaged.", "Verify the copy; another pod's copy can serve instead.");
    }

    /// <summary>The handle stays good when the copy becomes final meanwhile: it is the same file. What it gives may be packed against other copies, as what a final one gives is.</summary>
    private ConnectorResult<IContentReader> OpenStaged(VersionId version)
    {
        foreach (var folder in datastores.Select(datastore => datastore.Staged(version)))
        {
            if (folder.TryFindArtefact() is { } artefact && FilesystemRecords.TryReadManifest(folder.ManifestPath, null) is { } manifest)
            {
                return new LocalContentReader(
                    File.OpenHandle(artefact, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete), manifest, sidePath: null, digest => OwnLibrary.FindContent(datastores, version, digest));
            }
        }

        return ConnectorFaults.NoCopy(FaultStage.Open, version, Pod);
    }

    private ConnectorResult<Removed> Delete(Ledger ledger, VersionId version, DeleteScope scope)
    {
        proofs.Forget(version);
        var removed = new Removed(false, false);
        foreach (var datastore in ledger.Datastores)
        {
            removed = removed with { StagedRemoved = datastore.Discard(datastore.Staged(version)) || removed.StagedRemoved };
            if (scope == DeleteScope.Copy)
            {
                removed = removed with { CopyRemoved = datastore.Discard(datastore.Final(version)) || removed.CopyRemoved };
                RemoveIfEmpty(datastore, version.Image);
            }

            datastore.EmptyTrash();
        }

        return removed;
    }

    private static void RemoveIfEmpty(Datastore datastore, ImageName image)
    {
        var folder = datastore.ImageFolder(image);
        if (Directory.Exists(folder) && !Directory.EnumerateFileSystemEntries(folder).Any())
        {
            try
            {
                Directory.Delete(folder);
            }
            catch (IOException)
            {
                // Another version of the image has just appeared in it.
            }
        }
    }

    /// <summary>Every folder that is there, sorted by its key; records are read for one page only. An unusable datastore is a fault, for
    /// "nothing there" would be a lie.</summary>
    private ConnectorResult<InventoryPage> Inventory(string? cursor, int limit, CancellationToken cancellationToken)
    {
        var entries = new List<InventoryEntry>();
        foreach (var datastore in datastores)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (datastore.Check(FaultStage.Inventory) is { } fault)
            {
                return fault;
            }

            datastore.EmptyTrash();

            // Staged ones first: a copy that becomes final meanwhile is then seen at least once.
            AddStaged(datastore, entries);
            AddFinal(datastore, entries);
        }

        var page = Paging.Inventory(entries, cursor, limit);
        return page with { Entries = [.. page.Entries.Select(Look).OfType<InventoryEntry>()] };
    }

    private static void AddStaged(Datastore datastore, List<InventoryEntry> entries)
    {
        foreach (var flat in Directory.EnumerateDirectories(datastore.StagingRoot).Select(Path.GetFileName))
        {
            if (Datastore.TryParseFlat(flat!, out var version))
            {
                entries.Add(new InventoryEntry(version, Generation.None, false, datastore.Name, 0));
            }
        }
    }

    private static void AddFinal(Datastore datastore, List<InventoryEntry> entries)
    {
        foreach (var folder in Directory.EnumerateDirectories(datastore.Library).Select(Path.GetFileName))
        {
            if (!ImageName.TryCreate(folder, out var image))
            {
                continue;
            }

            try
            {
                entries.AddRange(Directory.EnumerateDirectories(datastore.ImageFolder(image)).Select(Path.GetFileName)
                    .Where(version => VersionName.TryCreate(version, out _))
                    .Select(version => new InventoryEntry(new VersionId(image, new VersionName(version!)), Generation.None, true, datastore.Name, 0)));
            }
            catch (DirectoryNotFoundException)
            {
                // The image's last version was deleted meanwhile.
            }
        }
    }

    /// <summary>Null for what has gone since the folders were read.</summary>
    private InventoryEntry? Look(InventoryEntry entry)
    {
        var datastore = datastores.First(candidate => candidate.Name == entry.Datastore);
        var folder = entry.Final ? datastore.Final(entry.Version) : datastore.Staged(entry.Version);
        var bytes = folder.AllocatedBytes();
        if (!folder.Exists)
        {
            return null;
        }

        if (!entry.Final)
        {
            return entry with { Generation = FilesystemRecords.TryRead<StagingOrder>(folder.OrderPath)?.Generation ?? Generation.None, Bytes = bytes };
        }

        var record = folder.TryLoadFinal();
        return entry with { Final = record is not null, Generation = record?.Receipt.Generation ?? Generation.None, Bytes = bytes };
    }

    private static Found? FindFinal(Ledger ledger, VersionId version) => FindFinal(ledger.Datastores, version);

    private Found? FindFinal(VersionId version, FaultStage stage, out ConnectorFault? trouble)
    {
        trouble = null;
        var usable = new List<Datastore>();
        foreach (var datastore in datastores)
        {
            if (datastore.Check(stage) is { } fault)
            {
                trouble ??= fault;
            }
            else
            {
                usable.Add(datastore);
            }
        }

        return FindFinal(usable, version);
    }

    /// <summary>A receipt that names another version lies in a folder whose name was folded (a share that ignores case): not ours.</summary>
    private static Found? FindFinal(IReadOnlyList<Datastore> candidates, VersionId version)
    {
        foreach (var datastore in candidates)
        {
            if (datastore.Final(version).TryLoadFinal() is { } record && record.Receipt.Version == version)
            {
                return new Found(datastore, record);
            }
        }

        return null;
    }
}
