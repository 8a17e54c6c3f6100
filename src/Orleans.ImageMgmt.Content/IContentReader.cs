using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>Ranged reads of one sealed, finished copy. Safe for concurrent reads. Throws <see cref="IOException"/> when the far side fails.</summary>
public interface IContentReader : IAsyncDisposable
{
    ContentManifest Manifest { get; }

    /// <summary>Reads exactly <paramref name="buffer"/>.Length bytes at <paramref name="offset"/> of the guest-visible bytes.</summary>
    /// <exception cref="EndOfStreamException">The copy is shorter than its manifest says: it was cut under the reader.</exception>
    /// <exception cref="IOException">The far side failed.</exception>
    ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>The open raw file itself where the copy lies on this machine, else null. Lets local transfers skip a buffer.</summary>
    SafeFileHandle? LocalFile { get; }
}

/// <summary>A reader whose bytes come from several pods: each part is asked of the caps of the pod that gives it, instead of <see cref="ReceiveOptions.Throttle"/>.</summary>
internal interface IRatedReader : IContentReader
{
    /// <summary>Returns how many of the wanted bytes at the offset may travel now, at least one; waits until some may.</summary>
    ValueTask<int> AskAsync(long offset, int wanted, CancellationToken cancellationToken);
}

/// <summary>Hears how a transfer moves. Called from transfer threads; must not block.</summary>
public interface ITransferObserver
{
    /// <summary>Before the first byte: how much this attempt has to move, and how much was found staged, or on the pod itself, and hashed.</summary>
    void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded);

    /// <summary>A chunk was asked from the sending side.</summary>
    void ChunkRequested(int chunk);

    /// <summary>A chunk is in the staging file and needs never be asked for again.</summary>
    void ChunkStaged(int chunk, int length);

    /// <summary>So many bytes came from the sending side, as they travelled: packed where they were, with digests of blocks, whatever becomes of them.</summary>
    void Travelled(int bytes)
    {
    }

    /// <summary>Bytes were read back and hashed (finalising and verifying) or sealed (preparing), of a total. Before <see cref="Planned"/>: bytes
    /// that the pod holds are looked at.</summary>
    void Advanced(long bytes, long total);
}

/// <summary>An observer that also says when the next bytes of a read-back may be read.</summary>
public interface IPacedObserver : ITransferObserver
{
    /// <summary>Returns when that many bytes may be read. Called from transfer threads, which wait for it.</summary>
    ValueTask PaceAsync(int bytes, CancellationToken cancellationToken);
}

/// <summary>Nobody listens.</summary>
public sealed class SilentObserver : ITransferObserver
{
    public static SilentObserver Instance { get; } = new();

    public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded)
    {
    }

    public void ChunkRequested(int chunk)
    {
    }

    public void ChunkStaged(int chunk, int length)
    {
    }

    public void Advanced(long bytes, long total)
    {
    }
}
