using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>
/// Reads back what a receive has written while it writes on: chunks are gathered into a batch, the batch is made durable, and its chunks (or a sample of
/// them) are read past the page cache and compared. The receive waits when two batches are ahead of the disk.
/// </summary>
/// <remarks>A chunk that reads back wrong, or cannot be read, stays unproved: the read-back that follows finds it again and says so. A flush that fails
/// ends the receive, for the system reports lost writes only once.</remarks>
internal sealed class ReadBehind : IDisposable
{
    /// <summary>Bytes of one batch: each costs a flush, and what is written of the next one meanwhile hides it.</summary>
    private const long BatchLength = 64L << 20;

    /// <summary>Threads that read and hash; the disk is kept busy by one while the other hashes.</summary>
    private const int Readers = 2;

    /// <summary>With <see cref="ReadBackPolicy.Sampled"/> one chunk of so many that follow each other is read back, drawn anew for each copy.</summary>
    public const int SampleEvery = 16;

    private readonly SafeFileHandle file;
    private readonly ContentManifest manifest;
    private readonly ProofBook book;
    private readonly DirectFile direct;
    private readonly ChunkCheck check;
    private readonly CancellationTokenSource stop;
    private readonly Action<int>? proved;
    private readonly BlockingCollection<List<Written>> batches = new(1);
    private readonly BlockingCollection<Written[]> stretches;
    private readonly List<Task> threads = [];
    private List<Written> batch = [];
    private long batchBytes;
    private long bytesRead;
    private volatile Exception? failure;
    private volatile bool blind;

    /// <summary>What was read back was wrong, or could not be read: then nobody's word is taken.</summary>
    private volatile bool isDoubtful;

    /// <summary>Chunks whose digests were believed without reading them back.</summary>
    private readonly List<int> passed = [];

