using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// Moves bytes for the pods of this silo, outside grain turns. One job at a time per copy: a newer job stops the older one and waits until
/// the connector has let go. Results go to the pod grain as a normal call; one that cannot be delivered is made again when the pod drives.
/// </summary>
internal sealed partial class TransferWorker : IDisposable
{
    /// <summary>How often one connector call may answer "in progress" before it counts as stalled.</summary>
    private const int PollLimit = 10_000;

    /// <summary>Tries to deliver one result; the pod's own drive is the fallback.</summary>
    private const int DeliveryTries = 6;

    private static readonly TimeSpan WatchInterval = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<(PodName Pod, VersionId Version), RunningTransfer> running = new();
    private readonly IGrainFactory grains;
    private readonly ConnectorCache connectors;
    private readonly ImageMgmtOptions options;
    private readonly TransferCounters counters;
    private readonly SiloMeter meter;
    private readonly Reporter reporter;
    private readonly TimeProvider time;
    private readonly ILogger<TransferWorker> log;
    private readonly IBlockLink? blocks;
    private readonly TransferTrace trace;
    private readonly SemaphoreSlim scrubSlots;
    private readonly SlotDesk slots;
    private readonly PodRates rates;
    private readonly ITimer watch;
    private readonly CancellationTokenSource stopping = new();

    public TransferWorker(
        IGrainFactory grains, ConnectorCache connectors, PodRates rates, ImageMgmtOptions options, TransferCounters counters, SiloMeter meter, Reporter reporter,
        TimeProvider time, ILogger<TransferWorker> log, IBlockLink? blocks = null)
    {
        (this.grains, this.connectors, this.rates, this.options, this.counters, this.meter) = (grains, connectors, rates, options, counters, meter);
        (this.reporter, this.time, this.log, this.blocks) = (reporter, time, log, blocks);
        counters.Running = () => running.Count;
        trace = new TransferTrace(options.TransferTrace);
        slots = new SlotDesk(options.TransfersPerSilo, options.TransfersPerSource);
        counters.WaitingNow = () => slots.Waiting;
        counters.Reporting = () => reporter.UnderWay;
        scrubSlots = new SemaphoreSlim(options.Scrub.Concurrency);
        watch = time.CreateTimer(_ => StopStalled(), null, WatchInterval, WatchInterval);
    }

    public CopyProgress? ProgressOf(PodName pod, VersionId version) =>
        running.TryGetValue((pod, version), out var transfer) ? transfer.Progress : null;

    /// <summary>Starts a job unless this very try is under way. Returns at once.</summary>
    public void Ensure(TransferJob job)
    {
        if (stopping.IsCancellationRequested)
        {
            return;
        }

        var key = (job.Spec.Name, job.Copy.Version);
        RunningTransfer? older = null;
        if (running.TryGetValue(key, out var known))
        {
            if (known.Job.Copy.Attempt >= job.Copy.Attempt && !known.IsAbandoned && !known.IsTold)
            {
                if (job.Copy.IsUrgent && known.Hurry())
                {
                    slots.Hurry(job.Spec.Name, job.Copy.Version);
                }

                return;
            }

            known.Cancel();
            older = known;
        }

        var transfer = new RunningTransfer(job, trace, counters, time, time.GetUtcNow(), PaceOf(job));
        running[key] = transfer;
        using (ExecutionContext.SuppressFlow())
        {
            transfer.Ended = Task.Run(() => RunAsync(transfer, older));
        }

        if (stopping.IsCancellationRequested)
        {
            transfer.Cancel(); // the stop may have looked before this job was there
        }
    }

    /// <summary>Takes over how fast bytes may travel to and from a pod; what runs goes on by it.</summary>
    public void Cap(PodName pod, PodCaps? caps) => rates.Set(pod, caps);

