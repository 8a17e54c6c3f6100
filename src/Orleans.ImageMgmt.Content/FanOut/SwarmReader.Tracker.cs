using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>What a receiver asks of the tracker and tells it.</summary>
internal partial class SwarmReader
{
    /// <summary>The question for more pieces that is under way, for all strands. Called inside the gate.</summary>
    private Task Asking()
    {
        if (asking is not { IsCompleted: false })
        {
            asking = AskAsync(over.Token);
        }

        return asking;
    }

    /// <summary>Asks until a piece is ready.</summary>
    private async Task AskAsync(CancellationToken cancellationToken)
    {
        await Task.Yield(); // whoever asks holds the gate
        if (!isKnown)
        {
            isKnown = true;
            await TellAsync(Report(0) with { IsLeaving = true }); // an earlier try may have died with pieces promised to it, and hold places at their sources
        }

        var heard = time.GetTimestamp();
        while (ready.IsEmpty && IsAnyLeft())
        {
            try
            {
                var orders = await swarm.TellAsync(Report(Wanted()), cancellationToken);
                heard = time.GetTimestamp();
                swarm.Waits();
                foreach (var order in orders.Where(Take))
                {
                    ready.Enqueue(order.Piece);
                }

                if (ready.IsEmpty)
                {
                    await Task.Delay(AskAgain, time, cancellationToken); // a tracker that has nothing holds its answer back by itself
                }
            }
            catch (IOException)
            {
                if (time.GetElapsedTime(heard) >= options.TrackerPatience)
                {
                    Any();
                    return;
                }

                await Task.Delay(options.TrackerRetry, time, cancellationToken);
            }
        }
    }

    /// <summary>As many pieces as there are strands that bring none, or the last of one.</summary>
    private int Wanted()
    {
        lock (gate)
        {
            return Math.Max(1, PiecesAtOnce - taken.Values.Count(piece => piece.Rest.Count > piece.AskAt));
        }
    }

    /// <summary>There is a piece that nobody brings yet.</summary>
    private bool IsAnyLeft()
    {
        lock (gate)
        {
            return Unasked > 0;
        }
    }

    /// <summary>True for a piece that was not on its way; for one that was, its source is another one from now on.</summary>
    private bool Take(PieceOrder order)
    {
        PieceSource? before;
        lock (gate)
        {
            if (order.Piece < 0 || order.Piece >= map.Pieces || held.Has(order.Piece))
            {
                return false;
            }

            sources.Remove(order.Piece, out before);
            sources[order.Piece] = new PieceSource(order, time.GetTimestamp(), order.IsOrigin ? null : stop => swarm.OpenAsync(order.Source, stop));
        }

        before?.Dispose();
        return before is null;
    }

    /// <summary>Without a tracker the source pod gives what nobody gives.</summary>
    private void Any()
    {
        lock (gate)
        {
            if (missing.Select(map.PieceOf).Where(piece => !taken.ContainsKey(piece)).OrderBy(sources.ContainsKey).Cast<int?>().FirstOrDefault() is { } left)
            {
                ready.Enqueue(left);
            }
        }
    }

    private void LookForLate()
    {
        Dictionary<int, double> late = [];
        lock (gate)
        {
            foreach (var source in sources.Values.Where(s => !s.IsOrigin && s.IsLate(time, typical * options.LateAfter)))
            {
                late[source.Piece] = time.GetElapsedTime(source.Since).TotalSeconds;
            }
        }

        if (late.Count > 0)
        {
            _ = TellAsync(Report(0) with { Late = late });
        }
    }

    /// <summary>Tells, and takes over what is answered. That the tracker does not hear is no reason to stop: it is told again with the next report.</summary>
    private async Task TellAsync(SwarmReport report)
    {
        try
        {
            foreach (var order in (await swarm.TellAsync(report, over.Token)).Where(Take))
            {
                ready.Enqueue(order.Piece);
            }
        }
        catch (Exception trouble) when (trouble is IOException or OperationCanceledException)
        {
            // What is held is in every report; what was lost besides costs a slot until the tracker misses it.
        }
    }

    /// <summary>How things stand, to be told.</summary>
    private SwarmReport Report(int wanted)
    {
        lock (gate)
        {
            var report = new SwarmReport(Copy(held), wanted) { Arrived = new Dictionary<int, double>(arrived), Filling = own.Filling is { Count: > 0 } filling ? Copy(filling) : null };
            arrived.Clear();
            return report;
        }
    }

    /// <summary>Tells one word at a time, however fast the disk is; nothing before the tracker was asked. Called inside the gate.</summary>
    private void TellSoon()
    {
        isDue = isKnown;
        if (isDue && !isTelling)
        {
            isTelling = true;
            _ = TellDueAsync();
        }
    }

    private async Task TellDueAsync()
    {
        await Task.Yield(); // whoever asks holds the gate
        while (IsDue())
        {
            await TellAsync(Report(0));
        }
    }

    private bool IsDue()
    {
        lock (gate)
        {
            isTelling = isDue;
            isDue = false;
            return isTelling;
        }
    }

    private static PieceSet Copy(PieceSet set) => PieceSet.TryFrom(set.ToBytes(), set.Pieces)!;
}
