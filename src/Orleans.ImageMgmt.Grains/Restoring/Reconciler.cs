using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// After a restore the catalog is a belief of the past. Every pod is asked what is really there; each copy that the backup held for available is
/// read back. What is gone or damaged is quarantined, with the pod's own fault; what the backup does not know is reported and left alone. A pod
/// that does not answer is asked again until it does. May be cut at any time: the next start begins again. In a cluster one silo does it for all;
/// when that one goes, another begins again.
/// </summary>
internal sealed class Reconciler(
    IGrainFactory grains, ConnectorCache connectors, CatalogReader catalog, IDurableStore store, IClusterMembershipService membership, ILocalSiloDetails self,
    ImageMgmtOptions options, TimeProvider time, ILogger<Reconciler> log) : BackgroundService
{
    /// <summary>Pods that are asked at once.</summary>
    private const int PodsAtOnce = 4;

    /// <summary>Unknown copies of one pod that get a line in the activity log each; the rest is counted.</summary>
    private const int LinesPerPod = 100;

    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();
    private readonly Dictionary<(PodName Pod, VersionId Version), CopyStanding> lost = [];
    private int checkedCopies;
    private int unknownCopies;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var waiting = default(List<PodName>);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (await RestoreRecord.ReadAsync(store, stoppingToken) is not { IsReconciled: false } record)
                {
                    return;
                }

                if (IsMine && (waiting is not null || await StaysMineAsync(stoppingToken)))
                {
                    waiting = await AskAsync(waiting ?? await PodsAsync(stoppingToken), stoppingToken);
                    var isDone = waiting.Count == 0 & await VersionsKnowAsync(stoppingToken);
                    await StoreAsync(record, waiting, isDone, stoppingToken);
                    if (isDone)
                    {
                        return;
                    }
                }
            }
            catch (Exception problem) when (!stoppingToken.IsCancellationRequested)
            {
                ReconcileLog.Failed(log, AskAgain.TotalSeconds, problem);
            }

            await Task.Delay(AskAgain, time, stoppingToken);
        }
    }

    /// <summary>The first of the silos that work. Two that take themselves for it, while one of them starts, ask the same questions and write the same answers.</summary>
    private bool IsMine => membership.CurrentSnapshot.Members.Where(member => member.Value.Status == SiloStatus.Active).Select(member => member.Key).Min() is not { } first
        || first.Equals(self.SiloAddress);

    /// <summary>Silos that start together see each other only after a moment: whoever begins before that is one of two, and the one that finds less ends first.</summary>
    private async Task<bool> StaysMineAsync(CancellationToken stop)
    {
        if (store is PostgresStore)
        {
            await Task.Delay(AskAgain, time, stop);
        }

        return IsMine;
    }

    private async Task<List<PodName>> PodsAsync(CancellationToken stop)
    {
        var pods = new List<PodName>();
        await foreach (var row in catalog.AllAsync(CatalogKind.Pod, stop))
        {
            if (row.Read<PodBody>() is { State: not PodState.Disconnected } pod)
            {
                pods.Add(pod.Name);
            }
        }

        return pods;
    }

    /// <summary>Asks these pods; returns those that did not answer.</summary>
    private async Task<List<PodName>> AskAsync(IReadOnlyList<PodName> pods, CancellationToken stop)
    {
        var left = new List<PodName>();
        await Parallel.ForEachAsync(pods, new ParallelOptions { MaxDegreeOfParallelism = PodsAtOnce, CancellationToken = stop }, async (pod, cancel) =>
        {
            var trouble = default(string);
            try
            {
                trouble = (await ReconcileAsync(pod, cancel))?.ToString();
            }
            catch (Exception problem) when (!stop.IsCancellationRequested)
            {
                trouble = problem.Message;
            }

            if (trouble is not null)
            {
                ReconcileLog.PodWaits(log, pod.Value, AskAgain.TotalSeconds, trouble);
                lock (gate)
                {
                    left.Add(pod);
                }
            }
        });
        return left;
    }

    /// <summary>Null when the pod was asked about everything; else why it could not be.</summary>
    private async Task<ConnectorFault?> ReconcileAsync(PodName pod, CancellationToken stop)
    {
        if ((await grains.GetPod(pod).GetAsync()).Pod is not { Spec: { } spec, State: not PodState.Disconnected })
        {
            return null;
        }

        if (connectors.Get(spec) is not ConnectorResult<IPodConnector>.Done(var connector))
        {
            return new ConnectorFault(FaultStage.Inventory, FaultCause.Misconfigured, $"Pod {pod} cannot be opened with its settings.", "Correct its settings.");
        }

        var (held, fault) = await InventoryAsync(connector, stop);
        if (fault is not null)
        {
            return fault;
        }

        var known = await KnownAsync(pod, stop);
        var now = 0;
        foreach (var body in known.Values.Where(b => b.State == CopyState.Available))
        {
            if (await CheckAsync(connector, body, held.Contains(body.Version), stop) is { } unreachable)
            {
                return unreachable;
            }

            now++;
        }

        List<VersionId> unknown = [.. held.Where(version => !known.TryGetValue(version, out var body) || body.State == CopyState.Deleted)];
        await ReportAsync(pod, unknown, stop);
        lock (gate)
        {
            checkedCopies += now;
            unknownCopies += unknown.Count;
        }

        return null;
    }

    private async Task<(HashSet<VersionId> Held, ConnectorFault? Fault)> InventoryAsync(IPodConnector connector, CancellationToken stop)
    {
        var held = new HashSet<VersionId>();
        string? cursor = null;
        while (true)
        {
            using var limit = new Moving(options.FinaliseStall, time, stop);
            switch (await connector.InventoryAsync(cursor, Limits.PageRows, limit.Token))
            {
                case ConnectorResult<InventoryPage>.Done(var page):
                    held.UnionWith(page.Entries.Where(e => e.Final).Select(e => e.Version));
                    cursor = page.NextCursor;
                    if (cursor is null)
                    {
                        return (held, null);
                    }

                    break;
                case ConnectorResult<InventoryPage>.Failed(var fault):
                    return (held, fault);
                case ConnectorResult<InventoryPage>.InProgress { AskAgainAfter: var after }:
                    await Task.Delay(after, time, stop); // the same page again: a pod that is at it holds what it holds
                    break;
                default:
                    throw new NotSupportedException();
            }
        }
    }

    private async Task<Dictionary<VersionId, CopyBody>> KnownAsync(PodName pod, CancellationToken stop)
    {
        var known = new Dictionary<VersionId, CopyBody>();
        CatalogCursor? after = null;
        do
        {
            var page = await catalog.ListCopiesOnPodAsync(pod.Value, after, Limits.PageRows, stop);
            foreach (var body in page.Rows.Select(r => r.Read<CopyBody>()))
            {
                known[body.Version] = body;
            }

            after = page.Next;
        }
        while (after is not null);

        return known;
    }

    /// <summary>Reads one copy back; quarantines it when it is not what the backup says. Returns a fault only when the pod cannot say.</summary>
    private async Task<ConnectorFault?> CheckAsync(IPodConnector connector, CopyBody body, bool isHeld, CancellationToken stop)
    {
        var found = isHeld ? await VerifyAsync(connector, body.Version, stop)
            : new ConnectorFault(FaultStage.Verify, FaultCause.SourceMissing, $"Pod {body.Pod} holds no copy of {body.Version} any more.", "Publish the version to this pod again.");
        var fault = found switch
        {
            ConnectorResult<Receipt>.Failed(var trouble) => trouble,
            ConnectorResult<Receipt>.Done(var receipt) when body.Receipt is { } proof && receipt.ContentDigest != proof.ContentDigest => new ConnectorFault(
                FaultStage.Verify, FaultCause.DigestMismatch, $"Pod {body.Pod} holds content {receipt.ContentDigest.Short()} under {body.Version}; the catalog knows {proof.ContentDigest.Short()}.",
                "Find out who replaced it; delete the version to be rid of it."),
            _ => null,
        };
        switch (fault)
        {
            case null:
                return null;
            case { Cause: FaultCause.TargetCorrupt or FaultCause.SourceCorrupt or FaultCause.SourceMissing or FaultCause.DigestMismatch }:
                var standing = await grains.GetPod(body.Pod).CopyLostAsync(body.Version, body.Generation, fault);
                if (standing.State == CopyState.Quarantined)
                {
                    ReconcileLog.Lost(log, body.Version.Value, body.Pod.Value, fault.ToString());
                    lock (gate)
                    {
                        lost[(body.Pod, body.Version)] = standing;
                    }
                }

                return null;
            default:
                return fault;
        }
    }

    private async Task<ConnectorResult<Receipt>> VerifyAsync(IPodConnector connector, VersionId version, CancellationToken stop)
    {
        while (true)
        {
            using var limit = new Moving(options.FinaliseStall, time, stop);
            var result = await connector.VerifyAsync(version, limit, limit.Token);
            if (result is not ConnectorResult<Receipt>.InProgress { AskAgainAfter: var after })
            {
                return result;
            }

            await Task.Delay(after, time, stop);
        }
    }

    /// <summary>A publish that was open in the backup brings its own, older word about its targets when it ends; the versions are told of what was
    /// lost until none is open. True when all know.</summary>
    private async Task<bool> VersionsKnowAsync(CancellationToken stop)
    {
        var all = true;
        foreach (var ((_, version), standing) in lost)
        {
            stop.ThrowIfCancellationRequested();
            var current = await grains.GetPod(standing.Pod).GetCopyAsync(version);
            if (current.Copy.State != CopyState.Quarantined)
            {
                continue; // somebody has published it again
            }

            await grains.GetVersion(version).CopyReportedAsync(standing);
            all &= (await grains.GetVersion(version).GetAsync()).OpenPublishes.Count == 0;
        }

        return all;
    }

    private async Task ReportAsync(PodName pod, List<VersionId> unknown, CancellationToken stop)
    {
        foreach (var version in unknown)
        {
            ReconcileLog.Unknown(log, version.Value, pod.Value);
        }

        if (unknown.Count > 0 && await RestoreRecord.ReadAsync(store, stop) is { } record)
        {
            await store.WriteAsync([record.ToWrite([.. unknown.Take(LinesPerPod).Select(version => Activity.Line(time.GetUtcNow(), Activity.Service, "reconcile.unknown-copy",
                $"Pod {pod} holds a copy of {version} that the restored catalog does not know; it was left alone", version, pod: pod))])], stop);
        }
    }

    private Task StoreAsync(RestoreRecord record, IReadOnlyList<PodName> waiting, bool isDone, CancellationToken stop)
    {
        var next = new RestoreRecord
        {
            GenerationFloor = record.GenerationFloor, BackupMadeAt = record.BackupMadeAt, RestoredAt = record.RestoredAt, UnknownFields = record.UnknownFields,
            IsReconciled = isDone, Waiting = waiting, Checked = checkedCopies, Lost = lost.Count, Unknown = unknownCopies,
        };
        if (isDone)
        {
            ReconcileLog.Done(log, next.Checked, next.Lost, next.Unknown);
        }

        return store.WriteAsync([next.ToWrite(isDone
            ? [Activity.Line(time.GetUtcNow(), Activity.Service, "reconcile.done", $"All pods were asked after the restore: {next.Checked} copies read back, {next.Lost} lost, {next.Unknown} unknown")]
            : [])], stop);
    }

    /// <summary>A token that is cancelled when nothing moved for too long.</summary>
    private sealed class Moving : ITransferObserver, IDisposable
    {
        private readonly TimeSpan limit;
        private readonly CancellationTokenSource still;
        private readonly CancellationTokenSource either;

        public Moving(TimeSpan limit, TimeProvider time, CancellationToken stop)
        {
            this.limit = limit;
            still = new CancellationTokenSource(limit, time);
            either = CancellationTokenSource.CreateLinkedTokenSource(still.Token, stop);
        }

        public CancellationToken Token => either.Token;

        public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded) => still.CancelAfter(limit);

        public void ChunkRequested(int chunk) => still.CancelAfter(limit);

        public void ChunkStaged(int chunk, int length) => still.CancelAfter(limit);

        public void Advanced(long bytes, long total) => still.CancelAfter(limit);

        public void Dispose()
        {
            either.Dispose();
            still.Dispose();
        }
    }
}

