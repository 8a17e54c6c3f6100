using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>Opens copies of pods whose files this process reaches, for the block server.</summary>
/// <param name="specOf">A pod's specification, or null: not known here.</param>
/// <param name="registry">Makes connectors.</param>
internal sealed class PodLibraries(Func<PodName, CancellationToken, Task<PodSpec?>> specOf, ConnectorRegistry registry)
{
    /// <summary>The pods of the catalog.</summary>
    public static PodLibraries OfCatalog(IGrainFactory grains, ConnectorRegistry registry) => new(
        async (pod, _) =>
        {
            var known = (await grains.GetPod(pod).GetAsync()).Pod;
            return known.State == PodState.Disconnected ? null : known.Spec;
        },
        registry);

    /// <summary>These pods and no others.</summary>
    public static PodLibraries Of(IReadOnlyList<PodSpec> pods, ConnectorRegistry registry)
    {
        var byName = pods.ToDictionary(pod => pod.Name);
        return new PodLibraries((pod, _) => Task.FromResult(byName.GetValueOrDefault(pod)), registry);
    }

    /// <summary>Opens a final copy. What other machines serve is not served on from here, and a plan of faults is for transfers, not for their readers.</summary>
    public async Task<CopyOpening> OpenAsync(PodName pod, VersionId version, CancellationToken cancellationToken)
    {
        if (await specOf(pod, cancellationToken) is not { } spec || ConnectorRegistry.BlockServerOf(spec) is not null)
        {
            return new CopyOpening(null, BlockRefusal.NoCopy);
        }

        var plain = spec with { Settings = spec.Settings.Where(setting => !ConnectorRegistry.CommonKeys.Contains(setting.Key)).ToDictionary(StringComparer.Ordinal) };
        if (registry.Create(plain) is not ConnectorResult<IPodConnector>.Done { Value: var connector })
        {
            return new CopyOpening(null, BlockRefusal.Unusable($"Pod {pod} cannot be opened with its settings."));
        }

        var opened = await connector.OpenAsync(version, cancellationToken);
        if (opened is ConnectorResult<IContentReader>.Failed { Fault.Cause: FaultCause.SourceMissing } && connector.Capabilities.ServesStaged)
        {
            opened = await connector.OpenStagedAsync(version, cancellationToken); // in a fan-out: receivers know which chunks of it are good, and hash them
        }

        return opened switch
        {
            ConnectorResult<IContentReader>.Done(var reader) => new CopyOpening(reader, null),
            ConnectorResult<IContentReader>.Failed(var fault) when fault.Cause is FaultCause.SourceMissing => new CopyOpening(null, BlockRefusal.NoCopy),
            ConnectorResult<IContentReader>.Failed(var fault) => new CopyOpening(null, BlockRefusal.Unusable(fault.Detail)),
            _ => new CopyOpening(null, BlockRefusal.Busy),
        };
    }
}
