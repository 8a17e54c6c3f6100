namespace Orleans.ImageMgmt.Content;

/// <summary>Tells of each chunk: the observer, and whoever reads back behind the writer. One strand of a receive at a time.</summary>
internal sealed class StagedWatch(ContentManifest manifest, ITransferObserver observer, ReadBehind? behind, IDirectedReader? directed = null)
{
    private readonly Lock gate = new();

    public ITransferObserver Observer => observer;

    /// <summary>Not all of it is read back: every chunk has to be hashed before it is written.</summary>
    public bool IsSampled => behind?.Policy == ReadBackPolicy.Sampled;

    public void Requested(int chunk)
    {
        lock (gate)
        {
            observer.ChunkRequested(chunk);
        }
    }

    /// <summary>The chunk's last byte was handed to the file. Where <see cref="IsSampled"/> says so, its digest was found right before.</summary>
    public void Staged(int chunk)
    {
        lock (gate)
        {
            observer.ChunkStaged(chunk, manifest.LengthOf(chunk));
            behind?.Staged(chunk, isHashed: true);
        }
    }

    /// <summary>The chunk was filled in from a copy of the pod itself.</summary>
    public void Filled(int chunk)
    {
        lock (gate)
        {
            behind?.Staged(chunk, isHashed: false);
        }

        directed?.Filled(chunk);
    }
}