internal static partial class ReconcileLog
{
    [LoggerMessage(EventId = 500, Level = LogLevel.Warning, Message = "After the restore: {Version} on pod {Pod} is quarantined: {Fault}")]
    internal static partial void Lost(ILogger logger, string version, string pod, string fault);

    [LoggerMessage(EventId = 501, Level = LogLevel.Warning, Message = "After the restore: pod {Pod} holds a copy of {Version} that the catalog does not know; it is left alone")]
    internal static partial void Unknown(ILogger logger, string version, string pod);

    [LoggerMessage(EventId = 502, Level = LogLevel.Warning, Message = "After the restore: pod {Pod} cannot be asked yet, next try in {Seconds} s: {Trouble}")]
    internal static partial void PodWaits(ILogger logger, string pod, double seconds, string trouble);

    [LoggerMessage(EventId = 503, Level = LogLevel.Warning, Message = "The look at the pods after the restore is tried again in {Seconds} s")]
    internal static partial void Failed(ILogger logger, double seconds, Exception problem);

    [LoggerMessage(EventId = 504, Level = LogLevel.Information, Message = "After the restore all pods were asked: {Checked} copies read back, {Lost} lost, {Unknown} unknown")]
    internal static partial void Done(ILogger logger, int @checked, int lost, int unknown);
}
