using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>A pod that is worked on where it lies: each call is carried out by the program at its site, and bytes go there straight from whoever gives them.</summary>
internal sealed class SiteConnector(PodName pod, SitePlace site, ConnectorCapabilities capabilities, IBlockLink blocks, ISiteLink link, TimeProvider time) : IPodConnector, ITrialProbe
{
    private readonly SiteCaller caller = new(site, pod, link, time);

    public PodName Pod => pod;

    public ConnectorCapabilities Capabilities { get; } = capabilities with { AtSite = true };

    public Task<ConnectorResult<PodProbe>> ProbeAsync(CancellationToken cancellationToken) =>
        caller.CallAsync<PodProbe>(FaultStage.Probe, new SiteMessage.Call(SiteVerb.Probe, pod), SiteHearing.Nothing, cancellationToken);

    public Task<ConnectorResult<PodProbe>> TryProbeAsync(CancellationToken cancellationToken) =>
        caller.CallAsync<PodProbe>(FaultStage.Probe, new SiteMessage.Call(SiteVerb.TryProbe, pod), SiteHearing.Nothing, cancellationToken);

    public Task<ConnectorResult<SourcePage>> ListSourcesAsync(string? cursor, int limit, CancellationToken cancellationToken) => caller.CallAsync<SourcePage>(
        FaultStage.ListSources, new SiteMessage.Call(SiteVerb.ListSources, pod) { Cursor = cursor, Limit = limit }, SiteHearing.Nothing, cancellationToken);

    public Task<ConnectorResult<PreparedCopy>> PrepareAsync(CopyOrder order, SourceRef source, ITransferObserver observer, CancellationToken cancellationToken) =>
        caller.CallAsync<PreparedCopy>(FaultStage.Prepare, new SiteMessage.Call(SiteVerb.Prepare, pod) { Order = order, Source = source }, new SiteHearing(observer), cancellationToken);

    /// <summary>Without a content there is no ticket, and so nothing to read with.</summary>
    public Task<ConnectorResult<IContentReader>> OpenAsync(VersionId version, CancellationToken cancellationToken) =>
        Task.FromResult<ConnectorResult<IContentReader>>(ConnectorFaults.Unsupported(FaultStage.Open, Capabilities.Name, "at a site gives out a copy only to those who know what it holds"));

    /// <summary>The block server gives a copy that is on its way too, where there is no final one.</summary>
    public Task<ConnectorResult<IContentReader>> OpenAsync(VersionId version, ContentDescription content, CancellationToken cancellationToken) =>
        blocks.OpenAsync(new BlockPlace(site.Server, pod, version), content, cancellationToken);

    public async Task<ConnectorResult<StagedCopy>> ReceiveAsync(CopyOrder order, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken)
    {
        if (offer is not ReaderOffer { Route: { } route })
        {
            return ConnectorFaults.Unsupported(FaultStage.Receive, Capabilities.Name, "at a site fetches the content itself, and this offer does not say from where");
        }

        if (link.GrantFor(route.Origin, offer.Content, offer.Content.ManifestDigest) is null)
        {
            return new ConnectorFault(
                FaultStage.Receive, FaultCause.Misconfigured, SiteHearing.NotServed(route.Origin.Pod),
                "Set Blocks:Listen and Blocks:PublicUrl at the service, or connect the source pod with 'blocks-url' or 'site-url'.");
        }

        var call = new SiteMessage.Call(SiteVerb.Receive, pod)
        {
            Order = order, Content = offer.Content, Manifest = offer.Manifest.Encode(), Origin = route.Origin.Pod, PieceBytes = route.Swarm is null ? null : route.PieceBytes,
        };
        return await caller.CallAsync<StagedCopy>(FaultStage.Receive, call, new SiteHearing(observer, offer.Content, route, offer.Throttle), cancellationToken);
    }

    public Task<ConnectorResult<ReceivePlan>> PlanReceiveAsync(VersionId version, ContentDescription content, ContentManifest manifest, CancellationToken cancellationToken) =>
        caller.CallAsync<ReceivePlan>(
            FaultStage.Receive, new SiteMessage.Call(SiteVerb.Plan, pod) { Version = version, Content = content, Manifest = manifest.Encode() }, SiteHearing.Nothing, cancellationToken);

    public Task<ConnectorResult<Receipt>> FinaliseAsync(CopyOrder order, ContentDescription content, ITransferObserver observer, CancellationToken cancellationToken) =>
        caller.CallAsync<Receipt>(FaultStage.Finalise, new SiteMessage.Call(SiteVerb.Finalise, pod) { Order = order, Content = content }, new SiteHearing(observer), cancellationToken);

    public Task<ConnectorResult<Receipt>> VerifyAsync(VersionId version, ITransferObserver observer, CancellationToken cancellationToken) =>
        caller.CallAsync<Receipt>(FaultStage.Verify, new SiteMessage.Call(SiteVerb.Verify, pod) { Version = version }, new SiteHearing(observer), cancellationToken);

    public Task<ConnectorResult<Removed>> DeleteAsync(CopyOrder order, DeleteScope scope, CancellationToken cancellationToken) =>
        caller.CallAsync<Removed>(FaultStage.Delete, new SiteMessage.Call(SiteVerb.Delete, pod) { Order = order, Scope = scope }, SiteHearing.Nothing, cancellationToken);

    public Task<ConnectorResult<InventoryPage>> InventoryAsync(string? cursor, int limit, CancellationToken cancellationToken) => caller.CallAsync<InventoryPage>(
        FaultStage.Inventory, new SiteMessage.Call(SiteVerb.Inventory, pod) { Cursor = cursor, Limit = limit }, SiteHearing.Nothing, cancellationToken);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
