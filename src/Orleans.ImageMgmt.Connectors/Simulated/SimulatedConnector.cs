using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>A pod in memory. The file beside this one moves the bytes.</summary>
internal sealed partial class SimulatedConnector : IPodConnector
{
    private const string Datastore = "memory";
    private static readonly HashSet<SourceFormat> RawOnly = [SourceFormat.Raw];
    private static readonly HashSet<SourceFormat> NoFormats = [];

    /// <summary>A second call for a version that one is working on; short, for nothing here takes long.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(50);

    private readonly SimulatedSettings settings;
    private readonly SimulatedStore store;
    private readonly TimeProvider time;
    private readonly HttpClient client;

    public SimulatedConnector(PodName pod, SimulatedSettings settings, SimulatedStore store, TimeProvider time, HttpClient client)
    {
        Pod = pod;
        this.settings = settings;
        this.store = store;
        this.time = time;
        this.client = client;
        var chunks = settings.Transfer == TransferMode.Chunks;
        var sources = chunks && settings.KeepsBytes;
        Capabilities = new ConnectorCapabilities(
            "simulated/1", settings.Transfer, RangedRead: sources, Resumable: chunks, NativeChecksum: !chunks,
            ReusesBlocks: false, CanPrepare: sources, ReportsRoom: true, Formats: sources ? RawOnly : NoFormats, CanPlan: chunks);
    }

    public PodName Pod { get; }

    public ConnectorCapabilities Capabilities { get; }

    public Task<ConnectorResult<PodProbe>> ProbeAsync(CancellationToken cancellationToken) => Answer<PodProbe>(
        FaultStage.Probe,
        () => new PodProbe([new DatastoreRoom(Datastore, Math.Max(0, settings.Capacity - store.Used()), settings.Capacity)]),
        cancellationToken);

    public Task<ConnectorResult<SourcePage>> ListSourcesAsync(string? cursor, int limit, CancellationToken cancellationToken) => Answer<SourcePage>(
        FaultStage.ListSources,
        () =>
        {
            if (!Capabilities.CanPrepare)
            {
                return ConnectorFaults.Unsupported(FaultStage.ListSources, Capabilities.Name, "has no sources to import from");
            }

            var entries = store.Sources.OrderBy(pair => pair.Key, StringComparer.Ordinal)
                .Where(pair => string.CompareOrdinal(pair.Key, cursor) > 0)
                .Select(pair => new SourceEntry(pair.Key, pair.Value.Length, DateTimeOffset.UnixEpoch))
                .Take(Paging.Rows(limit) + 1).ToList();
            var (page, next) = Paging.Cut(entries, limit, entry => entry.Path);
            return new SourcePage(page, next);
        },
        cancellationToken);

    public Task<ConnectorResult<IContentReader>> OpenAsync(VersionId version, CancellationToken cancellationToken) => Answer<IContentReader>(
        FaultStage.Open,
        () =>
        {
            if (!Capabilities.RangedRead)
            {
                return ConnectorFaults.Unsupported(FaultStage.Open, Capabilities.Name, "gives out no ranges of a copy");
            }

            return store.Final.TryGetValue(version, out var copy) && !copy.IsDamaged
                ? new ConnectorResult<IContentReader>.Done(new SimulatedReader(copy))
                : ConnectorFaults.NoCopy(FaultStage.Open, version, Pod);
        },
        cancellationToken);

    public Task<ConnectorResult<Receipt>> FinaliseAsync(
        CopyOrder order, ContentDescription content, ITransferObserver observer, CancellationToken cancellationToken) =>
        OrderedAsync<Receipt>(FaultStage.Finalise, order, () => Task.FromResult(Finalise(order, content, observer, cancellationToken)), cancellationToken);

    public Task<ConnectorResult<Receipt>> VerifyAsync(VersionId version, ITransferObserver observer, CancellationToken cancellationToken) => Answer<Receipt>(
        FaultStage.Verify,
        () => store.Final.TryGetValue(version, out var copy)
            ? Prove(FaultStage.Verify, version, copy, observer, cancellationToken) ?? Done(copy.Receipt! with { VerifiedAt = time.GetUtcNow(), BytesReadBack = copy.Manifest.DataLength })
            : ConnectorFaults.NoCopy(FaultStage.Verify, version, Pod),
        cancellationToken);

