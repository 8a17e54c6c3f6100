using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Where the bytes come from, and when their turn is.</summary>
internal sealed partial class TransferWorker
{
    /// <summary>A read-back for the scrub has places of its own: it never waits in front of a transfer.</summary>
    private async Task<IDisposable> EnterAsync(TransferJob job, CancellationToken stop)
    {
        if (!IsScrub(job))
        {
            return await slots.EnterAsync(job, stop);
        }

        await scrubSlots.WaitAsync(stop);
        return new ScrubPlace(scrubSlots);
    }

    private async Task<ConnectorResult<ReaderOffer>> OpenSourceAsync(
        RunningTransfer transfer, VersionId version, ContentDescription content, PodName from, CancellationToken stop)
    {
        Pod source;
        try
        {
            source = await grains.ReadPodAsync(from, stop);
        }
        catch (IOException problem)
        {
            return new ConnectorFault(FaultStage.Open, FaultCause.TimedOut, problem.Message, "It is tried again.");
        }

        if (source.Spec is null || source.State == PodState.Disconnected)
        {
            return new ConnectorFault(FaultStage.Open, FaultCause.Unreachable, $"Source pod {from} is not connected.", $"Connect pod {from} again.");
        }

        if (connectors.Get(source.Spec) is not ConnectorResult<IPodConnector>.Done(var connector))
        {
            return new ConnectorFault(FaultStage.Open, FaultCause.Misconfigured, $"Source pod {from} cannot be opened with its settings.", $"Correct the settings of pod {from}.");
        }

        var opened = await connector.OpenAsync(version, content, stop);
        if (opened is not ConnectorResult<Content.IContentReader>.Done(var reader))
        {
            return opened is ConnectorResult<Content.IContentReader>.Failed(var fault)
                ? await WhileRepairedAsync(version, from, fault)
                : new ConnectorFault(FaultStage.Open, FaultCause.TimedOut, $"Pod {from} cannot open {version} yet.", "It is tried again.");
        }

        var place = new BlockPlace(ConnectorRegistry.BlockServerOf(source.Spec), from, version);
        var bound = ReaderOffer.Create(reader, content, _ => Task.FromResult(blocks?.AddressOf(place, content)), transfer.ThrottleBy(rates, source.Spec));
        if (bound is not ConnectorResult<ReaderOffer>.Done(var offer))
        {
            await reader.DisposeAsync();
            return bound;
        }

        return offer.Via(new ContentRoute(place, (pod, asked) => PlaceOfAsync(pod, version, asked), Swarm: null, PieceBytes: 0));
    }

    /// <summary>Where another machine reads what a pod holds of a version.</summary>
    /// <exception cref="IOException">The pod's record does not answer, or it is not connected.</exception>
    private async Task<BlockPlace> PlaceOfAsync(PodName pod, VersionId version, CancellationToken cancellationToken) =>
        await grains.ReadPodAsync(pod, cancellationToken) is { Spec: { } spec, State: not PodState.Disconnected }
            ? new BlockPlace(ConnectorRegistry.BlockServerOf(spec), pod, version)
            : throw new IOException($"Pod {pod} is not connected.");

    private sealed class ScrubPlace(SemaphoreSlim places) : IDisposable
    {
        public void Dispose() => places.Release();
    }
}
