using System.Security.Cryptography;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

internal sealed partial class SimulatedConnector
{
    /// <summary>How often a chunk that came wrong is asked again before the sending side is called corrupt.</summary>
    private const int ChunkRetries = 2;

    public Task<ConnectorResult<PreparedCopy>> PrepareAsync(
        CopyOrder order, SourceRef source, ITransferObserver observer, CancellationToken cancellationToken) =>
        OrderedAsync<PreparedCopy>(FaultStage.Prepare, order, () => Task.FromResult(Prepare(order, source, observer, cancellationToken)), cancellationToken);

    public Task<ConnectorResult<StagedCopy>> ReceiveAsync(
        CopyOrder order, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken) =>
        OrderedAsync<StagedCopy>(FaultStage.Receive, order, () => TakeAsync(order, offer, observer, cancellationToken), cancellationToken);

    private ConnectorResult<PreparedCopy> Prepare(CopyOrder order, SourceRef wanted, ITransferObserver observer, CancellationToken cancellationToken)
    {
        if (!Capabilities.CanPrepare)
        {
            return ConnectorFaults.Unsupported(FaultStage.Prepare, Capabilities.Name, "has no sources to import from");
        }

        SimulatedSource? source;
        lock (store.Gate)
        {
            if (store.Final.TryGetValue(order.Version, out var final) && !final.IsDamaged)
            {
                return wanted.ExpectedDigest is { } digest && digest != final.Content.SourceDigest
                    ? ConnectorFaults.SourceMismatch(FaultStage.Prepare, wanted.Path, digest, final.Content.SourceDigest)
                    : new PreparedCopy(final.Content, final.Receipt!);
            }

            store.Sources.TryGetValue(wanted.Path, out source);
        }

        if (source is null)
        {
            return new ConnectorFault(FaultStage.Prepare, FaultCause.SourceMissing, $"Pod {Pod} has no source '{wanted.Path}'.", "List the pod's sources and name one of them.");
        }

        if (source.Unusable is not null || wanted.ExpectedFormat is not (null or SourceFormat.Raw))
        {
            return new ConnectorFault(
                FaultStage.Prepare, FaultCause.SourceUnusable, $"'{wanted.Path}' cannot be taken: {source.Unusable ?? "it is no " + wanted.ExpectedFormat}.", "Name another source, or export this one again.");
        }

        var bytes = source.Read();
        var (manifest, content) = SimulatedSource.Describe(bytes, cancellationToken);
        if (wanted.ExpectedDigest is { } expected && expected != content.SourceDigest)
        {
            return ConnectorFaults.SourceMismatch(FaultStage.Prepare, wanted.Path, expected, content.SourceDigest);
        }

        var free = settings.Capacity - store.Used();
        if (content.DataLength > free)
        {
            return ConnectorFaults.NoRoom(FaultStage.Prepare, Datastore, content.DataLength, 0, free);
        }

        Stage(order, manifest, content, bytes);
        return Finalise(order, content, observer, cancellationToken) is ConnectorResult<Receipt>.Done { Value: var receipt }
            ? new PreparedCopy(content, receipt)
            : new ConnectorResult<PreparedCopy>.InProgress(AskAgain, $"The platform is still taking {order.Version} in.");
    }

    private void Stage(CopyOrder order, ContentManifest manifest, ContentDescription content, byte[] bytes)
    {
        var copy = new SimulatedCopy(manifest, content, order.Generation, settings.KeepsBytes);
        for (var chunk = 0; chunk < manifest.ChunkCount; chunk++)
        {
            if (!manifest.IsZero(chunk))
            {
                copy.Put(chunk, bytes.AsSpan((int)manifest.OffsetOf(chunk), manifest.LengthOf(chunk)));
            }
        }

        lock (store.Gate)
        {
            store.Staged[order.Version] = copy;
        }
    }

