using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>How fast a pod's transfers run, and whether they run at all.</summary>
internal sealed partial class PodGrain
{
    public async Task<Reply<Pod>> CapAsync(PodCaps caps, RequestedBy by, Precondition? precondition = null) => RefuseCaps(caps) is { } refusal
        ? Reply.Refused<Pod>(refusal)
        : await ChangePodAsync(new PodCommand.Cap(caps), by, "pod.capped", precondition);

    public Task<Reply<CopyStanding>> HoldCopyAsync(VersionId version, OperationId operation, int turn) =>
        CommandAsync(version, new CopyCommand.Hold(operation, turn, worker.ProgressOf(Name, version)?.Phase == CopyState.Finalising), operation, isNewWork: false);

    public async Task<PodPlan> PlanAsync(VersionId version, ContentDescription content, PodName from)
    {
        var copy = await records.GetAsync(version);
        var plan = new PodPlan(Name, RefuseNewWork(copy), null, null, Pod.Spec?.Caps, Pod.BytesPerSecond);
        if (Pod.Spec is not { } spec || plan.Refusal is not null)
        {
            return plan;
        }

        var source = (await GrainFactory.GetPod(from).GetAsync()).Pod.Spec;
        using var stop = new CancellationTokenSource(options.ProbeTimeout, Time);
        try
        {
            return await Task.Run(() => ReceivePlanning.AskAsync(connectors, plan, spec, source, version, content, stop.Token), CancellationToken.None)
                .WaitAsync(options.ProbeTimeout, Time, CancellationToken.None);
        }
        catch (Exception late) when (late is TimeoutException or OperationCanceledException)
        {
            return plan with { Unknown = $"Pod {Name} or the source pod {from} did not answer within {options.ProbeTimeout.TotalSeconds:0} s." };
        }
    }

    private Refusal? RefuseCaps(PodCaps caps) => PodRates.FaultsOf(caps) is { Count: > 0 } faults
        ? new Refusal("pod.invalid", $"Pod {Name} cannot be capped so: {string.Join("; ", faults.Select(f => $"{f.Field}: {f.Fault}"))}.", "Correct the caps and try again.")
        : null;
}