    public Task<ConnectorResult<Removed>> DeleteAsync(CopyOrder order, DeleteScope scope, CancellationToken cancellationToken) =>
        OrderedAsync<Removed>(
            FaultStage.Delete,
            order,
            () =>
            {
                lock (store.Gate)
                {
                    return Task.FromResult(Done(new Removed(scope == DeleteScope.Copy && store.Final.Remove(order.Version), store.Staged.Remove(order.Version))));
                }
            },
            cancellationToken);

    public Task<ConnectorResult<InventoryPage>> InventoryAsync(string? cursor, int limit, CancellationToken cancellationToken) => Answer<InventoryPage>(
        FaultStage.Inventory,
        () =>
        {
            var all = store.Final.Select(pair => new InventoryEntry(pair.Key, pair.Value.Generation, !pair.Value.IsDamaged, Datastore, pair.Value.BytesHeld()))
                .Concat(store.Staged.Select(pair => new InventoryEntry(pair.Key, pair.Value.Generation, false, Datastore, pair.Value.BytesHeld())));
            return Paging.Inventory(all, cursor, limit);
        },
        cancellationToken);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static ConnectorResult<T> Done<T>(T value) => value;

    private ConnectorResult<Receipt> Finalise(CopyOrder order, ContentDescription content, ITransferObserver observer, CancellationToken cancellationToken)
    {
        lock (store.Gate)
        {
            if (store.Final.TryGetValue(order.Version, out var final) && !final.IsDamaged)
            {
                return final.Content.ContentDigest == content.ContentDigest
                    ? final.Receipt!
                    : ConnectorFaults.OtherContent(FaultStage.Finalise, order.Version, final.Content.ContentDigest, content.ContentDigest);
            }

            if (!store.Staged.TryGetValue(order.Version, out var copy))
            {
                return ConnectorFaults.NothingStaged(order.Version, Pod);
            }

            if (copy.Content.ManifestDigest != content.ManifestDigest)
            {
                return ConnectorFaults.OtherContent(FaultStage.Finalise, order.Version, copy.Content.ContentDigest, content.ContentDigest);
            }

            if (copy.Polls++ < settings.FinalisePolls)
            {
                return new ConnectorResult<Receipt>.InProgress(AskAgain, $"The platform is still taking {order.Version} in.");
            }

            if (Prove(FaultStage.Finalise, order.Version, copy, observer, cancellationToken) is { } fault)
            {
                return fault;
            }

            copy.Generation = order.Generation;
            copy.Receipt = new Receipt(
                order.Version, Pod, Datastore, $"simulated:{order.Version}", content.ContentDigest, content.ContentDigest, content.Length, copy.BytesSent,
                copy.Manifest.DataLength, time.GetUtcNow(), Capabilities.Name, order.Generation);
            store.Staged.Remove(order.Version);
            store.Final.Add(order.Version, copy);
            return copy.Receipt;
        }
    }

    /// <summary>Reads every chunk back. What is wrong in a staged copy is dropped, so that the next receive asks for it again.</summary>
    private ConnectorResult<Receipt>? Prove(FaultStage stage, VersionId version, SimulatedCopy copy, ITransferObserver observer, CancellationToken cancellationToken)
    {
        var bad = new List<int>();
        for (var chunk = 0; chunk < copy.Manifest.ChunkCount; chunk++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!copy.IsRight(chunk))
            {
                bad.Add(chunk);
            }

            observer.Advanced(copy.Manifest.OffsetOf(chunk) + copy.Manifest.LengthOf(chunk), copy.Manifest.Length);
        }

        if (bad.Count == 0)
        {
            return null;
        }

        copy.IsDamaged = stage == FaultStage.Verify;
        if (stage == FaultStage.Finalise)
        {
            bad.ForEach(copy.Drop);
            if (!Capabilities.Resumable)
            {
                store.Staged.Remove(version);
            }
        }

        return ConnectorFaults.TargetCorrupt(stage, version, bad, bad.Count, copy.Manifest.ChunkSize);
    }
}
