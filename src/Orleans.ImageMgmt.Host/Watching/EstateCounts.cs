using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>
/// How many things there are by state, and whether the service is ready: instruments are asked in a moment and cannot wait for a database, so this is looked up shortly before. Scrapes that
/// come close together share one look.
/// </summary>
internal sealed class EstateCounts(StatusReport report, Readiness readiness, TimeProvider time) : IDisposable
{
    /// <summary>How old a look may be.</summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    /// <summary>A database that does not answer within this is left out of the answer; what the silo itself knows is told all the same.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);

    private readonly SemaphoreSlim looking = new(1);
    private long? lookedAt;

    /// <summary>1 or 0; null before the first look.</summary>
    public int? IsReady { get; private set; }

    /// <summary>Counts by kind and word; empty when the store did not answer.</summary>
    public IReadOnlyDictionary<CatalogKind, IReadOnlyDictionary<string, long>> ByKind { get; private set; } = new Dictionary<CatalogKind, IReadOnlyDictionary<string, long>>();

    public async Task LookAsync(CancellationToken stop)
    {
        await looking.WaitAsync(stop);
        try
        {
            if (lookedAt is not { } at || time.GetElapsedTime(at) > Fresh)
            {
                IsReady = await readiness.WhyNotAsync(stop) is null ? 1 : 0;
                ByKind = await CountAsync(stop);
                lookedAt = time.GetTimestamp();
            }
        }
        finally
        {
            looking.Release();
        }
    }

    public void Dispose() => looking.Dispose();

    private async Task<IReadOnlyDictionary<CatalogKind, IReadOnlyDictionary<string, long>>> CountAsync(CancellationToken stop)
    {
        using var limit = new CancellationTokenSource(Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop);
        try
        {
            return new Dictionary<CatalogKind, IReadOnlyDictionary<string, long>>
            {
                [CatalogKind.Pod] = await report.CountAsync<Domain.PodState>(CatalogKind.Pod, either.Token),
                [CatalogKind.Image] = await report.CountAsync<Domain.ImageStatus>(CatalogKind.Image, either.Token),
                [CatalogKind.Version] = await report.CountAsync<Domain.VersionStatus>(CatalogKind.Version, either.Token),
                [CatalogKind.Copy] = await report.CountAsync<Domain.CopyState>(CatalogKind.Copy, either.Token),
                [CatalogKind.Operation] = await report.CountAsync<Domain.OperationState>(CatalogKind.Operation, either.Token),
            };
        }
        catch (Exception problem) when (problem is StoreException || (problem is OperationCanceledException && !stop.IsCancellationRequested))
        {
            return new Dictionary<CatalogKind, IReadOnlyDictionary<string, long>>();
        }
    }
}
