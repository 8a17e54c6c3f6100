using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Formats;

namespace Orleans.ImageMgmt.Content;

/// <summary>What a staging file already holds, found out from its bytes.</summary>
internal sealed class StagedChunks
{
    private StagedChunks()
    {
    }

    /// <summary>Chunks of data without a staged byte.</summary>
    public List<int> Fresh { get; } = [];

    /// <summary>Chunks of data with staged bytes that are not (all of) the right ones: cut in the middle, or damaged.</summary>
    public List<int> Tainted { get; } = [];

    /// <summary>Chunks of data that the pod's own copies hold and that are to be filled in while others are fetched; counted as taken until they show themselves wrong.</summary>
    public IReadOnlyList<int> Beside { get; private set; } = [];

    /// <summary>What fills these in; null where there are none.</summary>
    public OwnChunks? Own { get; private set; }

    /// <summary>Chunks of data that are staged and right.</summary>
    public int Kept { get; private set; }

    public long BytesKept { get; private set; }

    /// <summary>Chunks of data that were taken from the pod's own copies and are right.</summary>
    public int Reused { get; private set; }

    public long BytesReused { get; private set; }

    public long BytesNeeded { get; private set; }

    /// <summary>Bytes that were read to find out.</summary>
    public long BytesRead { get; private set; }

    /// <summary>Sizes the file, fills in what the pod's own copies hold (or says what they do), makes durable what is in it, and hashes every chunk of it that has
    /// bytes. Costs nothing for a new file on a pod without copies.</summary>
    /// <param name="book">Learns which chunks are right: they were read past the cache, after a flush.</param>
    /// <param name="notes">Learns the digests of blocks.</param>
    /// <param name="own">Copies on the same pod.</param>
    /// <param name="isBeside">What these hold is filled in later, while others are fetched.</param>
    /// <param name="observer">Hears how far it is, for the bytes may be many.</param>
    public static StagedChunks Examine(
        SafeFileHandle staging, ContentManifest manifest, ProofBook book, BlockTable? notes, IReadOnlyList<OwnCopy> own, bool isBeside, ITransferObserver observer,
        CancellationToken cancellationToken)
    {
        var found = RandomAccess.GetLength(staging);
        if (found != manifest.Length)
        {
            RandomAccess.SetLength(staging, manifest.Length);
        }

        var plan = new StagedChunks();
        // A file system that cannot show holes calls all of a new file data; that it was empty is known without it.
        var filled = found == 0 ? [] : Filled(staging, manifest, cancellationToken);
        if (filled.Count > 0)
        {
            plan.ReadBack(staging, manifest, book, notes, filled, observer, cancellationToken);
        }

        var taken = new HashSet<int>();
        if (own.Count > 0)
        {
            var before = filled.ToHashSet();
            var empty = Enumerable.Range(0, manifest.ChunkCount).Where(chunk => !manifest.IsZero(chunk) && !before.Contains(chunk)).ToList();
            plan.Own = new OwnChunks(manifest, own);
            var held = plan.Own.Locate(empty);
            if (isBeside)
            {
                plan.Beside = held;
            }
            else if (held.Count > 0)
            {
                taken = plan.Take(staging, manifest, book, notes, held, observer, cancellationToken);
                filled = [.. filled.Concat(taken).Order()];
            }
        }

        plan.Sort(staging, manifest, book, filled, taken);
        return plan;
    }

    /// <summary>What was filled in beside and did not read back right has to be fetched: now that is all there is to do.</summary>
    /// <param name="wrong">Some of <see cref="Beside"/>.</param>
    public void Refuse(ContentManifest manifest, IReadOnlyList<int> wrong)
    {
        Beside = [];
        Fresh.Clear();
        Tainted.Clear();
        Tainted.AddRange(wrong);
        BytesNeeded = wrong.Sum(chunk => (long)manifest.LengthOf(chunk));
        Reused -= wrong.Count;
        BytesReused -= BytesNeeded;
    }

    private void ReadBack(
        SafeFileHandle staging, ContentManifest manifest, ProofBook book, BlockTable? notes, IReadOnlyList<int> chunks, ITransferObserver observer, CancellationToken cancellationToken)
    {
        SparseFile.Flush(staging);
        SparseFile.DropCache(staging);
        using var direct = DirectFile.ForReading(staging);
        var pass = new VerifyPass(staging, direct, manifest, chunks, new VerifyOptions(), observer, book, notes: notes);
        pass.RunAsync(cancellationToken).GetAwaiter().GetResult();
        BytesRead += pass.Result().BytesRead;
    }

    /// <summary>Fills in what own copies hold, and reads it back behind the writing; on a share afterwards, as whatever is read back there.</summary>
    private HashSet<int> Take(
        SafeFileHandle staging, ContentManifest manifest, ProofBook book, BlockTable? notes, List<int> held, ITransferObserver observer, CancellationToken cancellationToken)
    {
        if (SparseFile.IsShare(staging))
        {
            Own!.Fill(staging, held, book, _ => { }, observer, cancellationToken);
            ReadBack(staging, manifest, book, notes, held, observer, cancellationToken);
            return [.. held];
        }

        using var behind = new ReadBehind(staging, manifest, book, ReadBackPolicy.Each, notes, null, cancellationToken);
        Own!.Fill(staging, held, book, chunk => behind.Staged(chunk, isHashed: false), observer, cancellationToken);
        behind.Finish();
        BytesRead += behind.BytesRead;
        return [.. held];
    }

    /// <summary>Chunks in which any byte is allocated.</summary>
    private static List<int> Filled(SafeFileHandle staging, ContentManifest manifest, CancellationToken cancellationToken)
    {
        var filled = new List<int>();
        for (var data = SparseFile.NextData(staging, 0); data is { } range && range.Offset < manifest.Length; data = SparseFile.NextData(staging, range.End))
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (var chunk = (int)(range.Offset / manifest.ChunkSize); chunk < manifest.ChunkCount && manifest.OffsetOf(chunk) < range.End; chunk++)
            {
                if (filled.Count == 0 || filled[^1] < chunk)
                {
                    filled.Add(chunk);
                }
            }
        }

        return filled;
    }

    private void Sort(SafeFileHandle staging, ContentManifest manifest, ProofBook book, List<int> filled, HashSet<int> taken)
    {
        using var writer = new StagingWriter(staging, long.MaxValue, book);
        var beside = Beside.ToHashSet();
        var at = 0;
        for (var chunk = 0; chunk < manifest.ChunkCount; chunk++)
        {
            var length = manifest.LengthOf(chunk);
            var empty = at == filled.Count || filled[at] != chunk;
            at += empty ? 0 : 1;
            if (manifest.IsZero(chunk))
            {
                if (!empty && !book.IsProved(chunk))
                {
                    writer.Clear(manifest.OffsetOf(chunk), length);
                }
            }
            else if (beside.Contains(chunk) || (!empty && book.IsProved(chunk) && taken.Contains(chunk)))
            {
                Reused++;
                BytesReused += length;
            }
            else if (!empty && book.IsProved(chunk))
            {
                Kept++;
                BytesKept += length;
            }
            else
            {
                (empty ? Fresh : Tainted).Add(chunk);
                BytesNeeded += length;
            }
        }
    }
}
