using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>A pod whose copies are read through a block server beside them. Everything but that reading goes to the family's connector.</summary>
/// <remarks>A copy is opened over the network only where its content is known, because a ticket is for one content. Asked without, the
/// family's connector answers from the files it can reach itself.</remarks>
public sealed class DistantConnector(IPodConnector inner, Uri server, IBlockLink blocks) : IPodConnector, ITrialProbe
{
    public PodName Pod => inner.Pod;

    public ConnectorCapabilities Capabilities { get; } = inner.Capabilities with { RangedRead = true };

    public Task<ConnectorResult<IContentReader>> OpenAsync(VersionId version, ContentDescription content, CancellationToken cancellationToken) =>
        blocks.OpenAsync(new BlockPlace(server, Pod, version), content, cancellationToken);

    public Task<ConnectorResult<IContentReader>> OpenAsync(VersionId version, CancellationToken cancellationToken) => inner.OpenAsync(version, cancellationToken);

    public Task<ConnectorResult<IContentReader>> OpenStagedAsync(VersionId version, CancellationToken cancellationToken) => inner.OpenStagedAsync(version, cancellationToken);

    public Task<ConnectorResult<PodProbe>> ProbeAsync(CancellationToken cancellationToken) => inner.ProbeAsync(cancellationToken);

    public Task<ConnectorResult<PodProbe>> TryProbeAsync(CancellationToken cancellationToken) =>
        inner is ITrialProbe trial ? trial.TryProbeAsync(cancellationToken) : inner.ProbeAsync(cancellationToken);

    public Task<ConnectorResult<SourcePage>> ListSourcesAsync(string? cursor, int limit, CancellationToken cancellationToken) =>
        inner.ListSourcesAsync(cursor, limit, cancellationToken);

    public Task<ConnectorResult<PreparedCopy>> PrepareAsync(CopyOrder order, SourceRef source, ITransferObserver observer, CancellationToken cancellationToken) =>
        inner.PrepareAsync(order, source, observer, cancellationToken);

    public Task<ConnectorResult<StagedCopy>> ReceiveAsync(CopyOrder order, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken) =>
        inner.ReceiveAsync(order, offer, observer, cancellationToken);

    public Task<ConnectorResult<Receipt>> FinaliseAsync(CopyOrder order, ContentDescription content, ITransferObserver observer, CancellationToken cancellationToken) =>
        inner.FinaliseAsync(order, content, observer, cancellationToken);

    public Task<ConnectorResult<Receipt>> VerifyAsync(VersionId version, ITransferObserver observer, CancellationToken cancellationToken) =>
        inner.VerifyAsync(version, observer, cancellationToken);

    public Task<ConnectorResult<Receipt>> ScrubAsync(VersionId version, ITransferObserver observer, CancellationToken cancellationToken) =>
        inner.ScrubAsync(version, observer, cancellationToken);

    public Task<ConnectorResult<ReceivePlan>> PlanReceiveAsync(VersionId version, ContentDescription content, ContentManifest manifest, CancellationToken cancellationToken) =>
        inner.PlanReceiveAsync(version, content, manifest, cancellationToken);

    public Task<ConnectorResult<ReceivePlan>> PlanReceiveAsync(VersionId version, ContentDescription content, ContentManifest manifest, IBlockReader far, CancellationToken cancellationToken) =>
        inner.PlanReceiveAsync(version, content, manifest, far, cancellationToken);

    public Task<ConnectorResult<Removed>> DeleteAsync(CopyOrder order, DeleteScope scope, CancellationToken cancellationToken) =>
        inner.DeleteAsync(order, scope, cancellationToken);

    public Task<ConnectorResult<InventoryPage>> InventoryAsync(string? cursor, int limit, CancellationToken cancellationToken) =>
        inner.InventoryAsync(cursor, limit, cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