    /// <param name="file">Open for reading and flushing.</param>
    /// <param name="manifest">What has to be there.</param>
    /// <param name="book">Learns what is right.</param>
    /// <param name="policy">How much is read back.</param>
    /// <param name="notes">Learns the digests of blocks that are read back.</param>
    /// <param name="proved">Hears of each chunk that was read back right, from several threads.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public ReadBehind(
        SafeFileHandle file, ContentManifest manifest, ProofBook book, ReadBackPolicy policy, BlockTable? notes, Action<int>? proved, CancellationToken cancellationToken)
    {
        Policy = policy;
        this.proved = proved;
        this.file = file;
        this.manifest = manifest;
        this.book = book;
        direct = DirectFile.ForReading(file);
        check = new ChunkCheck(file, direct, manifest, notes);
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        stretches = new BlockingCollection<Written[]>((int)Math.Max(1, BatchLength / ((long)check.ChunksPerRead * manifest.ChunkSize)));
    }

    public ReadBackPolicy Policy { get; }

    /// <summary>Bytes read back and compared so far.</summary>
    public long BytesRead => Interlocked.Read(ref bytesRead);

    /// <summary>A chunk has its last byte in the file. Called by one thread at a time.</summary>
    /// <param name="chunk">Which.</param>
    /// <param name="isHashed">Its digest was found right before it was written.</param>
    public void Staged(int chunk, bool isHashed)
    {
        batch.Add(new Written(chunk, book.TurnOf(chunk), isHashed));
        batchBytes += manifest.LengthOf(chunk);
        if (batchBytes >= BatchLength)
        {
            Submit();
        }
    }

    /// <summary>What was written so far is to be read back without waiting for more. Called by the one thread at a time that calls <see cref="Staged"/>.</summary>
    public void Push()
    {
        if (batch.Count > 0)
        {
            Submit();
        }
    }

    /// <summary>Nothing more comes: waits until all is read back.</summary>
    public void Finish()
    {
        Push();
        batches.CompleteAdding();
        Task.WaitAll(threads);
        if (failure is { } trouble)
        {
            ExceptionDispatchInfo.Throw(trouble);
        }

        stop.Token.ThrowIfCancellationRequested();
        if (isDoubtful)
        {
            passed.ForEach(book.Doubt);
        }
    }

    public void Dispose()
    {
        stop.Cancel();
        Task.WaitAll(threads);
        stop.Dispose();
        batches.Dispose();
        stretches.Dispose();
        direct.Dispose();
    }

    private void Submit()
    {
        if (threads.Count == 0)
        {
            threads.Add(PieceBuffers.RunAsync(Flush, CancellationToken.None));
            for (var i = 0; i < Readers; i++)
            {
                threads.Add(PieceBuffers.RunAsync(Read, CancellationToken.None));
            }
        }

        // Chunks that were damaged are written before those that were missing: in the order of the file, what is dropped from the cache is one range.
        batch.Sort(static (one, other) => one.Chunk.CompareTo(other.Chunk));
        try
        {
            batches.Add(batch, stop.Token);
        }
        catch (OperationCanceledException) when (failure is not null)
        {
            ExceptionDispatchInfo.Throw(failure);
        }

        batch = [];
        batchBytes = 0;
    }

    private bool Flush()
    {
        try
        {
            foreach (var written in batches.GetConsumingEnumerable(stop.Token))
            {
                SparseFile.Flush(file);
                foreach (var stretch in (Policy == ReadBackPolicy.Each ? written : Sample(written)).Chunk(check.ChunksPerRead))
                {
                    stretches.Add(stretch, stop.Token);
                }
            }
        }
        catch (Exception trouble)
        {
            return Fail(trouble);
        }
        finally
        {
            stretches.CompleteAdding();
        }

        return true;
    }

    /// <summary>Takes the word of their digests for most chunks, now that they are on the disk.</summary>
    /// <returns>The others: they are to be read back.</returns>
    private List<Written> Sample(List<Written> written)
    {
        var sample = new List<Written>();
        foreach (var row in written.Chunk(SampleEvery))
        {
            var drawn = RandomNumberGenerator.GetInt32(row.Length);
            for (var i = 0; i < row.Length; i++)
            {
                if (i == drawn || isDoubtful || !row[i].IsHashed)
                {
                    sample.Add(row[i]);
                    continue;
                }

                passed.Add(row[i].Chunk);
                book.Prove(row[i].Chunk, row[i].Turn);
            }
        }

        return sample;
    }

    private bool Read()
    {
        var buffer = DiskBuffers.Rent();
        try
        {
            foreach (var stretch in stretches.GetConsumingEnumerable(stop.Token))
            {
                if (!blind)
                {
                    Prove(stretch, buffer);
                }
            }
        }
        catch (Exception trouble)
        {
            return Fail(trouble);
        }
        finally
        {
            DiskBuffers.Return(buffer);
        }

        return true;
    }

    private bool Fail(Exception trouble)
    {
        if (trouble is not OperationCanceledException)
        {
            failure = trouble;
            stop.Cancel();
        }

        return false;
    }

    private void Prove(Written[] stretch, DiskBuffer buffer)
    {
        Span<bool> right = stackalloc bool[stretch.Length];
        try
        {
            // Where the read has to go through the cache, it must not find there what the write left: the pages are clean since the flush.
            var start = manifest.OffsetOf(stretch[0].Chunk);
            SparseFile.DropCache(file, start, manifest.OffsetOf(stretch[^1].Chunk) + manifest.LengthOf(stretch[^1].Chunk) - start);
            Interlocked.Add(ref bytesRead, check.Judge([.. stretch.Select(written => written.Chunk)], buffer, right, stop.Token));
        }
        catch (IOException)
        {
            (blind, isDoubtful) = (true, true);
            return;
        }

        for (var i = 0; i < stretch.Length; i++)
        {
            if (right[i])
            {
                book.Prove(stretch[i].Chunk, stretch[i].Turn);
                proved?.Invoke(stretch[i].Chunk);
            }
            else
            {
                isDoubtful = true;
            }
        }
    }

    /// <summary>A chunk and the turn that its last write gave it.</summary>
    private readonly record struct Written(int Chunk, int Turn, bool IsHashed);
}
