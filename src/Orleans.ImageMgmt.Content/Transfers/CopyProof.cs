namespace Orleans.ImageMgmt.Content;

/// <summary>Which chunks of a file were read back right since their last write. Safe for concurrent use.</summary>
/// <remarks>Every write to a chunk gives it a new turn. Who wants to prove a chunk notes its turn after the write and before the flush, reads,
/// compares, and comes back with it; when the chunk was written again meanwhile, the turn is over and nothing is proved.</remarks>
internal sealed class ProofBook(ContentManifest manifest)
{
    private readonly Lock gate = new();
    private readonly int[] turns = new int[manifest.ChunkCount];
    private readonly bool[] proved = new bool[manifest.ChunkCount];

    public bool IsProved(int chunk)
    {
        lock (gate)
        {
            return proved[chunk];
        }
    }

    public int TurnOf(int chunk)
    {
        lock (gate)
        {
            return turns[chunk];
        }
    }

    /// <summary>The range is about to be written or cleared.</summary>
    public void Touch(long offset, long length)
    {
        if (length <= 0)
        {
            return;
        }

        lock (gate)
        {
            for (var chunk = (int)(offset / manifest.ChunkSize); chunk <= (offset + length - 1) / manifest.ChunkSize; chunk++)
            {
                turns[chunk]++;
                proved[chunk] = false;
            }
        }
    }

    /// <summary>The chunk has to be read back after all.</summary>
    public void Doubt(int chunk)
    {
        lock (gate)
        {
            proved[chunk] = false;
        }
    }

    public void Prove(int chunk, int turn)
    {
        lock (gate)
        {
            proved[chunk] = turns[chunk] == turn;
        }
    }
}

/// <summary>What this process has itself flushed and read back of one staging file, and the state in which it left the file.</summary>
/// <remarks>
/// <para>It is a fact about bytes that this process wrote, held in memory, for this process alone. It is never stored: after a crash, and
/// whenever the file is not in exactly the state it was left in, everything is read back again.</para>
/// <para>What makes it worth something: (1) a chunk is proved only when it was read past the page cache after an fdatasync that began after
/// its last write, and matched the manifest (with <see cref="ReadBackPolicy.Sampled"/>: or when it matched before it was written, that fdatasync has ended, and no chunk that was read back was wrong); (2) a later write through our hands takes the proof away; (3) a later write by anybody else
/// changes the inode's time of change, which no caller can set, and with it all proofs. For (3) the file has to have stood still for longer
/// than the kernel's clock ticks when its state is noted, or a write in the same tick would go unseen.</para>
/// <para>What it does not defend against is a stranger who writes to a staging file while it is being received: the state is noted at the
/// end. A staging folder belongs to the service, the version's lock keeps other silos out, and a chunk changed after its read-back could
/// be changed as well after the copy is final.</para>
/// </remarks>
public sealed class CopyProof
{
    /// <summary>Longer than any tick of a kernel's clock (10 ms at 100 Hz), after which a write shows in the time of change.</summary>
    internal static readonly TimeSpan StandStill = TimeSpan.FromMilliseconds(25);

    private readonly ProofBook book;
    private readonly ContentManifest manifest;
    private readonly FileIdentity state;

    internal CopyProof(ProofBook book, ContentManifest manifest, FileIdentity state, long bytesRead)
    {
        this.book = book;
        this.manifest = manifest;
        this.state = state;
        BytesRead = bytesRead;
    }

    /// <summary>Bytes that were read back and compared.</summary>
    public long BytesRead { get; }

    /// <summary>Chunks of data that need not be read back again.</summary>
    public int Chunks => Enumerable.Range(0, manifest.ChunkCount).Count(book.IsProved);

    /// <summary>The chunks that are still to be read back, or null when the proof says nothing about this file and manifest.</summary>
    internal IReadOnlyList<int>? Open(FileIdentity now, ContentManifest wanted) =>
        now == state && wanted.Encode().AsSpan().SequenceEqual(manifest.Encode())
            ? [.. Enumerable.Range(0, manifest.ChunkCount).Where(chunk => !book.IsProved(chunk))]
            : null;
}
