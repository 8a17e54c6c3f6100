using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>
/// Reads back what a receive has written while it writes on: chunks are gathered into a batch, the batch is made durable, and its chunks are
/// read past the page cache and compared. The receive waits when two batches are ahead of the disk.
/// </summary>
/// <remarks>A chunk that reads back wrong, or cannot be read, stays unproved: the read-back that follows finds it again and says so. A flush that fails
/// ends the receive, for the system reports lost writes only once.</remarks>
internal sealed class ReadBehind : IDisposable
{
    /// <summary>Bytes of one batch: each costs a flush, and what is written of the next one meanwhile hides it.</summary>
    private const long BatchLength = 64L << 20;

    /// <summary>Threads that read and hash; the disk is kept busy by one while the other hashes.</summary>
    private const int Readers = 2;

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

    /// <param name="file">Open for reading and flushing.</param>
    /// <param name="manifest">What has to be there.</param>
    /// <param name="book">Learns what is right.</param>
    /// <param name="notes">Learns the digests of blocks.</param>
    /// <param name="proved">Hears of each chunk that is right, from several threads.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public ReadBehind(SafeFileHandle file, ContentManifest manifest, ProofBook book, BlockTable? notes, Action<int>? proved, CancellationToken cancellationToken)
    {
        this.proved = proved;
        this.file = file;
        this.manifest = manifest;
        this.book = book;
        direct = DirectFile.ForReading(file);
        check = new ChunkCheck(file, direct, manifest, notes);
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        stretches = new BlockingCollection<Written[]>((int)Math.Max(1, BatchLength / ((long)check.ChunksPerRead * manifest.ChunkSize)));
    }

    /// <summary>Bytes read back and compared so far.</summary>
    public long BytesRead => Interlocked.Read(ref bytesRead);

    /// <summary>A chunk has its last byte in the file. Called by one thread at a time.</summary>
    public void Staged(int chunk)
    {
        batch.Add(new Written(chunk, book.TurnOf(chunk)));
        batchBytes += manifest.LengthOf(chunk);
        if (batchBytes >= BatchLength)
        {
            Submit();
        }
    }

    /// <summary>Nothing more comes: waits until all is read back.</summary>
    public void Finish()
    {
        if (batch.Count > 0)
        {
            Submit();
        }

        batches.CompleteAdding();
        Task.WaitAll(threads);
        if (failure is { } trouble)
        {
            ExceptionDispatchInfo.Throw(trouble);
        }

        stop.Token.ThrowIfCancellationRequested();
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
                foreach (var stretch in written.Chunk(check.ChunksPerRead))
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
            blind = true;
            return;
        }

        for (var i = 0; i < stretch.Length; i++)
        {
            if (right[i])
            {
                book.Prove(stretch[i].Chunk, stretch[i].Turn);
                proved?.Invoke(stretch[i].Chunk);
            }
        }
    }

    /// <summary>A chunk and the turn that its last write gave it.</summary>
    private readonly record struct Written(int Chunk, int Turn);
}
