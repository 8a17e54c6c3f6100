using System.Collections.Concurrent;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Opens the one content of a call wherever it lies, each pod once: a ticket is asked when the first byte is wanted, and again before it ends.</summary>
internal sealed class SiteSources(SiteLineEnd line, ContentDescription content, ContentManifest manifest, HttpMessageInvoker http, BlockCallOptions calls, TimeProvider time)
{
    private readonly ConcurrentDictionary<PodName, IContentReader> readers = new();

    /// <exception cref="IOException">Nobody gives it there.</exception>
    public async Task<IContentReader> OpenAsync(PodName pod, CancellationToken cancellationToken)
    {
        if (readers.TryGetValue(pod, out var known))
        {
            return known;
        }

        var first = await AskAsync(pod, cancellationToken);
        IssuedTicket? unused = first.Ticket;
        var source = new BlockSource(
            first.Server, content.ManifestDigest,
            async stop => Interlocked.Exchange(ref unused, null) ?? (await AskAsync(pod, stop)).Ticket);
        return readers.GetOrAdd(pod, HttpContentReader.Knowing(manifest, source, http, calls, time));
    }

    private async Task<BlockGrant> AskAsync(PodName pod, CancellationToken cancellationToken)
    {
        var answer = await line.AskAsync(id => new SiteMessage.Question(id) { Ticket = pod }, cancellationToken);
        return answer is { Server: { } server, Ticket: { } text, ExpiresAt: { } end }
            ? new BlockGrant(server, new IssuedTicket(text, end))
            : throw new IOException($"The service gives no ticket for pod {pod}.");
    }
}

/// <summary>The tracker of the fan-out, through the line to the service.</summary>
internal sealed class SiteSwarm(SiteLineEnd line, SiteSources sources) : ISwarm
{
    public async Task<IReadOnlyList<PieceOrder>> TellAsync(SwarmReport report, CancellationToken cancellationToken)
    {
        var told = new SiteReport(report.Held.Pieces, report.Held.ToBytes(), report.Wanted)
        {
            Arrived = report.Arrived.Count > 0 ? report.Arrived : null,
            Failed = report.Failed.Count > 0 ? report.Failed : null,
            Late = report.Late.Count > 0 ? report.Late : null,
            Liar = report.Lie?.Source,
            LieChunk = report.Lie?.Chunk ?? 0,
            IsLeaving = report.IsLeaving,
            Filling = report.Filling?.ToBytes(),
        };
        var answer = await line.AskAsync(id => new SiteMessage.Question(id) { Tell = told }, cancellationToken);
        return [.. (answer.Orders ?? []).Select(order => new PieceOrder(order.Piece, order.Source, order.IsOrigin))];
    }

    public Task<IContentReader> OpenAsync(PodName source, CancellationToken cancellationToken) => sources.OpenAsync(source, cancellationToken);

    public ValueTask<int> AskAsync(PodName? from, int wanted, CancellationToken cancellationToken) => line.ThrottleAsync(from, wanted, cancellationToken);

    public void Waits() => line.Waits();

    public void CameFromPeer(int bytes) => line.CameFromPeer(bytes);
}