    private async Task<ConnectorResult<StagedCopy>> TakeAsync(CopyOrder order, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken)
    {
        SimulatedCopy? copy;
        long needed;
        lock (store.Gate)
        {
            if (store.Final.TryGetValue(order.Version, out var final) && !TakeBackDamaged(order.Version, final))
            {
                return final.Content.ContentDigest == offer.Content.ContentDigest
                    ? new StagedCopy(Datastore, 0, final.Content.DataLength)
                    : ConnectorFaults.OtherContent(FaultStage.Receive, order.Version, final.Content.ContentDigest, offer.Content.ContentDigest);
            }

            if (!store.Staged.TryGetValue(order.Version, out copy) || !Capabilities.Resumable || copy.Content.ManifestDigest != offer.Content.ManifestDigest)
            {
                copy = new SimulatedCopy(offer.Manifest, offer.Content, order.Generation, settings.KeepsBytes);
                store.Staged[order.Version] = copy;
            }

            copy.Generation = order.Generation;
            copy.BytesSent = 0;
            needed = offer.Manifest.DataLength - copy.BytesHeld();
            var free = settings.Capacity - store.Used();
            if (needed > free)
            {
                return ConnectorFaults.NoRoom(FaultStage.Receive, Datastore, needed, 0, free);
            }
        }

        var done = false;
        try
        {
            if (settings.Takes > TimeSpan.Zero)
            {
                await Task.Delay(settings.Takes, time, cancellationToken);
            }

            var staged = settings.Transfer == TransferMode.Chunks
                ? await TakeChunksAsync(copy, offer, observer, cancellationToken)
                : await TakeWholeAsync(order.Version, copy, offer, observer, cancellationToken);
            done = staged is ConnectorResult<StagedCopy>.Done;
            return staged;
        }
        finally
        {
            if (!done && !Capabilities.Resumable)
            {
                lock (store.Gate)
                {
                    store.Staged.Remove(order.Version);
                }
            }
        }
    }

    /// <summary>A damaged copy goes back to staging, so that only what is wrong in it travels again.</summary>
    private bool TakeBackDamaged(VersionId version, SimulatedCopy final)
    {
        if (!final.IsDamaged)
        {
            return false;
        }

        store.Final.Remove(version);
        final.IsDamaged = false;
        final.Receipt = null;
        store.Staged[version] = final;
        return true;
    }

    private async Task<ConnectorResult<StagedCopy>> TakeChunksAsync(SimulatedCopy copy, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken)
    {
        var manifest = copy.Manifest;
        var missing = Enumerable.Range(0, manifest.ChunkCount).Where(chunk => !manifest.IsZero(chunk) && !copy.IsRight(chunk)).ToList();
        var needed = missing.Sum(chunk => (long)manifest.LengthOf(chunk));
        observer.Planned(missing.Count, manifest.DataChunks - missing.Count, needed);
        var buffer = new byte[Math.Min(manifest.ChunkSize, manifest.Length)]; // thousands of pods receive at once
        foreach (var chunk in missing)
        {
            var bytes = buffer.AsMemory(0, manifest.LengthOf(chunk));
            for (var attempt = 0; ; attempt++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                observer.ChunkRequested(chunk);
                await offer.Reader.ReadAsync(manifest.OffsetOf(chunk), bytes, offer.Throttle, cancellationToken);
                copy.BytesSent += bytes.Length;
                observer.Travelled(bytes.Length);
                if (manifest.Matches(chunk, SHA256.HashData(bytes.Span)))
                {
                    break;
                }

                if (attempt == ChunkRetries)
                {
                    return SourceCorrupt($"Chunk {chunk} came {attempt + 1} times and was never what the manifest says.");
                }
            }

            lock (store.Gate)
            {
                copy.Put(chunk, bytes.Span);
            }

            observer.ChunkStaged(chunk, bytes.Length);
        }

        return new StagedCopy(Datastore, copy.BytesSent, manifest.DataLength - needed);
    }

