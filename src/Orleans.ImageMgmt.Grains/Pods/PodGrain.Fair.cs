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

    private Refusal? RefuseCaps(PodCaps caps) => PodRates.FaultsOf(caps) is { Count: > 0 } faults
        ? new Refusal("pod.invalid", $"Pod {Name} cannot be capped so: {string.Join("; ", faults.Select(f => $"{f.Field}: {f.Fault}"))}.", "Correct the caps and try again.")
        : null;
}
