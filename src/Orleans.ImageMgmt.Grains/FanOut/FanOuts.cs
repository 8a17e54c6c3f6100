using System.Collections.Concurrent;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>When pods give pieces of a content to each other.</summary>
public enum FanOutUse
{
    /// <summary>Where the source pod's bytes come over a link. On one machine a copy is made straight from its file.</summary>
    Remote,

    /// <summary>Always where the receiver takes chunks.</summary>
    Always,

    /// <summary>Everything comes from the source pod.</summary>
    Never,
}

/// <summary>Puts a swarm in front of the source pod's copy where that pays.</summary>
internal sealed class FanOuts(IGrainFactory grains, ConnectorCache connectors, PodRates rates, TransferCounters counters, ImageMgmtOptions options, TimeProvider time)
{
    /// <summary>The offer as the receiver is to take it, and the reader in it that asks many pods: null where all comes from the source pod, and where the
    /// receiver at its site has such a reader of its own.</summary>
    public (ReaderOffer Offer, SwarmReader? Swarm) Begin(RunningTransfer transfer, IPodConnector receiver, ReaderOffer offer, CopyStep.Receive step)
    {
        var able = receiver.Capabilities;
        var wanted = options.FanOut switch
        {
            FanOutUse.Always => true,
            FanOutUse.Remote => able.AtSite || offer.Reader.LocalFile is null,
            _ => false,
        };
        if (!wanted || able.Transfer != TransferMode.Chunks || PieceMap.Of(offer.Manifest, options.FanOutPieceBytes) is not { } map)
        {
            return (offer, null);
        }

        var link = new FanOutLink(grains, connectors, rates, counters, transfer, able.ServesStaged, step, offer.Throttle);
        if (able.AtSite)
        {
            return (offer.Via(offer.Route! with { Swarm = link, PieceBytes = options.FanOutPieceBytes }), null);
        }

        var swarm = SwarmReader.Over(offer.Reader, map, link, transfer, new SwarmReaderOptions { TimeProvider = time });
        return (offer.Over(swarm), swarm);
    }
}

/// <summary>The way from one transfer to its tracker and to the pods that it names.</summary>
internal sealed class FanOutLink(
    IGrainFactory grains, ConnectorCache connectors, PodRates rates, TransferCounters counters, RunningTransfer transfer, bool gives, CopyStep.Receive step,
    Func<int, CancellationToken, ValueTask<int>>? fromOrigin) : ISwarm
{
    /// <summary>By pod: what is asked before its bytes travel. Its own caps and its own link count, not those of the source pod.</summary>
    private readonly ConcurrentDictionary<PodName, Func<int, CancellationToken, ValueTask<int>>> throttles = new();

    private readonly VersionId version = transfer.Job.Copy.Version;
    private readonly SwarmPlace place = SwarmPlace.Of(transfer.Job.Spec.Labels);
    private readonly IFanOutGrain tracker = grains.GetFanOut(transfer.Job.Copy.Version, transfer.Job.Copy.Generation);

    public async Task<IReadOnlyList<PieceOrder>> TellAsync(SwarmReport report, CancellationToken cancellationToken)
    {
        var told = new FanOutReport(transfer.Job.Spec.Name, step.From, place.Region, place.Site, gives, report.Held.Pieces, report.Held.ToBytes(), report.Wanted,
            report.Arrived, report.Failed, report.Late, report.Lie?.Source, report.Lie?.Chunk ?? 0, report.IsLeaving, report.Filling?.ToBytes());
        try
        {
            return await tracker.TellAsync(told).WaitAsync(cancellationToken) is { } orders
                ? [.. orders.Select(o => new PieceOrder(o.Piece, o.Source, o.IsOrigin))]
                : throw new IOException("The tracker cuts the content otherwise.");
        }
        catch (Exception problem) when (problem is TimeoutException or Runtime.OrleansException)
        {
            throw new IOException($"The tracker of {version} does not answer: {problem.Message}", problem);
        }
    }

    public async Task<IContentReader> OpenAsync(PodName source, CancellationToken cancellationToken)
    {
        var pod = await grains.ReadPodAsync(source, cancellationToken);
        if (pod.Spec is null || pod.State == PodState.Disconnected || connectors.Get(pod.Spec) is not ConnectorResult<IPodConnector>.Done(var connector))
        {
            throw new IOException($"Pod {source} cannot be opened.");
        }

        var opened = await connector.OpenAsync(version, step.Content, cancellationToken);
        if (opened is not ConnectorResult<IContentReader>.Done)
        {
            opened = await connector.OpenStagedAsync(version, cancellationToken);
        }

        if (opened is not ConnectorResult<IContentReader>.Done(var reader))
        {
            throw new IOException(opened is ConnectorResult<IContentReader>.Failed(var fault) ? fault.ToString() : $"Pod {source} cannot open {version} yet.");
        }

        if (reader.Manifest.ComputeDigest() == step.Content.ManifestDigest)
        {
            return reader;
        }

        await reader.DisposeAsync();
        throw new IOException($"Pod {source} holds another content under the name {version}.");
    }

    public async ValueTask<int> AskAsync(PodName? from, int wanted, CancellationToken cancellationToken)
    {
        if (from is not { } pod)
        {
            return fromOrigin is null ? wanted : await fromOrigin(wanted, cancellationToken);
        }

        if (!throttles.TryGetValue(pod, out var throttle))
        {
            var spec = (await grains.ReadPodAsync(pod, cancellationToken)).Spec ?? throw new IOException($"Pod {pod} is not connected.");
            throttle = throttles.GetOrAdd(pod, _ => transfer.ThrottleBy(rates, spec));
        }

        return await throttle(wanted, cancellationToken);
    }

    public void Waits() => transfer.Moved();

    public void CameFromPeer(int bytes) => counters.CameFromPeer(bytes);
}