    private async Task<ConnectorResult<StagedCopy>> TakeWholeAsync(
        VersionId version, SimulatedCopy copy, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken)
    {
        var manifest = copy.Manifest;
        Stream? artefact;
        if (settings.Transfer == TransferMode.PullFromUrl)
        {
            if (await offer.GetArtefactAddressAsync(cancellationToken) is not { } address)
            {
                return ConnectorFaults.Unsupported(FaultStage.Receive, Capabilities.Name, $"fetches {version} from an address, and the sending side gives none");
            }

            artefact = await client.GetStreamAsync(address, cancellationToken);
        }
        else
        {
            artefact = offer.OpenArtefact();
        }

        await using var stream = artefact;
        observer.Planned(manifest.DataChunks, 0, manifest.DataLength);
        var buffer = new byte[Math.Min(manifest.ChunkSize, manifest.Length)]; // thousands of pods receive at once
        for (var chunk = 0; chunk < manifest.ChunkCount; chunk++)
        {
            var bytes = buffer.AsMemory(0, manifest.LengthOf(chunk));
            cancellationToken.ThrowIfCancellationRequested();
            observer.ChunkRequested(chunk);
            await stream.ReadExactlyAsync(bytes, cancellationToken);
            copy.BytesSent += bytes.Length;
            observer.Travelled(bytes.Length);
            if (bytes.Span.ContainsAnyExcept((byte)0))
            {
                lock (store.Gate)
                {
                    copy.Put(chunk, bytes.Span);
                }

                observer.ChunkStaged(chunk, bytes.Length);
            }
        }

        return new StagedCopy(Datastore, copy.BytesSent, 0);
    }

    private ConnectorFault SourceCorrupt(string detail) => new(
        FaultStage.Receive, FaultCause.SourceCorrupt, $"Pod {Pod}: {detail}", "Verify the copy on the sending pod; another pod's copy can serve instead.");

    /// <summary>One call at a time for a version; an older generation is refused, a newer one remembered.</summary>
    private async Task<ConnectorResult<T>> OrderedAsync<T>(FaultStage stage, CopyOrder order, Func<Task<ConnectorResult<T>>> work, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ConnectorFaults.Cancelled(stage, $"The call to pod {Pod}");
        }

        if (!store.TryOccupy(order.Version))
        {
            return new ConnectorResult<T>.InProgress(AskAgain, $"Another call is working on {order.Version}.", IsMoving: false);
        }

        try
        {
            lock (store.Gate)
            {
                var seen = store.Generations.GetValueOrDefault(order.Version);
                if (order.Generation < seen)
                {
                    return ConnectorFaults.Stale(stage, order, seen);
                }

                store.Generations[order.Version] = order.Generation;
            }

            return await work();
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ConnectorFaults.Cancelled(stage, $"The call to pod {Pod}");
        }
        catch (OperationCanceledException trouble)
        {
            return new ConnectorFault(stage, FaultCause.TimedOut, $"The sending side did not answer in time: {trouble.Message}", "Nothing to do: the call is made again.");
        }
        catch (ArtefactCorruptException trouble)
        {
            return SourceCorrupt(trouble.Message);
        }
        catch (EndOfStreamException trouble)
        {
            return SourceCorrupt($"The sending side ended too early: {trouble.Message}");
        }
        catch (Exception trouble) when (trouble is IOException or HttpRequestException)
        {
            return new ConnectorFault(stage, FaultCause.Unreachable, $"The sending side failed: {trouble.Message}", "Nothing to do: the call is made again and goes on from what is staged.");
        }
        finally
        {
            store.Release(order.Version);
        }
    }

    private Task<ConnectorResult<T>> Answer<T>(FaultStage stage, Func<ConnectorResult<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            lock (store.Gate)
            {
                return Task.FromResult(work());
            }
        }
        catch (OperationCanceledException)
        {
            return Task.FromResult<ConnectorResult<T>>(ConnectorFaults.Cancelled(stage, $"The call to pod {Pod}"));
        }
    }
}
