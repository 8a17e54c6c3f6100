namespace Orleans.ImageMgmt.Content;

/// <summary>Tells of each chunk: the observer, and whoever reads back behind the writer.</summary>
internal readonly struct StagedWatch(ContentManifest manifest, ITransferObserver observer, ReadBehind? behind)
{
    public ITransferObserver Observer => observer;

    public void Requested(int chunk) => observer.ChunkRequested(chunk);

    /// <summary>The chunk's last byte was handed to the file.</summary>
    public void Staged(int chunk)
    {
        observer.ChunkStaged(chunk, manifest.LengthOf(chunk));
        behind?.Staged(chunk);
    }
}
