namespace Orleans.ImageMgmt.Api;

/// <summary>A wait for a server with a limit, which starts again whenever the server is heard. Tells a server that is silent from a caller who stopped.</summary>
internal sealed class Patience : IDisposable
{
    private readonly CancellationToken caller;
    private readonly CancellationTokenSource late;
    private readonly CancellationTokenSource either;
    private TimeSpan limit;

    public Patience(TimeSpan limit, TimeProvider time, CancellationToken caller)
    {
        (this.limit, this.caller) = (limit, caller);
        late = new CancellationTokenSource(limit, time);
        either = CancellationTokenSource.CreateLinkedTokenSource(caller, late.Token);
    }

    /// <summary>Ends what is waited for when the caller stops or the limit is over.</summary>
    public CancellationToken Token => either.Token;

    /// <summary>The server was heard: the limit begins anew.</summary>
    public void Heard() => late.CancelAfter(limit);

    /// <summary>From now on the server may be silent for this long.</summary>
    public void Allow(TimeSpan silence)
    {
        limit = silence;
        Heard();
    }

    /// <exception cref="TimeoutException">The limit was over.</exception>
    /// <exception cref="OperationCanceledException">The caller stopped.</exception>
    public async Task<T> WaitAsync<T>(Task<T> work)
    {
        try
        {
            return await work;
        }
        catch (OperationCanceledException stopped) when (!caller.IsCancellationRequested)
        {
            // Either this limit, or one of the HTTP client that we were given.
            throw new TimeoutException(late.IsCancellationRequested ? $"No answer within {limit.TotalSeconds:0} s." : "No answer in time.", stopped);
        }
    }

    public void Dispose()
    {
        either.Dispose();
        late.Dispose();
    }
}
