using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>What a receiver hears of its transfer, and what it tells the tracker of it.</summary>
internal partial class SwarmReader
{
    public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded) => observer.Planned(chunksNeeded, chunksStaged, bytesNeeded);

    public void ChunkRequested(int chunk) => observer.ChunkRequested(chunk);

    public void Travelled(int bytes) => observer.Travelled(bytes);

    public void Advanced(long bytes, long total) => observer.Advanced(bytes, total);

    /// <summary>The chunk is verified and in the staging file: when its piece is whole, others may have it from here.</summary>
    public void ChunkStaged(int chunk, int length)
    {
        observer.ChunkStaged(chunk, length);
        bool isFromPeer;
        SwarmReport? whole;
        lock (gate)
        {
            isFromPeer = servedBy.Remove(chunk);
            var piece = map.PieceOf(chunk);
            if (taken.TryGetValue(piece, out var bringing) && bringing.Rest.Remove(chunk) && bringing.Rest.Count == 0)
            {
                taken.Remove(piece);
            }

            whole = missing.Remove(chunk) ? WholeBy(chunk) : null;
            if (bringing is not null && bringing.Rest.Count == bringing.AskAt && ready.IsEmpty && Unasked > 0)
            {
                _ = Asking(); // while the last chunks of this piece are on their way
            }
        }

        if (isFromPeer)
        {
            swarm.CameFromPeer(length);
        }

        if (whole is not null)
        {
            _ = TellAsync(whole);
        }
    }

    /// <summary>What to tell when this chunk made its piece whole; null when it did not.</summary>
    private SwarmReport? WholeBy(int chunk)
    {
        var piece = map.PieceOf(chunk);
        if (map.ChunksOf(piece).Any(missing.Contains))
        {
            return null;
        }

        held.Add(piece);
        var took = TimeSpan.Zero;
        if (sources.Remove(piece, out var source))
        {
            took = time.GetElapsedTime(source.Since);
            typical = typical == options.FirstTypical ? took : (typical * 0.7) + (took * 0.3);
            source.Dispose();
        }

        return new SwarmReport(Copy(held), 0) { Arrived = new Dictionary<int, double> { [piece] = took.TotalSeconds } };
    }
}
