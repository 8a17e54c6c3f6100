using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

/// <summary>Simulated pods that do what no fault plan does: a receive that hangs and does not listen, one that is always in somebody's way, or a source that is sealed
/// while the answer says that it was not.</summary>
internal sealed class StubbornPods : IConnectorFactory, IDisposable
{
    public const string Name = "stubborn";
    public const string Mode = "receive";
    public const string Hangs = "hangs";
    public const string Waits = "waits";
    public const string Forgets = "forgets";

    private readonly SimulatedPods inner = new(TimeProvider.System);
    private readonly TaskCompletionSource released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int inside;
    private int forgotten;

    public string Family => Name;

    /// <summary>Receives that hung at once, at most.</summary>
    public int Most { get; private set; }

    public ConnectorResult<IPodConnector> Create(PodSpec spec)
    {
        var mode = spec.Settings.GetValueOrDefault(Mode);
        var made = inner.Create(spec with { Settings = spec.Settings.Where(s => s.Key != Mode).ToDictionary() });
        return mode is not null && made is ConnectorResult<IPodConnector>.Done(var connector)
            ? new ConnectorResult<IPodConnector>.Done(new Stubborn(connector, mode, this))
            : made;
    }

    /// <summary>What lies on a pod, final and staged.</summary>
    public async Task<IReadOnlyList<VersionId>> ListAsync(PodName pod, CancellationToken cancellationToken)
    {
        await using var connector = ((ConnectorResult<IPodConnector>.Done)inner.Create(new PodSpec(pod, Name, new Dictionary<string, string>(), new Dictionary<string, string>(), 1))).Value;
        return [.. ((ConnectorResult<InventoryPage>.Done)await connector.InventoryAsync(null, 500, cancellationToken)).Value.Entries.Select(i => i.Version)];
    }

    public void Release() => released.TrySetResult();

    public void Dispose() => inner.Dispose();

    private async Task HangAsync()
    {
        lock (inner)
        {
            Most = Math.Max(Most, ++inside);
        }

        await released.Task;
        lock (inner)
        {
            inside--;
        }
    }

    private sealed class Stubborn(IPodConnector inner, string mode, StubbornPods pods) : IPodConnector
    {
        public PodName Pod => inner.Pod;

        public ConnectorCapabilities Capabilities => inner.Capabilities;

        public Task<ConnectorResult<PodProbe>> ProbeAsync(CancellationToken cancellationToken) => inner.ProbeAsync(cancellationToken);

        public Task<ConnectorResult<SourcePage>> ListSourcesAsync(string? cursor, int limit, CancellationToken cancellationToken) => inner.ListSourcesAsync(cursor, limit, cancellationToken);

        public async Task<ConnectorResult<PreparedCopy>> PrepareAsync(CopyOrder order, SourceRef source, ITransferObserver observer, CancellationToken cancellationToken)
        {
            var prepared = await inner.PrepareAsync(order, source, observer, cancellationToken);
            return mode == Forgets && Interlocked.Increment(ref pods.forgotten) == 1
                ? new ConnectorFault(FaultStage.Prepare, FaultCause.Denied, "The pod has taken the service's rights away.", "Give them back.")
                : prepared;
        }

        public Task<ConnectorResult<IContentReader>> OpenAsync(VersionId version, CancellationToken cancellationToken) => inner.OpenAsync(version, cancellationToken);

        public async Task<ConnectorResult<StagedCopy>> ReceiveAsync(CopyOrder order, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken)
        {
            if (mode == Waits)
            {
                return new ConnectorResult<StagedCopy>.InProgress(TimeSpan.FromMilliseconds(1), "Another call is working on it.", IsMoving: false);
            }

            await pods.HangAsync();
            return await inner.ReceiveAsync(order, offer, observer, cancellationToken);
        }

        public Task<ConnectorResult<Receipt>> FinaliseAsync(CopyOrder order, ContentDescription content, ITransferObserver observer, CancellationToken cancellationToken) =>
            inner.FinaliseAsync(order, content, observer, cancellationToken);

        public Task<ConnectorResult<Receipt>> VerifyAsync(VersionId version, ITransferObserver observer, CancellationToken cancellationToken) => inner.VerifyAsync(version, observer, cancellationToken);

        public Task<ConnectorResult<Removed>> DeleteAsync(CopyOrder order, DeleteScope scope, CancellationToken cancellationToken) => inner.DeleteAsync(order, scope, cancellationToken);

        public Task<ConnectorResult<InventoryPage>> InventoryAsync(string? cursor, int limit, CancellationToken cancellationToken) => inner.InventoryAsync(cursor, limit, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
