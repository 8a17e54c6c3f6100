using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

internal sealed partial class FilesystemConnector
{
    private const UnixFileMode ReadOnlyMode = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Each further attempt needs one more delete of the image's last version at the very same moment.</summary>
    private const int MoveAttempts = 100;

    private async Task<ConnectorResult<Receipt>> FinaliseAsync(
        Ledger ledger, CopyOrder order, ContentDescription content, ITransferObserver observer, CancellationToken cancellationToken)
    {
        if (FindFinal(ledger, order.Version) is { } final)
        {
            return final.Record.Content.ContentDigest == content.ContentDigest
                ? final.Record.Receipt
                : ConnectorFaults.OtherContent(FaultStage.Finalise, order.Version, final.Record.Content.ContentDigest, content.ContentDigest);
        }

        var datastore = ledger.Datastores.FirstOrDefault(datastore => datastore.Staged(order.Version).Exists);
        if (datastore is null)
        {
            return ConnectorFaults.NothingStaged(order.Version, Pod);
        }

        var staged = datastore.Staged(order.Version);
        var manifest = FilesystemRecords.TryReadManifest(staged.ManifestPath, content.ManifestDigest);
        if (manifest is null || !File.Exists(staged.ArtefactPath(content)))
        {
            return ConnectorFaults.NothingStaged(order.Version, Pod);
        }

        var moved = FilesystemRecords.TryRead<StagingOrder>(staged.OrderPath);
        return await ProveAsync(datastore, order, content, manifest, moved, observer, cancellationToken);
    }

    /// <summary>Flush, read back, compare, and only then let it appear.</summary>
    /// <remarks>What the receive of this very try has read back already, in this process, is not read twice (<see cref="CopyProof"/>). Chunks that read back wrong stay as they are: the next receive finds them so, asks for them alone, and hashes what comes.</remarks>
    private async Task<ConnectorResult<Receipt>> ProveAsync(
        Datastore datastore, CopyOrder order, ContentDescription content, ContentManifest manifest, StagingOrder? moved, ITransferObserver observer, CancellationToken cancellationToken)
    {
        var staged = datastore.Staged(order.Version);
        VerifyResult result;
        using (var file = File.OpenHandle(staged.ArtefactPath(content), FileMode.Open, FileAccess.Read, FileShare.ReadWrite))
        {
            result = await CopyVerifier.VerifyAsync(file, manifest, proofs.Take(order), new VerifyOptions { SidePath = staged.BlocksPath }, observer, cancellationToken);
        }

        if (!result.IsRight)
        {
            return Corrupt(FaultStage.Finalise, order.Version, result, manifest);
        }

        cancellationToken.ThrowIfCancellationRequested();
        var receipt = new Receipt(
            order.Version,
            Pod,
            datastore.Name,
            Path.Combine("content-library", order.Version.Image.Value, order.Version.Version.Value, LibraryFolder.ArtefactName(content)),
            content.ContentDigest,
            content.ContentDigest,
            content.Length,
            moved?.BytesSent ?? 0,
            result.BytesRead,
            time.GetUtcNow(),
            Name,
            order.Generation,
            moved?.BytesReused ?? 0);
        Publish(datastore, order.Version, new FinalRecord(receipt, content));
        return receipt;
    }

    /// <summary>Everything durable inside the staging folder, then one rename, then the rename durable.</summary>
    private static void Publish(Datastore datastore, VersionId version, FinalRecord record)
    {
        var staged = datastore.Staged(version);
        FilesystemRecords.Write(staged.ReceiptPath, record);
        string[] kept = [staged.ArtefactPath(record.Content), staged.ManifestPath, staged.ReceiptPath, .. File.Exists(staged.BlocksPath) ? [staged.BlocksPath] : Array.Empty<string>()];
        foreach (var path in kept)
        {
            FilesystemRecords.SetMode(path, ReadOnlyMode);
        }

        File.Delete(staged.OrderPath);
        staged.DeleteHalfBlocks();
        SparseFile.FlushFolder(staged.Path);

        // Only a folder that is no copy can still lie here: one with a receipt was answered with it before, a damaged one was taken back.
        datastore.Discard(datastore.Final(version));
        MoveIntoLibrary(datastore, version);
        SparseFile.FlushFolder(datastore.Library);
        SparseFile.FlushFolder(datastore.ImageFolder(version.Image));
        SparseFile.FlushFolder(datastore.StagingRoot);
    }

    /// <summary>Deleting another version of the image may remove the image's empty folder just before the rename: then it is made again.</summary>
    private static void MoveIntoLibrary(Datastore datastore, VersionId version)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                Directory.CreateDirectory(datastore.ImageFolder(version.Image));
                Directory.Move(datastore.Staged(version).Path, datastore.Final(version).Path);
                return;
            }
            catch (DirectoryNotFoundException) when (attempt < MoveAttempts && datastore.Staged(version).Exists)
            {
            }
        }
    }

    private async Task<ConnectorResult<Receipt>> VerifyFinalAsync(VersionId version, ITransferObserver observer, bool isScrub, CancellationToken cancellationToken)
    {
        var found = FindFinal(version, FaultStage.Verify, out var trouble);
        if (found is not { } final)
        {
            return trouble ?? ConnectorFaults.NoCopy(FaultStage.Verify, version, Pod);
        }

        var content = final.Record.Content;
        var folder = final.Datastore.Final(version);
        if (FilesystemRecords.TryReadManifest(folder.ManifestPath, content.ManifestDigest) is not { } manifest)
        {
            MarkDamaged(folder);
            return new ConnectorFault(FaultStage.Verify, FaultCause.TargetCorrupt, $"The manifest of {version} on datastore '{final.Datastore.Name}' is damaged.", "It is fetched again from another pod that holds the version.");
        }

        VerifyResult result;
        DateTimeOffset seenAt;
        using (var file = File.OpenHandle(folder.ArtefactPath(content), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete))
        {
            (result, seenAt) = isScrub
                ? await ReadInStretchesAsync(file, manifest, folder.ScrubPath, observer, cancellationToken)
                : (await CopyVerifier.VerifyAsync(file, manifest, new VerifyOptions(), observer, cancellationToken), time.GetUtcNow());
        }

        if (result.IsRight)
        {
            return final.Record.Receipt with { VerifiedAt = seenAt, BytesReadBack = result.BytesRead };
        }

        MarkDamaged(folder);
        return Corrupt(FaultStage.Verify, version, result, manifest);
    }

    /// <summary>So that nobody opens it, and no receipt is given for it again, until it is repaired. Where even that cannot be written, the
    /// answer of the verification has to do.</summary>
    private static void MarkDamaged(LibraryFolder folder)
    {
        try
        {
            FilesystemRecords.WriteBytes(folder.DamagedPath, []);
            SparseFile.FlushFolder(folder.Path);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
        }
    }

    private static ConnectorFault Corrupt(FaultStage stage, VersionId version, VerifyResult result, ContentManifest manifest) => result.LengthRight
        ? ConnectorFaults.TargetCorrupt(stage, version, result.BadChunks, result.BadCount, manifest.ChunkSize)
        : new ConnectorFault(stage, FaultCause.TargetCorrupt, $"{version}: the file has {result.Length} bytes on the datastore, not what the manifest says; {result.BadCount} chunk(s) differ.", "Only what is missing is sent again.")
        {
            Damage = new ContentDamage(result.BadCount, manifest.ChunkSize, [.. result.BadChunks.Take(ContentDamage.NamedLimit)]),
        };
}
