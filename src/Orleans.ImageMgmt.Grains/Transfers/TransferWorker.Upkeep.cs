using System.Text.Json;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>What is done with copies that were final: reading them back again, and making damaged ones whole.</summary>
internal sealed partial class TransferWorker
{
    private static bool IsScrub(TransferJob job) => job.Step is CopyStep.Verify { IsScrub: true };

    private static string StepWord(TransferJob job) => job.Step switch
    {
        CopyStep.Verify { IsScrub: true } => "scrub",
        var step => JsonNamingPolicy.CamelCase.ConvertName(step.GetType().Name),
    };

    private void Measure(RunningTransfer transfer, WorkerResult? result)
    {
        if (result is null || !transfer.IsAtWork)
        {
            return; // stopped, or it never began
        }

        meter.TransferEnded(StepWord(transfer.Job), time.GetElapsedTime(transfer.BeganAt), result.Fault);
        if (result.BytesPerSecond is { } rate)
        {
            meter.Received(rate);
        }
    }

    private ScrubPace? PaceOf(TransferJob job) => IsScrub(job) ? new ScrubPace(options.Scrub, time, IsMovingBytes) : null;

    /// <summary>Whether anything but upkeep is at work on this silo.</summary>
    private bool IsMovingBytes() => running.Values.Any(t => t.IsAtWork && t.Job.Step is CopyStep.Prepare or CopyStep.Receive or CopyStep.Finalise or CopyStep.Repair);

    private async Task<WorkerResult> VerifyAsync(RunningTransfer transfer, IPodConnector connector, VersionId version, CancellationToken stop)
    {
        var result = await PollAsync(transfer, () => connector.VerifyAsync(version, transfer, stop), stop);
        switch (result)
        {
            case ConnectorResult<Receipt>.Done(var receipt):
                counters.ReadBack(isDamaged: false);
                return Done(transfer.Job, transfer.Job.Copy.Content!, receipt);
            case ConnectorResult<Receipt>.Failed(var fault):
                if (CopyMachine.IsDamage(fault))
                {
                    counters.ReadBack(isDamaged: true);
                }

                return Failed(transfer.Job, fault);
            default:
                throw new NotSupportedException();
        }
    }

    /// <summary>Asks pods that hold the version, one after the other, until one has given what is damaged here. A fault of this pod itself ends the try:
    /// another sender would not help.</summary>
    private async Task<WorkerResult> RepairAsync(RunningTransfer transfer, IPodConnector connector, CopyOrder order, CopyStep.Repair step, CancellationToken stop)
    {
        transfer.Phase = CopyState.Replicating;
        var pod = transfer.Job.Spec.Name;
        ConnectorFault? last = null;
        foreach (var from in RepairPlanner.Candidates(await grains.GetVersion(order.Version).GetAsync(), pod, step.Tries))
        {
            var (staged, fault) = await FetchDamagedAsync(transfer, connector, order, step, from, stop);
            if (staged is not null)
            {
                return await ProveRepairAsync(transfer, connector, order, step.Content, from, staged, stop);
            }

            last = fault;
            if (fault is not { Stage: FaultStage.Open } and not { Cause: FaultCause.SourceCorrupt or FaultCause.SourceMissing })
            {
                break;
            }
        }

        return Failed(transfer.Job, last ?? new ConnectorFault(FaultStage.Receive, FaultCause.SourceMissing,
            $"No other pod holds {order.Version}, so nobody can give pod {pod} what is damaged in its copy.",
            "Import the version again on a pod that still has its source, or delete it; when a pod has it again, verify this copy to repair it."));
    }

    /// <summary>What is whole in the damaged copy is kept: it goes back to staging, where it is hashed, and only the rest is asked for.</summary>
    private async Task<(StagedCopy? Staged, ConnectorFault? Fault)> FetchDamagedAsync(
        RunningTransfer transfer, IPodConnector connector, CopyOrder order, CopyStep.Repair step, PodName from, CancellationToken stop)
    {
        if ((await grains.GetPod(from).GetCopyAsync(order.Version)).Copy.State != CopyState.Available)
        {
            return (null, new ConnectorFault(FaultStage.Open, FaultCause.Unreachable, $"The copy of {order.Version} on pod {from} is not available either.", "It is tried again with others."));
        }

        var opened = await OpenSourceAsync(transfer, order.Version, step.Content, from, stop);
        if (opened is not ConnectorResult<ReaderOffer>.Done(var offer))
        {
            return (null, Fault(opened) with { Stage = FaultStage.Open });
        }

        await using (offer.Reader)
        {
            var received = await PollAsync(transfer, () => connector.ReceiveAsync(order, offer, transfer, stop), stop);
            if (received is ConnectorResult<StagedCopy>.Done(var staged))
            {
                return (staged, null);
            }

            Suspect(order.Version, from, Fault(received));
            return (null, Fault(received));
        }
    }

    private async Task<WorkerResult> ProveRepairAsync(
        RunningTransfer transfer, IPodConnector connector, CopyOrder order, ContentDescription content, PodName from, StagedCopy staged, CancellationToken stop)
    {
        var chunks = transfer.Progress.ChunksNeeded;
        var result = await FinaliseAsync(transfer, connector, order, content, stop);
        if (result.Receipt?.VerifiedAt == transfer.Job.Copy.Receipt?.VerifiedAt && result.Receipt is not null)
        {
            // The pod never took the damaged copy out of use, so it gave the receipt from before: what counts is what lies there now.
            result = await VerifyAsync(transfer, connector, order.Version, stop);
        }

        if (result.Receipt is not { } receipt)
        {
            return result;
        }

        counters.Repaired(staged.BytesSent);
        return result with { Receipt = receipt with { Repair = new CopyRepair(receipt.VerifiedAt, staged.BytesSent, chunks, from) } };
    }

    /// <summary>A pod that sent wrong bytes has its own copy read back: it must not go on as a source.</summary>
    private void Suspect(VersionId version, PodName from, ConnectorFault fault)
    {
        if (fault.Cause == FaultCause.SourceCorrupt)
        {
            reporter.Send(from.Value, () => grains.GetPod(from).ScrubAsync(version));
        }
    }

    /// <summary>A copy that cannot be opened while it is quarantined is no copy that is missing: it may be whole again soon.</summary>
    private async Task<ConnectorFault> WhileRepairedAsync(VersionId version, PodName from, ConnectorFault fault) =>
        CopyMachine.IsDamage(fault) && (await grains.GetPod(from).GetCopyAsync(version)).Copy is { State: CopyState.Quarantined } or { Check.IsOpen: true }
            ? new ConnectorFault(FaultStage.Open, FaultCause.Unreachable, $"The copy of {version} on pod {from} is being looked at or repaired.", "It is tried again; see why the copy is not repaired if it stays so.")
            : fault;

    private static ConnectorFault Fault<T>(ConnectorResult<T> result) => ((ConnectorResult<T>.Failed)result).Fault;
}