    /// <summary>Stops the job of one copy at its next chunk; what is staged stays.</summary>
    public void Stop(PodName pod, VersionId version)
    {
        if (running.TryGetValue((pod, version), out var transfer))
        {
            transfer.Cancel();
        }
    }

    /// <summary>Stops every job of a pod, when its grain leaves this silo.</summary>
    public void StopPod(PodName pod)
    {
        foreach (var (key, transfer) in running)
        {
            if (key.Pod == pod)
            {
                transfer.Abandon();
            }
        }
    }

    /// <summary>Stops everything and waits, bounded, until the connectors have let go.</summary>
    public async Task StopAsync(TimeSpan limit)
    {
        await stopping.CancelAsync();
        foreach (var transfer in running.Values)
        {
            transfer.Cancel();
        }

        try
        {
            await Task.WhenAll(running.Values.Select(t => t.Ended)).WaitAsync(limit, time);
        }
        catch (TimeoutException)
        {
            TransferLog.StopTimedOut(log, running.Count);
        }
    }

    public void Dispose()
    {
        watch.Dispose();
        stopping.Dispose();
        scrubSlots.Dispose();
        trace.Dispose();
    }

    private void StopStalled()
    {
        foreach (var transfer in running.Values)
        {
            transfer.StopIfStalled(options.TransferStall, options.FinaliseStall);
        }
    }

    private async Task RunAsync(RunningTransfer transfer, RunningTransfer? older)
    {
        var job = transfer.Job;
        var key = (job.Spec.Name, job.Copy.Version);
        using var span = Spans.Transfer(job, StepWord(job));
        try
        {
            var result = older is null || await LetsGoAsync(older) ? await RunGuardedAsync(transfer) : NotLetGo(job);
            span.Fail(result?.Fault);
            Measure(transfer, result);
            if (result is not null && !stopping.IsCancellationRequested)
            {
                await DeliverAsync(job, result);
                transfer.IsTold = true;
            }
        }
        finally
        {
            // Whoever comes next waits for this call, and for an older one that has not let go of the pod either.
            await Task.WhenAny(Task.WhenAll(transfer.Work ?? Task.CompletedTask, older?.Ended ?? Task.CompletedTask));

            running.TryRemove(new(key, transfer));
            transfer.Dispose();
        }
    }

