using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Owns the truth about one pod's copies. Not reentrant: one thing after another; reads interleave.</summary>
[GrainType("pod")]
internal sealed partial class PodGrain(TransferWorker worker, ConnectorCache connectors, CatalogReader catalog, OperationIds operations, Reporter reporter, SiloMeter meter, ImageMgmtOptions options) : DrivenGrain, IPodGrain
{
    private PodRecords records = null!;
    private readonly Dictionary<(VersionId, OperationId), int> shardOf = [];
    private readonly HashSet<VersionId> resumed = []; // at work when this activation began: their transfers go on
    private readonly PodProbing probing = new(connectors, reporter, options);
    private readonly PodScrubbing scrubbing = new(catalog, reporter, options);
    private DateTimeOffset? probedAt;
    private bool isStale;

    private Pod Pod => records.Pod with { ProbedAt = probedAt ?? records.Pod.ProbedAt };

    private PodName Name => GrainKeys.PodOf(this.GetPrimaryKeyString());

    protected override TimeSpan FirstBackOff => options.StepRetry;
    protected override bool UsesReminder => false; // driven by the resume scan and by the shards that want something

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        records = new PodRecords(StateStorage, this.GetGrainId(), Name);
        await records.ReadAsync();
        resumed.UnionWith(records.Moving.Where(c => c.HoldsSlot).Select(c => c.Version));
        worker.Cap(Name, records.Pod.Spec?.Caps);
        if (records.Moving.Count > 0 || records.Pod.State != PodState.Disconnected)
        {
            Poke();
        }
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        worker.StopPod(Name); // the next activation begins again from what is staged
        return Task.CompletedTask;
    }

    public async Task<Reply<Pod>> ConnectAsync(PodSpec spec, RequestedBy by, Precondition? precondition = null)
    {
        if (connectors.Get(spec) is ConnectorResult<IPodConnector>.Failed(var fault))
        {
            return Reply.Refused<Pod>("pod.invalid", fault.Detail, fault.NextStep);
        }

        if (RefuseCaps(spec.Caps ?? PodCaps.None) is { } refusal)
        {
            return Reply.Refused<Pod>(refusal);
        }

        var reply = await ChangePodAsync(new PodCommand.Connect(spec), by, "pod.connected", precondition);
        if (reply is { IsDone: true, Value.State: PodState.Connecting })
        {
            probedAt = null; // what is known was known with the old settings
            probing.Forget();
        }

        return reply;
    }

    public Task<Reply<Pod>> RelabelAsync(IReadOnlyDictionary<string, string> labels, RequestedBy by, Precondition? precondition = null) =>
        ChangePodAsync(new PodCommand.Relabel(labels), by, "pod.relabelled", precondition);

    public Task<Reply<Pod>> DrainAsync(RequestedBy by, Precondition? precondition = null) => ChangePodAsync(new PodCommand.Drain(), by, "pod.draining", precondition);

    public async Task<Reply<Pod>> DisconnectAsync(RequestedBy by, Precondition? precondition = null)
    {
        await RefreshAsync();
        return await ChangePodAsync(new PodCommand.Disconnect(records.Moving.Count(c => c.IsMoving && c.State != CopyState.Deleting)), by, "pod.disconnected", precondition);
    }

    public Task<PodView> GetAsync() => Task.FromResult(new PodView(Pod, [.. records.Moving.Select(ViewOf)]));

    public async Task<CopyView> GetCopyAsync(VersionId version) => ViewOf(await records.GetAsync(version));

    public Task<Reply<CopyStanding>> EnsurePreparedAsync(PrepareOrder order) =>
        CommandAsync(order.Version, new CopyCommand.EnsurePrepared(order.Generation, order.Operation, order.Source), order.Operation, isNewWork: true);

    public Task<Reply<CopyStanding>> EnsureAsync(EnsureOrder order)
    {
        shardOf[(order.Version, order.Operation)] = order.Shard;
        CopyCommand ensure = new CopyCommand.Ensure(order.Generation, order.Operation, order.Content, order.From, order.Turn, order.IsUrgent, order.RetryOf is not null);
        return CommandsAsync(order.Version, order.RetryOf is { } failed ? [ensure, new CopyCommand.Retry(order.Operation, failed)] : [ensure], order.Operation, isNewWork: true);
    }

    public Task<Reply<CopyStanding>> CancelCopyAsync(VersionId version, OperationId operation, int? turn = null, Generation? generation = null) =>
        CommandAsync(version, new CopyCommand.Cancel(operation, turn, generation), operation, isNewWork: false);

    public async Task NoteAsync(RequestedBy by, string action, string what)
    {
        await RefreshAsync();
        await GuardAsync(() => records.WriteAsync(records.Pod, [], [Activity.Line(Now, by, action, what, pod: Name)]));
    }

    public async Task WorkerEndedAsync(WorkerResult result)
    {
        if (result.Fault is { } problem)
        {
            TransferLog.Faulted(Log, Name.Value, result.Version.Value, problem.ToString());
        }

        await RefreshAsync();
        if (result.BytesPerSecond is { } rate)
        {
            records.Measure(rate);
        }

        CopyCommand command = result switch
        {
            { IsRemoved: true } => new CopyCommand.Removed(result.Attempt),
            { Fault: { } fault } => new CopyCommand.Faulted(result.Attempt, fault),
            { Receipt: { } receipt, Content: { } content } => await records.GetAsync(result.Version) switch
            {
                { State: CopyState.Available } => new CopyCommand.Verified(result.Attempt, receipt),
                { State: CopyState.Quarantined } => new CopyCommand.Repaired(result.Attempt, receipt),
                { Role: CopyRole.Source } => new CopyCommand.Prepared(result.Attempt, content, receipt),
                _ => new CopyCommand.Finalised(result.Attempt, receipt),
            },
            _ => throw new NotSupportedException("A worker brings a removal, a fault or a receipt."),
        };
        await CommandAsync(result.Version, command, null, isNewWork: false);
    }

    public async Task ProbedAsync(ConnectorFault? fault)
    {
        await RefreshAsync();
        probing.Forget();
        probedAt = Now;
        var before = records.Pod;
        PodCommand command = fault is null ? new PodCommand.Probed() : new PodCommand.ProbeFailed(fault);
        var after = PodMachine.Decide(before, command).Events.Aggregate(before, (p, e) => PodMachine.Evolve(p, e, Now, options.Probe));

        // A probe that says what is known costs no write.
        if (after != before with { ProbedAt = after.ProbedAt, ChangedAt = after.ChangedAt })
        {
            Projection[] lines = after.State == before.State ? [] :
            [
                Activity.Line(Now, Activity.Service, "pod.state", $"Pod {Name} is {Words.Shown(after.State)}{(fault is null ? "" : $": {fault}")}", pod: Name),
            ];
            await GuardAsync(() => records.WriteAsync(after, [], lines));
        }

        Poke();
    }

    protected override async Task<TimeSpan?> DriveOnceAsync()
    {
        await RefreshAsync();
        var now = Now;
        await GiveUpAndStartAsync(now);
        var scrubAt = await ScrubNextAsync(now);
        RunJobs(now);
        var back = NextDrive(now);
        return scrubAt is { } at && (back is null || now + back > at) ? at - now : back;
    }

    private async Task GiveUpAndStartAsync(DateTimeOffset now)
    {
        var changed = records.Moving
            .Where(c => CopyMachine.Next(c, now, options.Retry) is CopyStep.GiveUp)
            .Select(c => Change(c, new CopyCommand.GiveUp(), now)).OfType<CopyChange>().ToList();
        var admitted = PodMachine.Admit(Pod, records.Moving, now, options.Retry).ToHashSet();
        changed.AddRange(records.Moving.Where(c => admitted.Contains(c.Version)).Select(c => Change(c, new CopyCommand.Start(), now)).OfType<CopyChange>());
        await StoreAsync(changed);
    }

    /// <summary>Makes sure that every copy at work has its job; jobs of a pod that does not work are left to end by themselves. A disconnected
    /// pod is left alone: what has to be removed there waits until it is connected again.</summary>
    private void RunJobs(DateTimeOffset now)
    {
        if (Pod is not { Spec: { } spec, State: not PodState.Disconnected })
        {
            return;
        }

        foreach (var copy in records.Moving)
        {
            var step = CopyMachine.Next(copy, now, options.Retry);
            switch (step)
            {
                case CopyStep.Prepare or CopyStep.Receive or CopyStep.Finalise or CopyStep.Remove or CopyStep.Verify or CopyStep.Repair:
                    worker.Ensure(new TransferJob(spec, copy, step, IsResumed: resumed.Contains(copy.Version)));
                    break;
                case CopyStep.Tell:
                    TellVersion(copy);
                    break;
                default:
                    break; // waits
            }
        }
    }

    /// <summary>When to come back: for the next probe, for the next try of a copy, and to see that jobs still run. Sends a probe that is due.</summary>
    private TimeSpan? NextDrive(DateTimeOffset now)
    {
        DateTimeOffset? back = records.Moving.Count > 0 && Pod.State != PodState.Disconnected ? now + options.EnsureInterval : null;
        switch (PodMachine.Next(Pod, now, options.Probe))
        {
            case PodStep.Probe:
                back = Sooner(back, probing.Ensure(GrainFactory.GetPod(Name), Pod.Spec!, Time));
                break;
            case PodStep.Wait wait:
                back = Sooner(back, wait.Until);
                break;
            default:
                return null; // disconnected: nothing to ask, nothing to do
        }

        foreach (var copy in records.Moving)
        {
            if (CopyMachine.Next(copy, now, options.Retry) is CopyStep.Wait wait)
            {
                back = Sooner(back, wait.Until);
            }
        }

        return back is null ? null : back.Value > now ? back.Value - now : TimeSpan.FromMilliseconds(10);
    }

    private Task<Reply<CopyStanding>> CommandAsync(VersionId version, CopyCommand command, OperationId? asker, bool isNewWork) =>
        CommandsAsync(version, [command], asker, isNewWork);

    private async Task<Reply<CopyStanding>> CommandsAsync(VersionId version, IReadOnlyList<CopyCommand> commands, OperationId? asker, bool isNewWork)
    {
        await RefreshAsync();
        var before = await records.GetAsync(version);
        if (isNewWork && RefuseNewWork(before) is { } refusal)
        {
            return Reply.Refused<CopyStanding>(refusal);
        }

        var now = Now;
        var copy = before;
        foreach (var command in commands)
        {
            var decision = CopyMachine.Decide(copy, command, now, options.Retry);
            if (decision.Refusal is { } refused)
            {
                return Reply.Refused<CopyStanding>(refused);
            }

            copy = decision.Events.Aggregate(copy, (c, e) => CopyMachine.Evolve(c, e, now));
        }

        if (copy.Revision != before.Revision)
        {
            copy = isNewWork && Spans.Here is { } trace ? copy with { Trace = trace } : copy;

            // A slot that is free is taken in the same write.
            if (copy.State == CopyState.Pending && PodMachine.Admit(Pod, [.. records.Moving.Where(c => c.Version != version), copy], now, options.Retry).Contains(version))
            {
                copy = Evolve(copy, new CopyCommand.Start(), now) ?? copy;
            }

            await StoreAsync([new CopyChange(before, copy)]);
            Poke();
        }

        return Reply.Of(StandingOf(copy, asker));
    }

    private Refusal? RefuseNewWork(Copy copy)
    {
        if (copy is { IsMoving: true, State: not CopyState.Deleting } or { State: CopyState.Available } || (copy.State == CopyState.Deleting && Pod.State != PodState.Disconnected))
        {
            return null;
        }

        return Pod.State switch
        {
            PodState.Draining => new Refusal("pod.draining", $"Pod {Name} is draining and gets nothing new.", "Connect it again, or leave it out."),
            PodState.Disconnected => new Refusal("pod.disconnected", $"Pod {Name} is not connected.", "Connect it first."),
            _ when records.Moving.Count >= Limits.QueuePerPod => QueueFull,
            _ => null,
        };
    }

    private Refusal QueueFull => new("pod.queue-full", $"Pod {Name} already has {Limits.QueuePerPod} copies waiting.", "Try again when some are done.");

    private CopyChange? Change(Copy copy, CopyCommand command, DateTimeOffset now) => Evolve(copy, command, now) is { } after ? new CopyChange(copy, after) : null;

    private Copy? Evolve(Copy copy, CopyCommand command, DateTimeOffset now)
    {
        var events = CopyMachine.Decide(copy, command, now, options.Retry).Events;
        return events.Count == 0 ? null : events.Aggregate(copy, (c, e) => CopyMachine.Evolve(c, e, now));
    }

    /// <summary>Stores first, then tells whoever wants the copy.</summary>
    private async Task StoreAsync(IReadOnlyList<CopyChange> changes, IReadOnlyList<Projection>? asked = null)
    {
        if (changes.Count == 0)
        {
            return;
        }

        List<Copy> changed = [.. changes.Select(c => c.After)];
        List<Projection> lines = [.. asked ?? [], .. changes.Select(CopyLines.Of).OfType<Projection>()];
        var listeners = changed.ToDictionary(c => c.Version, c => ListenersOf(c));
        await GuardAsync(() => records.WriteAsync(null, changed, lines));
        changes.ToList().ForEach(c => meter.Changed(c.Before, c.After));
        foreach (var copy in changed)
        {
            if (!copy.IsHot)
            {
                resumed.Remove(copy.Version);
            }

            if (copy is { State: CopyState.Pending, IsHeld: true })
            {
                worker.Stop(Name, copy.Version);
            }

            Tell(copy, listeners[copy.Version]);
        }
    }

    private async Task<Reply<Pod>> ChangePodAsync(PodCommand command, RequestedBy by, string action, Precondition? precondition)
    {
        await RefreshAsync();
        var decision = PodMachine.Decide(records.Pod, command);
        if ((Precondition.Check(precondition, RecordTags.Of(records.Pod), $"Pod {Name}") ?? decision.Refusal) is { } refusal)
        {
            return Reply.Refused<Pod>(refusal);
        }

        if (decision.Events.Count > 0)
        {
            var pod = decision.Events.Aggregate(records.Pod, (p, e) => PodMachine.Evolve(p, e, Now, options.Probe));
            await GuardAsync(() => records.WriteAsync(pod, [], [Activity.Line(Now, by, action, $"Pod {Name}", pod: Name)]));
        }

        worker.Cap(Name, records.Pod.Spec?.Caps);
        Poke();
        return Reply.Of(Pod);
    }

    /// <summary>After a failed write nothing is decided before memory was read anew from the store. The grain stays and drives on, so that nobody
    /// has to ask for it first.</summary>
    private async Task GuardAsync(Func<Task> write)
    {
        try
        {
            await write();
        }
        catch
        {
            isStale = true;
            ComeBack(options.StepRetry);
            throw;
        }
    }

    private async Task RefreshAsync()
    {
        if (isStale)
        {
            await records.ReadAsync();
            isStale = false;
        }
    }

    private CopyView ViewOf(Copy copy)
    {
        var progress = copy.IsHot ? worker.ProgressOf(Name, copy.Version) : null;
        return new CopyView(progress?.Phase == CopyState.Finalising && copy.State == CopyState.Replicating ? copy with { State = CopyState.Finalising } : copy, progress);
    }

    /// <summary>As one operation sees it, or as it is.</summary>
    private CopyStanding StandingOf(Copy copy, OperationId? asker) => new(Name, copy.Version, asker is { } operation ? CopyMachine.StateFor(copy, operation) : copy.State,
        copy.Generation, copy.Fault, copy.Tries, copy.Content, copy.Receipt, copy.Role, copy.Attempt, copy.Revision);

    private static DateTimeOffset Sooner(DateTimeOffset? a, DateTimeOffset b) => a is { } known && known < b ? known : b;
}
