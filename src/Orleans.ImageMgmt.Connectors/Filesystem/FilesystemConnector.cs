using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>A pod whose datastores are folders. What each call does stands in the file named after it.</summary>
internal sealed partial class FilesystemConnector : IPodConnector, ITrialProbe
{
    /// <summary>Written into receipts; the number rises when what a receipt proves changes.</summary>
    public const string Name = "filesystem/1";

    /// <summary>How long a cancelled call may take to leave by itself before its thread, stuck in the kernel, is left behind. It keeps the
    /// version's lock until it returns, so nobody meets it.</summary>
    private static readonly TimeSpan CancelGrace = TimeSpan.FromSeconds(5);

    private static readonly HashSet<SourceFormat> AllFormats = [.. Enum.GetValues<SourceFormat>()];

    private readonly FilesystemSettings settings;
    private readonly IReadOnlyList<Datastore> datastores;
    private readonly SourceGate gate;
    private readonly TimeProvider time;
    private readonly StagedProofs proofs = new();

    public FilesystemConnector(PodName pod, FilesystemSettings settings, FilesystemPods pods)
    {
        Pod = pod;
        this.settings = settings;
        time = pods.Time;
        gate = new SourceGate(pod, settings);
        datastores = [.. settings.Datastores.Select(pair => new Datastore(pair.Name, pair.Folder, pod, settings.ExpectMount.Contains(pair.Name), pods))];
        Capabilities = CapabilitiesOf(settings.Sources is not null || settings.AllowedSources.Count > 0);
    }

    public static ConnectorCapabilities CapabilitiesOf(bool canPrepare) => new(
        Name, TransferMode.Chunks, RangedRead: true, Resumable: true, NativeChecksum: false, ReusesBlocks: true, canPrepare, ReportsRoom: true,
        canPrepare ? AllFormats : new HashSet<SourceFormat>(), ServesStaged: true, CanPlan: true);

    public PodName Pod { get; }

    public ConnectorCapabilities Capabilities { get; }

    public Task<ConnectorResult<PodProbe>> ProbeAsync(CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Probe, () => Task.FromResult(Probe()), cancellationToken);

    public Task<ConnectorResult<PodProbe>> TryProbeAsync(CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Probe, () => Task.FromResult(TryProbe()), cancellationToken);

    public Task<ConnectorResult<SourcePage>> ListSourcesAsync(string? cursor, int limit, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.ListSources, () => Task.FromResult(gate.List(cursor, limit, cancellationToken)), cancellationToken);

    public Task<ConnectorResult<PreparedCopy>> PrepareAsync(CopyOrder order, SourceRef source, ITransferObserver observer, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Prepare, order, false, ledger => PrepareAsync(ledger, order, source, observer, cancellationToken), cancellationToken);

    public Task<ConnectorResult<IContentReader>> OpenAsync(VersionId version, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Open, () => Task.FromResult(Open(version)), cancellationToken);

    public Task<ConnectorResult<IContentReader>> OpenStagedAsync(VersionId version, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Open, () => Task.FromResult(OpenStaged(version)), cancellationToken);

    public Task<ConnectorResult<StagedCopy>> ReceiveAsync(CopyOrder order, IContentOffer offer, ITransferObserver observer, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Receive, order, false, ledger => ReceiveAsync(ledger, order, offer, observer, cancellationToken), cancellationToken);

    public Task<ConnectorResult<Receipt>> FinaliseAsync(CopyOrder order, ContentDescription content, ITransferObserver observer, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Finalise, order, false, ledger => FinaliseAsync(ledger, order, content, observer, cancellationToken), cancellationToken);

    public Task<ConnectorResult<Receipt>> VerifyAsync(VersionId version, ITransferObserver observer, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Verify, () => VerifyFinalAsync(version, observer, cancellationToken), cancellationToken);

    public Task<ConnectorResult<Removed>> DeleteAsync(CopyOrder order, DeleteScope scope, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Delete, order, true, ledger => Task.FromResult(Delete(ledger, order.Version, scope)), cancellationToken);

    public Task<ConnectorResult<InventoryPage>> InventoryAsync(string? cursor, int limit, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Inventory, () => Task.FromResult(Inventory(cursor, limit, cancellationToken)), cancellationToken);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>A call that carries an order: under the version's lock, after its generation was compared.</summary>
    private Task<ConnectorResult<T>> RunAsync<T>(
        FaultStage stage, CopyOrder order, bool all, Func<Ledger, Task<ConnectorResult<T>>> work, CancellationToken cancellationToken) =>
        RunAsync(
            stage,
            async () =>
            {
                var admitted = Ledger.Admit(stage, order, datastores, Pod, all);
                if (admitted is not ConnectorResult<Ledger>.Done { Value: var ledger })
                {
                    return admitted.As<T>();
                }

                using (ledger)
                {
                    return FoldedName(stage, ledger, order.Version) is { } folded ? folded : await work(ledger);
                }
            },
            cancellationToken);

    /// <summary>On a share that ignores case, two names are one folder: the second one is refused before it can touch the first one's copy.</summary>
    private static ConnectorFault? FoldedName(FaultStage stage, Ledger ledger, VersionId version)
    {
        foreach (var datastore in ledger.Datastores)
        {
            if (FilesystemRecords.TryRead<FinalRecord>(datastore.Final(version).ReceiptPath) is { } record && record.Receipt.Version != version)
            {
                return datastore.Fault(stage, FaultCause.Misconfigured, $"the folder of {version} holds the copy of {record.Receipt.Version}", "Use names that differ in more than case, or a share that tells case apart.");
            }
        }

        return null;
    }

    /// <summary>The edge of every call: off the caller's thread, faults as values, prompt when cancelled.</summary>
    private async Task<ConnectorResult<T>> RunAsync<T>(FaultStage stage, Func<Task<ConnectorResult<T>>> work, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ConnectorFaults.Cancelled(stage, $"The call to pod {Pod}");
        }

        try
        {
            var worker = Task.Run(work, CancellationToken.None);
            await LeaveAsync(worker, cancellationToken);
            return worker.IsCompleted ? await worker : ConnectorFaults.Cancelled(stage, $"The call to pod {Pod}");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ConnectorFaults.Cancelled(stage, $"The call to pod {Pod}");
        }
        catch (Exception trouble) when (FilesystemFaults.From(stage, Pod, trouble) is not null)
        {
            return FilesystemFaults.From(stage, Pod, trouble)!;
        }
    }

    /// <summary>Waits for the worker; after a cancellation only so long.</summary>
    private async Task LeaveAsync(Task worker, CancellationToken cancellationToken)
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = cancellationToken.UnsafeRegister(static state => ((TaskCompletionSource)state!).TrySetResult(), asked);
        if (await Task.WhenAny(worker, asked.Task) == worker)
        {
            return;
        }

        using var enough = new CancellationTokenSource();
        if (await Task.WhenAny(worker, Task.Delay(CancelGrace, time, enough.Token)) != worker)
        {
            _ = worker.ContinueWith(static late => late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        }

        await enough.CancelAsync();
    }
}
