using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

internal sealed partial class PodGrain
{
    /// <summary>Who asks asks again: a removal waits for its turn at the pod's queue like everything else.</summary>
    public async Task<Reply<CopyStanding>> DeleteCopyAsync(VersionId version, Generation generation)
    {
        await RefreshAsync();
        return records.Moving.Count >= Limits.QueuePerPod && !(await records.GetAsync(version)).IsMoving
            ? Reply.Refused<CopyStanding>(QueueFull)
            : await CommandAsync(version, new CopyCommand.Delete(generation), null, isNewWork: false);
    }

    public async Task<CopyStanding> CopyLostAsync(VersionId version, Generation generation, ConnectorFault fault)
    {
        await RefreshAsync();
        var copy = await records.GetAsync(version);
        if (copy.Generation == generation && Evolve(copy, new CopyCommand.Quarantine(fault), Now) is { } quarantined)
        {
            await StoreAsync([quarantined]);
            copy = quarantined;
        }

        return StandingOf(copy, null);
    }
}
