using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>How many operations are unfinished in the whole service: beyond a number no new one is begun. Counted in the catalog, at most once a second, and between two
/// counts by what this process begins; so in a cluster the number may be passed by what other silos begin within that second.</summary>
internal sealed class OpenOperations(CatalogReader catalog, HttpOptions http, TimeProvider time)
{
    private static readonly TimeSpan CountEvery = TimeSpan.FromSeconds(1);

    private static readonly string[] ended = [.. Enum.GetValues<OperationState>().Where(state => state.IsEnded()).Select(state => state.ToString())];

    private readonly Lock gate = new();
    private Task<long>? counting;
    private long countedAt;
    private long begunSince;

    /// <summary>Null when one more may be begun, and counts it; else why not.</summary>
    public async Task<Refusal?> RefusalAsync(CancellationToken stop)
    {
        Task<long> count;
        lock (gate)
        {
            if (counting is null || time.GetElapsedTime(countedAt) >= CountEvery)
            {
                (counting, countedAt, begunSince) = (CountAsync(), time.GetTimestamp(), 0);
            }

            (count, begunSince) = (counting, begunSince + 1);
        }

        if (await count.WaitAsync(stop) + Interlocked.Read(ref begunSince) <= http.UnfinishedOperations)
        {
            return null;
        }

        NotBegun();
        return new Refusal("limit.operations", $"{http.UnfinishedOperations} operations are unfinished.", "Wait until some have ended, or cancel those that nobody needs.");
    }

    /// <summary>The one that was counted was refused by somebody else.</summary>
    public void NotBegun() => Interlocked.Decrement(ref begunSince);

    /// <summary>Shared by all who ask in the meantime: nobody's cancellation ends it.</summary>
    private async Task<long> CountAsync() =>
        (await catalog.CountByStatusAsync(CatalogKind.Operation, CancellationToken.None)).Where(count => !ended.Contains(count.Key)).Sum(count => count.Value);
}
