using System.Runtime.ExceptionServices;

namespace Orleans.ImageMgmt.Content;

/// <summary>Fills in what the pod's own copies hold on a thread of its own, while the transfer's thread fetches the rest: the one waits for the disk, the other for a
/// link or for digests.</summary>
internal sealed class FillBeside : IDisposable
{
    private readonly CancellationTokenSource over;
    private readonly Task<bool> work;
    private ExceptionDispatchInfo? failure;

    public FillBeside(FetchSite site, StagedChunks plan, CancellationToken cancellationToken)
    {
        over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        work = plan.Beside.Count == 0 ? Task.FromResult(true) : PieceBuffers.RunAsync(() => Fill(site, plan), CancellationToken.None);
    }

    /// <summary>Fetches meanwhile. When either fails, the other is ended.</summary>
    /// <returns>What the fetch gives.</returns>
    public T While<T>(Func<CancellationToken, T> fetch)
    {
        try
        {
            var fetched = fetch(over.Token);
            work.Wait(CancellationToken.None);
            failure?.Throw();
            return fetched;
        }
        catch (OperationCanceledException) when (failure is not null)
        {
            failure.Throw();
            throw;
        }
    }

    public void Dispose()
    {
        over.Cancel();
        work.Wait(CancellationToken.None);
        over.Dispose();
    }

    private bool Fill(FetchSite site, StagedChunks plan)
    {
        try
        {
            plan.Own!.Fill(site.Staging, plan.Beside, site.Book, site.Watch.Filled, site.Watch.Observer, over.Token);
            site.Watch.FilledAll();
        }
        catch (Exception trouble)
        {
            // Whatever it is, it goes on from the transfer's own thread.
            failure = ExceptionDispatchInfo.Capture(trouble);
            over.Cancel();
        }

        return true;
    }
}
