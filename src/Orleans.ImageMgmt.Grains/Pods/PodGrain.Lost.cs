using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

internal sealed partial class PodGrain
{
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
