using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

internal sealed partial class FilesystemConnector
{
    private async Task<ConnectorResult<StagedCopy>> ReceiveAsync(
        Ledger ledger, CopyOrder order, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken)
    {
        if (FindFinal(ledger, order.Version) is { } final)
        {
            return final.Record.Content.ContentDigest == offer.Content.ContentDigest
                ? new StagedCopy(final.Datastore.Name, 0, offer.Content.DataLength)
                : ConnectorFaults.OtherContent(FaultStage.Receive, order.Version, final.Record.Content.ContentDigest, offer.Content.ContentDigest);
        }

        proofs.Forget(order.Version);
        TakeBackDamaged(ledger, order.Version);
        var chosen = ChooseForReceive(ledger, order.Version, offer.Manifest);
        if (chosen is not ConnectorResult<Datastore>.Done { Value: var datastore })
        {
            return chosen.As<StagedCopy>();
        }

        var staged = datastore.Staged(order.Version);
        Directory.CreateDirectory(staged.Path);
        if (FilesystemRecords.TryReadManifest(staged.ManifestPath, offer.Content.ManifestDigest) is null)
        {
            FilesystemRecords.WriteBytes(staged.ManifestPath, offer.Manifest.Encode());
        }

        FilesystemRecords.Write(staged.OrderPath, new StagingOrder(order.Version, order.Generation, order.Attempt, 0));
        ReceiveResult result;
        using (var own = OwnLibrary.Open(ledger.Datastores, order.Version))
        using (var file = FilesystemRecords.OpenForWriting(staged.ArtefactPath(offer.Content), FileMode.OpenOrCreate))
        {
            var options = new ReceiveOptions { TimeProvider = time, OwnCopies = own.Copies, Throttle = offer.Throttle, SidePath = staged.BlocksPath, ReadBack = settings.ReadBack };
            result = await CopyReceiver.ReceiveAsync(offer.Reader, file, options, observer, cancellationToken);
        }

        FilesystemRecords.Write(staged.OrderPath, new StagingOrder(order.Version, order.Generation, order.Attempt, result.BytesRequested, result.BytesReused));
        proofs.Keep(order, result.Proof);
        return new StagedCopy(datastore.Name, result.BytesRequested, result.BytesStagedBefore, result.BytesReused);
    }

    /// <summary>Where it is staged already, else where most room is; with room for what is still missing.</summary>
    private ConnectorResult<Datastore> ChooseForReceive(Ledger ledger, VersionId version, ContentManifest manifest)
    {
        var begun = ledger.Datastores.FirstOrDefault(datastore => datastore.Staged(version).Exists);
        if (begun is null)
        {
            return ChooseForNew(FaultStage.Receive, ledger, manifest.DataLength);
        }

        // What is allocated already, right or wrong, will be written over and takes no new room.
        var needed = Math.Max(0, manifest.DataLength - begun.Staged(version).AllocatedBytes());
        var free = begun.Room().Free;
        return needed == 0 || free >= needed + settings.Reserve
            ? begun
            : ConnectorFaults.NoRoom(FaultStage.Receive, begun.Name, needed, settings.Reserve, free);
    }

    private ConnectorResult<Datastore> ChooseForNew(FaultStage stage, Ledger ledger, long needed)
    {
        var best = ledger.Datastores.Select(datastore => (Datastore: datastore, datastore.Room().Free)).MaxBy(pair => pair.Free);
        return best.Free >= needed + settings.Reserve ? best.Datastore : ConnectorFaults.NoRoom(stage, best.Datastore.Name, needed, settings.Reserve, best.Free);
    }

    /// <summary>A damaged copy goes back to staging, so that only what is wrong in it travels again.</summary>
    private static void TakeBackDamaged(Ledger ledger, VersionId version)
    {
        foreach (var datastore in ledger.Datastores)
        {
            var final = datastore.Final(version);
            if (!final.Exists)
            {
                continue;
            }

            if (datastore.Staged(version).Exists || !File.Exists(final.ReceiptPath))
            {
                datastore.Discard(final);
                continue;
            }

            // In this order on the disk too: without its mark and with its receipt, a damaged copy would pass for a whole one.
            File.Delete(final.ReceiptPath);
            SparseFile.FlushFolder(final.Path);
            File.Delete(final.DamagedPath);
            File.Delete(final.BlocksPath); // it may name the damaged bytes
            File.Delete(final.ScrubPath);
            SparseFile.FlushFolder(final.Path);
            Directory.Move(final.Path, datastore.Staged(version).Path);
            datastore.FlushOrParent(datastore.ImageFolder(version.Image));
            SparseFile.FlushFolder(datastore.StagingRoot);
        }
    }
}
