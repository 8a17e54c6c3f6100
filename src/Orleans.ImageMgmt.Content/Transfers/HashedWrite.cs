using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Orleans.ImageMgmt.Content;

/// <summary>Hashes chunks that a local copy has read, and writes those that are right, on threads beside the one that reads.</summary>
internal sealed class HashedWrite : IDisposable
{
    /// <summary>Threads of one transfer: while one waits for the disk the other hashes.</summary>
    private const int Writers = 2;

    private readonly FetchSite site;
    private readonly ContentManifest manifest;
    private readonly CancellationTokenSource stop;
    private readonly BlockingCollection<(DiskBuffer Buffer, int First, int Last)> queue = new(Writers);
    private readonly Task<bool>[] threads;
    private readonly ConcurrentBag<int> wrong = [];
    private volatile Exception? failure;

    public HashedWrite(FetchSite site, CancellationToken cancellationToken)
    {
        (this.site, manifest) = (site, site.Source.Manifest);
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        threads = [.. Enumerable.Range(0, Writers).Select(_ => PieceBuffers.RunAsync(Work, CancellationToken.None))];
        site.Guard.Beside(Task.WhenAll(threads));
    }

    /// <summary>Takes chunks that follow each other, from the buffer's first byte on; the buffer goes back to the pool when they are written.</summary>
    public void Add(DiskBuffer buffer, int first, int last)
    {
        try
        {
            queue.Add((buffer, first, last), stop.Token);
        }
        catch (OperationCanceledException) when (failure is { } trouble)
        {
            ExceptionDispatchInfo.Throw(trouble);
        }
    }

    /// <summary>Nothing more comes: waits until all is written.</summary>
    /// <returns>Chunks that were read and are not the manifest's, rising; they are not written.</returns>
    /// <exception cref="IOException">The staging file cannot be written.</exception>
    public IReadOnlyList<int> Finish()
    {
        queue.CompleteAdding();
        Task.WaitAll(threads);
        if (failure is { } trouble)
        {
            ExceptionDispatchInfo.Throw(trouble);
        }

        stop.Token.ThrowIfCancellationRequested();
        return [.. wrong.Order()];
    }

    public void Dispose()
    {
        stop.Cancel();
        Task.WaitAll(threads);
        stop.Dispose();
        queue.Dispose();
    }

    private bool Work()
    {
        try
        {
            using var writer = new StagingWriter(site.Staging, site.Options.WriteBackBytes, site.Book);
            foreach (var (buffer, first, last) in queue.GetConsumingEnumerable(stop.Token))
            {
                Write(writer, buffer, first, last);
                DiskBuffers.Return(buffer);
            }

            writer.Finish();
            return true;
        }
        catch (Exception trouble)
        {
            // Whatever it is, it goes on from the transfer's own thread.
            if (trouble is not OperationCanceledException)
            {
                failure = trouble;
            }

            stop.Cancel();
            return false;
        }
    }

    private void Write(StagingWriter writer, DiskBuffer buffer, int first, int last)
    {
        var start = manifest.OffsetOf(first);
        for (var chunk = first; chunk <= last;)
        {
            var right = chunk;
            while (right <= last && ChunkCheck.IsRight(manifest, right, BytesOf(right, right), stop.Token))
            {
                right++;
            }

            if (right > chunk)
            {
                writer.Write(BytesOf(chunk, right - 1), manifest.OffsetOf(chunk));
            }

            for (; chunk < right; chunk++)
            {
                site.Watch.Staged(chunk, isHashed: true);
            }

            if (chunk <= last)
            {
                wrong.Add(chunk++);
            }
        }

        Span<byte> BytesOf(int from, int to) =>
            buffer.Span[(int)(manifest.OffsetOf(from) - start)..(int)(manifest.OffsetOf(to) + manifest.LengthOf(to) - start)];
    }
}
