namespace Orleans.ImageMgmt.Content;

/// <summary>Bounds reads per ticket and in all. A ticket that does not take what it asked for uses up its own places and no others.</summary>
internal sealed class ReadGate(BlockLimits limits, TimeProvider time) : IDisposable
{
    private readonly Lock gate = new();
    private readonly Dictionary<Guid, int> perTicket = [];
    private readonly SemaphoreSlim places = new(limits.ReadsAtOnce);
    private int waiting;

    /// <summary>Reads under way and waiting, with all tickets.</summary>
    public int Count
    {
        get
        {
            lock (gate)
            {
                return perTicket.Values.Sum();
            }
        }
    }

    /// <summary>A place, to be disposed when the last byte is sent, or why there is none.</summary>
    public async ValueTask<(IDisposable? Place, BlockRefusal? Refusal)> EnterAsync(Guid ticket, CancellationToken cancellationToken)
    {
        if (!TryCount(ticket))
        {
            return (null, BlockRefusal.TooManyReads);
        }

        var has = false;
        try
        {
            has = await WaitAsync(cancellationToken);
            return has ? (new Place(this, ticket), null) : (null, BlockRefusal.Busy);
        }
        finally
        {
            if (!has)
            {
                Uncount(ticket);
            }
        }
    }

    public void Dispose() => places.Dispose();

    private async Task<bool> WaitAsync(CancellationToken cancellationToken)
    {
        if (places.Wait(0, CancellationToken.None))
        {
            return true;
        }

        if (Interlocked.Increment(ref waiting) > limits.Waiting)
        {
            Interlocked.Decrement(ref waiting);
            return false;
        }

        using var enough = new CancellationTokenSource(limits.TurnWait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(enough.Token, cancellationToken);
        try
        {
            await places.WaitAsync(either.Token);
            return true;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }

    private bool TryCount(Guid ticket)
    {
        lock (gate)
        {
            var count = perTicket.GetValueOrDefault(ticket);
            if (count >= limits.ReadsPerTicket)
            {
                return false;
            }

            perTicket[ticket] = count + 1;
            return true;
        }
    }

    private void Uncount(Guid ticket)
    {
        lock (gate)
        {
            if (--perTicket[ticket] == 0)
            {
                perTicket.Remove(ticket);
            }
        }
    }

    private sealed class Place(ReadGate gate, Guid ticket) : IDisposable
    {
        private int left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref left, 1) == 0)
            {
                gate.places.Release();
                gate.Uncount(ticket);
            }
        }
    }
}
