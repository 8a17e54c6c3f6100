using System.Security.Cryptography;
using System.Text;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Plays a fault plan in front of any connector. With an empty plan it changes nothing.</summary>
public sealed class FaultyConnector : IPodConnector
{
    private readonly IPodConnector inner;
    private readonly FaultScript script;

    public FaultyConnector(IPodConnector inner, FaultPlan plan, TimeProvider time, IFaultLog log)
    {
        this.inner = inner;
        script = new FaultScript(plan, inner.Pod, time, log);
    }

    public PodName Pod => inner.Pod;

    public ConnectorCapabilities Capabilities => inner.Capabilities;

    public Task<ConnectorResult<PodProbe>> ProbeAsync(CancellationToken cancellationToken) =>
        CallAsync(FaultStage.Probe, _ => inner.ProbeAsync(cancellationToken), cancellationToken);

    public Task<ConnectorResult<SourcePage>> ListSourcesAsync(string? cursor, int limit, CancellationToken cancellationToken) =>
        CallAsync(FaultStage.ListSources, _ => inner.ListSourcesAsync(cursor, limit, cancellationToken), cancellationToken);

    public Task<ConnectorResult<PreparedCopy>> PrepareAsync(
        CopyOrder order, SourceRef source, ITransferObserver observer, CancellationToken cancellationToken) =>
        CallAsync(FaultStage.Prepare, _ => inner.PrepareAsync(order, source, observer, cancellationToken), cancellationToken);

    public Task<ConnectorResult<IContentReader>> OpenAsync(VersionId version, CancellationToken cancellationToken) =>
        CallAsync(FaultStage.Open, turn => ThroughAsync(turn, inner.OpenAsync(version, cancellationToken)), cancellationToken);

    public Task<ConnectorResult<IContentReader>> OpenStagedAsync(VersionId version, CancellationToken cancellationToken) =>
        CallAsync(FaultStage.Open, turn => ThroughAsync(turn, inner.OpenStagedAsync(version, cancellationToken)), cancellationToken);

    public Task<ConnectorResult<IContentReader>> OpenAsync(VersionId version, ContentDescription content, CancellationToken cancellationToken) =>
        CallAsync(FaultStage.Open, turn => ThroughAsync(turn, inner.OpenAsync(version, content, cancellationToken)), cancellationToken);

    public Task<ConnectorResult<StagedCopy>> ReceiveAsync(
        CopyOrder order, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken) =>
        CallAsync(
            FaultStage.Receive,
            turn => turn.ActsInside
                ? ReceiveThroughAsync(turn, order, offer, observer, cancellationToken)
                : inner.ReceiveAsync(order, offer, observer, cancellationToken),
            cancellationToken);

    /// <summary>No fault is played: a plan changes nothing, the plan of faults included.</summary>
    public Task<ConnectorResult<ReceivePlan>> PlanReceiveAsync(VersionId version, ContentDescription content, ContentManifest manifest, CancellationToken cancellationToken) =>
        inner.PlanReceiveAsync(version, content, manifest, cancellationToken);

    public Task<ConnectorResult<ReceivePlan>> PlanReceiveAsync(VersionId version, ContentDescription content, ContentManifest manifest, IBlockReader far, CancellationToken cancellationToken) =>
        inner.PlanReceiveAsync(version, content, manifest, far, cancellationToken);

    public Task<ConnectorResult<Receipt>> FinaliseAsync(
        CopyOrder order, ContentDescription content, ITransferObserver observer, CancellationToken cancellationToken) =>
        CallAsync(
            FaultStage.Finalise,
            turn => turn.Current is { Kind: FaultKind.Lie } lie && turn.Fire(lie, "claimed a final copy without making one")
                ? Task.FromResult<ConnectorResult<Receipt>>(FalseReceipt(order, content))
                : inner.FinaliseAsync(order, content, observer, cancellationToken),
            cancellationToken);

    public Task<ConnectorResult<Receipt>> VerifyAsync(VersionId version, ITransferObserver observer, CancellationToken cancellationToken) =>
        CallAsync(FaultStage.Verify, _ => inner.VerifyAsync(version, observer, cancellationToken), cancellationToken);

    public Task<ConnectorResult<Receipt>> ScrubAsync(VersionId version, ITransferObserver observer, CancellationToken cancellationToken) =>
        CallAsync(FaultStage.Verify, _ => inner.ScrubAsync(version, observer, cancellationToken), cancellationToken);

    public Task<ConnectorResult<Removed>> DeleteAsync(CopyOrder order, DeleteScope scope, CancellationToken cancellationToken) =>
        CallAsync(FaultStage.Delete, _ => inner.DeleteAsync(order, scope, cancellationToken), cancellationToken);

    public Task<ConnectorResult<InventoryPage>> InventoryAsync(string? cursor, int limit, CancellationToken cancellationToken) =>
        CallAsync(FaultStage.Inventory, _ => inner.InventoryAsync(cursor, limit, cancellationToken), cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private async Task<ConnectorResult<T>> CallAsync<T>(
        FaultStage stage, Func<FaultTurn, Task<ConnectorResult<T>>> call, CancellationToken cancellationToken)
    {
        var turn = script.Begin(stage);
        if (turn.Flap is { } flap && turn.Fire(flap, "away for this call"))
        {
            return turn.ToFault(flap, "this time");
        }

        if (turn.Current is { IsInside: false } rule)
        {
            if (rule.Kind is FaultKind.Refuse or FaultKind.NoRoom && turn.Fire(rule, rule.Kind == FaultKind.NoRoom ? "said that there is no room" : "refused the call"))
            {
                return turn.ToFault(rule, "when called");
            }

            if (rule.Kind == FaultKind.Stall && turn.Fire(rule, $"did not move for {rule.Pause.TotalSeconds:0.#} s before it began"))
            {
                try
                {
                    await Task.Delay(rule.Pause, script.Time, cancellationToken);
                }
                catch (OperationCanceledException)
                {
                    return ConnectorFaults.Cancelled(stage, $"The call to pod {Pod}");
                }
            }
        }

        return await call(turn);
    }

    /// <summary>What others read from this pod meets the plan too.</summary>
    private static async Task<ConnectorResult<IContentReader>> ThroughAsync(FaultTurn turn, Task<ConnectorResult<IContentReader>> opening) =>
        await opening is ConnectorResult<IContentReader>.Done(var reader) && turn.ActsInside
            ? new FaultyReader(reader, turn, ownsInner: true)
            : await opening;

    private async Task<ConnectorResult<StagedCopy>> ReceiveThroughAsync(
        FaultTurn turn, CopyOrder order, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken)
    {
        await using var reader = new FaultyReader(offer.Reader, turn);
        var result = await inner.ReceiveAsync(order, new FaultyOffer(offer, reader), new FaultyObserver(observer, reader), cancellationToken);
        return reader.Broken switch
        {
            null => result,
            { Kind: FaultKind.Lie } => new StagedCopy("claimed", reader.Given, 0),
            var rule => turn.ToFault(rule, $"after {reader.Given} bytes"),
        };
    }

    /// <summary>A receipt that names a digest which is not the version's: whoever compares it notices.</summary>
    private Receipt FalseReceipt(CopyOrder order, ContentDescription content)
    {
        var other = Digest.FromBytes(SHA256.HashData(Encoding.UTF8.GetBytes($"not {content.ContentDigest} on {Pod}")));
        return new Receipt(
            order.Version, Pod, "claimed", "nowhere", other, other, content.Length, 0, 0, script.Time.GetUtcNow(), Capabilities.Name, order.Generation);
    }
}