    /// <summary>The connector serves one call per copy: waits, bounded, until the call of the older job has come back.</summary>
    private async Task<bool> LetsGoAsync(RunningTransfer older)
    {
        try
        {
            await older.Ended.WaitAsync(options.FinaliseStall, time);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private WorkerResult NotLetGo(TransferJob job) => Failed(job, new ConnectorFault(
        job.Step switch { CopyStep.Prepare => FaultStage.Prepare, CopyStep.Remove => FaultStage.Delete, _ => FaultStage.Receive }, FaultCause.TimedOut,
        $"An earlier call to pod {job.Spec.Name} has not come back for {options.FinaliseStall.TotalSeconds:0} s after it was stopped.",
        "Check the pod's storage: a call hangs in it."));

    private async Task<WorkerResult?> RunGuardedAsync(RunningTransfer transfer)
    {
        var job = transfer.Job;
        try
        {
            using (await EnterAsync(job, transfer.Stop.Token))
            {
                transfer.Begin();
                transfer.Work = Task.Run(() => CarryOutAsync(transfer, transfer.Stop.Token), CancellationToken.None);
                if (await Task.WhenAny(transfer.Work, transfer.Hangs) != transfer.Work)
                {
                    return Stopped(transfer); // a call that hangs in a dead pod's storage keeps neither its result nor its slot waiting
                }

                var result = await transfer.Work;

                // A connector answers a stopped call with a value; it says that the call was stopped, and only the worker knows why.
                return result.Fault is { Cause: FaultCause.Cancelled } && transfer.Stop.IsCancellationRequested ? Stopped(transfer) : result;
            }
        }
        catch (OperationCanceledException)
        {
            return Stopped(transfer);
        }
        catch (Exception away) when (away is TimeoutException or Runtime.OrleansException or Durable.StoreException)
        {
            return Failed(job, new ConnectorFault(StageOf(transfer), FaultCause.TimedOut, $"The service's own records could not be read: {away.Message}",
                "Nothing to do: it is tried again."));
        }
        catch (Exception bug)
        {
            TransferLog.Broke(log, job.Spec.Name.Value, job.Copy.Version.Value, bug);
            return Failed(job, new ConnectorFault(StageOf(transfer), FaultCause.Unexpected, $"{bug.GetType().Name}: {bug.Message}",
                "This is a defect: report it with the server's log."));
        }
    }

    /// <summary>Timed out when nothing moved. Else it was stopped by a newer job, a moving grain or the end of the process: nobody waits for this one.</summary>
    private WorkerResult? Stopped(RunningTransfer transfer) => !transfer.IsStalled
        ? null
        : Failed(transfer.Job, new ConnectorFault(StageOf(transfer), FaultCause.TimedOut,
            $"Nothing moved on pod {transfer.Job.Spec.Name} for {(transfer.Phase == CopyState.Replicating ? options.TransferStall : options.FinaliseStall).TotalSeconds:0} s.",
            "It is tried again; check the pod's storage and network if it repeats."));

    private async Task<WorkerResult> CarryOutAsync(RunningTransfer transfer, CancellationToken stop)
    {
        var job = transfer.Job;
        var order = new CopyOrder(job.Copy.Version, job.Copy.Generation, job.Copy.Attempt);
        switch (connectors.Get(job.Spec))
        {
            case ConnectorResult<IPodConnector>.Failed failed:
                return Failed(job, failed.Fault with { Stage = StageOf(transfer) });
            case ConnectorResult<IPodConnector>.Done(var connector):
                return job.Step switch
                {
                    CopyStep.Prepare step => await PrepareAsync(transfer, connector, order, step, stop),
                    CopyStep.Receive step => await ReceiveAsync(transfer, connector, order, step, stop),
                    CopyStep.Finalise step => await FinaliseAsync(transfer, connector, order, step.Content, stop),
                    CopyStep.Remove step => await RemoveAsync(transfer, connector, order, step, stop),
                    CopyStep.Verify => await VerifyAsync(transfer, connector, order.Version, stop),
                    CopyStep.Repair step => await RepairAsync(transfer, connector, order, step, stop),
                    _ => throw new NotSupportedException(job.Step.ToString()),
                };
            default:
                throw new NotSupportedException("A connector is made or not; nothing else.");
        }
    }

    private async Task<WorkerResult> PrepareAsync(RunningTransfer transfer, IPodConnector connector, CopyOrder order, CopyStep.Prepare step, CancellationToken stop)
    {
        var result = await PollAsync(transfer, () => connector.PrepareAsync(order, step.Source, transfer, stop), stop);
        return result switch
        {
            ConnectorResult<PreparedCopy>.Done(var prepared) => Done(transfer.Job, prepared.Content, prepared.Receipt),
            ConnectorResult<PreparedCopy>.Failed(var fault) => Failed(transfer.Job, fault),
            _ => throw new NotSupportedException(),
        };
    }

    private async Task<WorkerResult> ReceiveAsync(RunningTransfer transfer, IPodConnector connector, CopyOrder order, CopyStep.Receive step, CancellationToken stop)
    {
        var opened = await OpenSourceAsync(transfer, order.Version, step.Content, step.From, stop);
        if (opened is not ConnectorResult<ReaderOffer>.Done(var offer))
        {
            return Failed(transfer.Job, ((ConnectorResult<ReaderOffer>.Failed)opened).Fault);
        }

        await using (offer.Reader)
        {
            var (taken, reader) = new FanOuts(grains, connectors, rates, counters, options, time).Begin(transfer, connector, offer, step);
            await using var swarm = reader;
            var received = await PollAsync(transfer, () => connector.ReceiveAsync(order, taken, swarm as Content.ITransferObserver ?? transfer, stop), stop);
            if (received is ConnectorResult<StagedCopy>.Failed(var fault))
            {
                Suspect(order.Version, step.From, fault);
                return Failed(transfer.Job, fault);
            }
        }

        var rate = transfer.MeasuredRate();
        return await FinaliseAsync(transfer, connector, order, step.Content, stop) with { BytesPerSecond = rate };
    }

    private async Task<WorkerResult> FinaliseAsync(RunningTransfer transfer, IPodConnector connector, CopyOrder order, ContentDescription content, CancellationToken stop)
    {
        transfer.Phase = CopyState.Finalising;
        transfer.Moved();
        var result = await PollAsync(transfer, () => connector.FinaliseAsync(order, content, transfer, stop), stop);
        return result switch
        {
            ConnectorResult<Receipt>.Done(var receipt) => Done(transfer.Job, content, receipt),
            ConnectorResult<Receipt>.Failed(var fault) => Failed(transfer.Job, fault),
            _ => throw new NotSupportedException(),
        };
    }

    private async Task<WorkerResult> RemoveAsync(RunningTransfer transfer, IPodConnector connector, CopyOrder order, CopyStep.Remove step, CancellationToken stop)
    {
        var scope = step.Final ? DeleteScope.Copy : DeleteScope.Staged;
        var result = await PollAsync(transfer, () => connector.DeleteAsync(order, scope, stop), stop);
        return result is ConnectorResult<Removed>.Failed(var fault)
            ? Failed(transfer.Job, fault)
            : new WorkerResult(order.Version, order.Attempt, null, null, null, IsRemoved: true);
    }

    /// <summary>Makes a call until it no longer answers "in progress".</summary>
    private async Task<ConnectorResult<T>> PollAsync<T>(RunningTransfer transfer, Func<Task<ConnectorResult<T>>> call, CancellationToken stop)
    {
        for (var poll = 0; poll < PollLimit; poll++)
        {
            var result = await call();
            if (result is not ConnectorResult<T>.InProgress waiting)
            {
                return result;
            }

            if (waiting.IsMoving)
            {
                transfer.Moved(); // the pod says that it is at work; how often it may say so is bounded above
            }

            await Task.Delay(waiting.AskAgainAfter, time, stop);
        }

        return new ConnectorFault(StageOf(transfer), FaultCause.TimedOut, $"Still in progress after {PollLimit} questions.", "Check the pod; it is tried again.");
    }

    private async Task DeliverAsync(TransferJob job, WorkerResult result)
    {
        for (var attempt = 1; attempt <= DeliveryTries && !stopping.IsCancellationRequested; attempt++)
        {
            try
            {
                await grains.GetPod(job.Spec.Name).WorkerEndedAsync(result);
                return;
            }
            catch (Exception problem)
            {
                TransferLog.NotDelivered(log, job.Spec.Name.Value, job.Copy.Version.Value, attempt, problem);
                await Task.Delay(TimeSpan.FromSeconds(attempt), time, CancellationToken.None);
            }
        }
    }

    private static FaultStage StageOf(RunningTransfer transfer) => transfer.Job.Step switch
    {
        CopyStep.Prepare => FaultStage.Prepare,
        CopyStep.Remove => FaultStage.Delete,
        CopyStep.Verify => FaultStage.Verify,
        _ => transfer.Phase == CopyState.Finalising ? FaultStage.Finalise : FaultStage.Receive,
    };

    private static WorkerResult Done(TransferJob job, ContentDescription content, Receipt receipt) =>
        new(job.Copy.Version, job.Copy.Attempt, content, receipt, null);

    private static WorkerResult Failed(TransferJob job, ConnectorFault fault) =>
        new(job.Copy.Version, job.Copy.Attempt, null, null, fault);
}
