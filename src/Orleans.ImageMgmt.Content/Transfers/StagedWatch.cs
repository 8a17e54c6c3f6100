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

    /// <summary>The chunk's last byte was handed to the file.</summary>
    /// <param name="chunk">Which.</param>
    /// <param name="isHashed">All of it was written, and its digest was found right before: that counts where <see cref="IsSampled"/> says so.</param>
    public void Staged(int chunk, bool isHashed)
    {
        lock (gate)
        {
            observer.ChunkStaged(chunk, manifest.LengthOf(chunk));
            behind?.Staged(chunk, isHashed);
        }
    }

    /// <summary>All that the pod's own copies give was filled in: what it is worth is to be known now, for in a fan-out others wait for it.</summary>
    public void FilledAll()
    {
        lock (gate)
        {
            behind?.Push();
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
