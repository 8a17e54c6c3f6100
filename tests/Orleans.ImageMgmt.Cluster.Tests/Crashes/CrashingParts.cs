using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;
using Orleans.Storage;

namespace Orleans.ImageMgmt.Cluster.Tests.Crashes;

/// <summary>The store of one life: writes pass through the plan.</summary>
internal sealed class CrashingStorage(IGrainStorage inner, CrashLife life) : IGrainStorage
{
    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        life.IsDead ? throw Lost("The silo is dead, on purpose.") : inner.ReadStateAsync(stateName, grainId, grainState);

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        life.PassAsync(CrashKind.Write, async _ => { await inner.ClearStateAsync(stateName, grainId, grainState); return true; }, why => throw Lost(why));

    /// <summary>The second of two equal writes has the first one's ETag behind it, as one that a broken connection repeats.</summary>
    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var etag = grainState.ETag;
        return life.PassAsync(
            CrashKind.Write,
            async _ =>
            {
                grainState.ETag = etag;
                await inner.WriteStateAsync(stateName, grainId, grainState);
                return true;
            },
            why => throw Lost(why));
    }

    private static StoreUnavailableException Lost(string why) => new(StoreUnavailableException.Slow, why);
}

/// <summary>Messages to our grains pass through the plan; those of Orleans itself go by.</summary>
internal sealed class CrashingMessages(CrashLife life) : IIncomingGrainCallFilter
{
    public async Task Invoke(IIncomingGrainCallContext context)
    {
        if (context.InterfaceMethod.DeclaringType?.Namespace?.StartsWith("Orleans.ImageMgmt", StringComparison.Ordinal) != true)
        {
            await context.Invoke();
            return;
        }

        var isFirst = true;
        await life.PassAsync(
            CrashKind.Message,
            async _ =>
            {
                if (isFirst)
                {
                    isFirst = false;
                    await context.Invoke();
                }
                else
                {
                    using var again = await context.Request.Invoke(); // the same message once more
                    context.Result = again.Result;
                }

                return true;
            },
            why => throw new TimeoutException(why));
    }
}

/// <summary>Pods of a family of their own that outlive their silos; calls to them pass through the plan.</summary>
internal sealed class CrashingPods(SimulatedPods pods, CrashLife life) : IConnectorFactory
{
    public const string Name = "crashing";

    public string Family => Name;

    public ConnectorResult<IPodConnector> Create(PodSpec spec) => pods.Create(spec) is ConnectorResult<IPodConnector>.Done(var connector)
        ? new ConnectorResult<IPodConnector>.Done(new Crashing(connector, life))
        : throw new InvalidOperationException($"Pod {spec.Name} cannot be made.");

    private sealed class Crashing(IPodConnector inner, CrashLife life) : IPodConnector
    {
        public PodName Pod => inner.Pod;

        public ConnectorCapabilities Capabilities => inner.Capabilities;

        /// <summary>Not counted: probes come when it is time, not with the flow.</summary>
        public Task<ConnectorResult<PodProbe>> ProbeAsync(CancellationToken cancellationToken) =>
            life.IsDead ? Task.FromResult<ConnectorResult<PodProbe>>(Broken(FaultStage.Probe, "The silo is dead, on purpose.")) : inner.ProbeAsync(cancellationToken);

        public Task<ConnectorResult<SourcePage>> ListSourcesAsync(string? cursor, int limit, CancellationToken cancellationToken) => inner.ListSourcesAsync(cursor, limit, cancellationToken);

        public Task<ConnectorResult<PreparedCopy>> PrepareAsync(CopyOrder order, SourceRef source, ITransferObserver observer, CancellationToken cancellationToken) =>
            PassAsync(FaultStage.Prepare, stop => inner.PrepareAsync(order, source, observer, stop), cancellationToken);

        public Task<ConnectorResult<IContentReader>> OpenAsync(VersionId version, CancellationToken cancellationToken) =>
            PassAsync(FaultStage.Open, stop => inner.OpenAsync(version, stop), cancellationToken);

        public Task<ConnectorResult<StagedCopy>> ReceiveAsync(CopyOrder order, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken) =>
            PassAsync(FaultStage.Receive, stop => inner.ReceiveAsync(order, offer, observer, stop), cancellationToken);

        public Task<ConnectorResult<Receipt>> FinaliseAsync(CopyOrder order, ContentDescription content, ITransferObserver observer, CancellationToken cancellationToken) =>
            PassAsync(FaultStage.Finalise, stop => inner.FinaliseAsync(order, content, observer, stop), cancellationToken);

        public Task<ConnectorResult<Receipt>> VerifyAsync(VersionId version, ITransferObserver observer, CancellationToken cancellationToken) =>
            PassAsync(FaultStage.Verify, stop => inner.VerifyAsync(version, observer, stop), cancellationToken);

        public Task<ConnectorResult<Removed>> DeleteAsync(CopyOrder order, DeleteScope scope, CancellationToken cancellationToken) =>
            PassAsync(FaultStage.Delete, stop => inner.DeleteAsync(order, scope, stop), cancellationToken);

        public Task<ConnectorResult<InventoryPage>> InventoryAsync(string? cursor, int limit, CancellationToken cancellationToken) =>
            PassAsync(FaultStage.Inventory, stop => inner.InventoryAsync(cursor, limit, stop), cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();

        private async Task<ConnectorResult<T>> PassAsync<T>(FaultStage stage, Func<CancellationToken, Task<ConnectorResult<T>>> call, CancellationToken cancellationToken) =>
            await life.PassAsync<ConnectorResult<T>>(
                CrashKind.Call,
                async death =>
                {
                    using var either = CancellationTokenSource.CreateLinkedTokenSource(death, cancellationToken);
                    return await call(either.Token);
                },
                why => Broken(stage, why));

        private ConnectorFault Broken(FaultStage stage, string why) => new(stage, FaultCause.Unreachable, $"Pod {Pod}: {why}", "Nothing to do: it is made again.");
    }
}
