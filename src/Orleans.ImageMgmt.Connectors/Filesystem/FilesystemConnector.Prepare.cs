using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Content.Formats;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

internal sealed partial class FilesystemConnector
{
    private async Task<ConnectorResult<PreparedCopy>> PrepareAsync(
        Ledger ledger, CopyOrder order, SourceRef source, ITransferObserver observer, CancellationToken cancellationToken)
    {
        if (!Capabilities.CanPrepare)
        {
            return ConnectorFaults.Unsupported(FaultStage.Prepare, Name, $"on pod {Pod} has neither 'sources' nor 'allowed-sources'");
        }

        if (FindFinal(ledger, order.Version) is { } final)
        {
            // Sealed by a call whose answer was lost. The source may be gone by now; the copy is what counts.
            var content = final.Record.Content;
            return Mismatch(source, content) is { } other ? other : new PreparedCopy(content, final.Record.Receipt);
        }

        var opened = gate.Open(source);
        if (opened is not ConnectorResult<SafeFileHandle>.Done { Value: var file })
        {
            return opened.As<PreparedCopy>();
        }

        using (file)
        using (var image = DiskImages.Open(file, source.ExpectedFormat, observer.Advanced, cancellationToken))
        {
            foreach (var datastore in ledger.Datastores)
            {
                // A source may have changed since a cut call: sealing begins anew.
                datastore.Discard(datastore.Staged(order.Version));
            }

            var chosen = ChooseForNew(FaultStage.Prepare, ledger, DataLengthOf(image, cancellationToken));
            if (chosen is not ConnectorResult<Datastore>.Done { Value: var target })
            {
                return chosen.As<PreparedCopy>();
            }

            return await SealAsync(target, order, source, image, file, observer, cancellationToken);
        }
    }

    private async Task<ConnectorResult<PreparedCopy>> SealAsync(
        Datastore datastore, CopyOrder order, SourceRef source, DiskImage image, SafeFileHandle file, ITransferObserver observer, CancellationToken cancellationToken)
    {
        var staged = datastore.Staged(order.Version);
        var finished = false;
        try
        {
            Directory.CreateDirectory(staged.Path);
            FilesystemRecords.Write(staged.OrderPath, new StagingOrder(order.Version, order.Generation, order.Attempt, 0));
            var artefact = Path.Combine(staged.Path, ArtefactNameOf(image));
            SealedContent made;
            using (var target = FilesystemRecords.OpenForWriting(artefact, FileMode.Create))
            {
                made = await Sealer.SealAsync(image, file, target, new SealOptions { TimeProvider = time }, observer, cancellationToken);
            }

            if (Mismatch(source, made.Content) is { } other)
            {
                return other;
            }

            FilesystemRecords.WriteBytes(staged.ManifestPath, made.Manifest.Encode());
            var proved = await ProveAsync(datastore, order, made.Content, made.Manifest, null, observer, cancellationToken);
            finished = proved is ConnectorResult<Receipt>.Done;
            return proved is ConnectorResult<Receipt>.Done { Value: var receipt } ? new PreparedCopy(made.Content, receipt) : proved.As<PreparedCopy>();
        }
        finally
        {
            if (!finished)
            {
                TryDiscard(datastore, staged);
            }
        }
    }

    /// <summary>What a person has at hand is the digest of the file or that of the disk in it; either will do.</summary>
    private static ConnectorFault? Mismatch(SourceRef source, ContentDescription content) =>
        source.ExpectedDigest is { } expected && expected != content.SourceDigest && expected != content.ContentDigest
            ? ConnectorFaults.SourceMismatch(FaultStage.Prepare, source.Path, expected, content.SourceDigest)
            : null;

    private static string ArtefactNameOf(DiskImage image) => (image.Kind, image.Format) switch
    {
        (ContentKind.Disk, _) => "disk.raw",
        (_, SourceFormat.Iso) => "content.iso",
        _ => "content.bin",
    };

    private static long DataLengthOf(DiskImage image, CancellationToken cancellationToken)
    {
        long sum = 0;
        for (var data = image.NextData(0); data is { } range; data = image.NextData(range.End))
        {
            cancellationToken.ThrowIfCancellationRequested(); // the map of a large disk may be long
            sum += range.Length;
        }

        return sum;
    }

    /// <summary>Tidies after a fault. That it cannot is no new fault: the next call for the version tries again, and the inventory shows it.</summary>
    private static void TryDiscard(Datastore datastore, LibraryFolder staged)
    {
        try
        {
            datastore.Discard(staged);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
        }
    }
}
