namespace Orleans.ImageMgmt.Content;

/// <summary>Tells of each chunk: the observer, and whoever reads back behind the writer. One strand of a receive at a time.</summary>
internal sealed class StagedWatch(ContentManifest manifest, ITransferObserver observer, ReadBehind? behind, IDirectedReader? directed = null)
{
    private readonly Lock gate = new();

    public ITransferObserver Observer => observer;

    public void Requested(int chunk)
    {
        lock (gate)
        {
            observer.ChunkRequested(chunk);
        }
    }

    /// <summary>The chunk's last byte was handed to the file.</summary>
    public void Staged(int chunk)
    {
        lock (gate)
        {
            observer.ChunkStaged(chunk, manifest.LengthOf(chunk));
            behind?.Staged(chunk);
        }
    }

    /// <summary>The chunk was filled in from a copy of the pod itself.</summary>
    public void Filled(int chunk)
    {
        lock (gate)
        {
            behind?.Staged(chunk);
        }

        directed?.Filled(chunk);
    }
}
