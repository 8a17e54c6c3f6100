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
        bool isWhole;
        lock (gate)
        {
            isFromPeer = servedBy.Remove(chunk);
            var piece = map.PieceOf(chunk);
            if (taken.TryGetValue(piece, out var bringing) && bringing.Rest.Remove(chunk) && bringing.Rest.Count == 0)
            {
                taken.Remove(piece);
            }

            isWhole = missing.Remove(chunk) && IsWholeBy(piece);
            if (bringing is not null && bringing.Rest.Count == bringing.AskAt && ready.IsEmpty && Unasked > 0)
            {
                _ = Asking(); // while the last chunks of this piece are on their way
            }
        }

        if (isFromPeer)
        {
            swarm.CameFromPeer(length);
        }

        if (isWhole)
        {
            _ = TellAsync(Report(0));
        }
    }

    /// <summary>When nothing of its piece is to be filled in any more, what is missing of it may be named.</summary>
    public void Filled(int chunk)
    {
        lock (gate)
        {
            var piece = map.PieceOf(chunk);
            if (own.Filled(chunk) && map.ChunksOf(piece).Any(missing.Contains))
            {
                own.Filling.Remove(piece);
                TellSoon();
            }
        }
    }

    /// <summary>What the pod's own copies gave counts as held when it was read back right.</summary>
    public void Proved(int chunk)
    {
        lock (gate)
        {
            if (own.Proved(chunk) && IsWholeBy(map.PieceOf(chunk)))
            {
                TellSoon();
            }
        }
    }

    /// <summary>Whether the piece is whole by what has just been done; then it is held.</summary>
    private bool IsWholeBy(int piece)
    {
        if (map.ChunksOf(piece).Any(missing.Contains))
        {
            return false;
        }

        if (sources.Remove(piece, out var source))
        {
            // Its source is done, however long the rest of it has to wait for the pod's own disk: the tracker has to hear that, for what is read back may wait for what others send.
            var took = time.GetElapsedTime(source.Since);
            typical = typical == options.FirstTypical ? took : (typical * 0.7) + (took * 0.3);
            came[piece] = took.TotalSeconds;
            source.Dispose();
        }

        if (!own.IsProved(piece) && own.Filling.Add(piece))
        {
            TellSoon();
        }

        if (!own.IsProved(piece) || !held.Add(piece))
        {
            return false;
        }

        own.Filling.Remove(piece);
        if (came.Remove(piece, out var seconds))
        {
            arrived[piece] = seconds;
        }

        return true;
    }
}
