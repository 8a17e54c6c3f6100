using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

internal sealed partial class SimulatedConnector
{
    public Task<ConnectorResult<ReceivePlan>> PlanReceiveAsync(VersionId version, ContentDescription content, ContentManifest manifest, CancellationToken cancellationToken) =>
        Answer<ReceivePlan>(
            FaultStage.Receive,
            () =>
            {
                if (!Capabilities.CanPlan)
                {
                    return ConnectorFaults.Unsupported(FaultStage.Receive, Capabilities.Name, "cannot say beforehand what a transfer would take");
                }

                var free = Math.Max(0, settings.Capacity - store.Used());
                if (store.Final.TryGetValue(version, out var final) && !final.IsDamaged)
                {
                    return final.Content.ContentDigest == content.ContentDigest
                        ? new ReceivePlan(Datastore, 0, 0, 0, 0, free, IsHeld: true)
                        : ConnectorFaults.OtherContent(FaultStage.Receive, version, final.Content.ContentDigest, content.ContentDigest);
                }

                var staged = (final ?? store.Staged.GetValueOrDefault(version)) is { } copy && copy.Content.ManifestDigest == content.ManifestDigest
                    ? Enumerable.Range(0, manifest.ChunkCount).Where(chunk => !manifest.IsZero(chunk) && copy.IsRight(chunk)).Sum(chunk => (long)manifest.LengthOf(chunk))
                    : 0;
                return new ReceivePlan(Datastore, manifest.DataLength - staged, staged, 0, manifest.DataLength - staged, free);
            },
            cancellationToken);
}
