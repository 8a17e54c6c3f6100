using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>One read-back, shared by its threads: each takes the next stretch of chunks until none is left.</summary>
/// <param name="chunks">Which, rising; null for all.</param>
/// <param name="book">Learns what is right.</param>
/// <param name="before">Bytes of the same whole that were proved before, for the observer.</param>
/// <param name="notes">Learns the digests of blocks.</param>
internal sealed class VerifyPass(
    SafeFileHandle file,
    DirectFile direct,
    ContentManifest manifest,
    IReadOnlyList<int>? chunks,
    VerifyOptions options,
    ITransferObserver observer,
    ProofBook? book = null,
    long before = 0,
    BlockTable? notes = null)
{
    private readonly Lock gate = new();
    private readonly SortedSet<int> bad = [];
    private readonly ChunkCheck check = new(file, direct, manifest, notes);
    private readonly long total = before + TotalOf(manifest, chunks);
    private int next = -1;
    private int badCount;
    private long bytesRead;
    private long bytesPassed = before;
    private bool failed;

    public int Stretches => (Count + check.ChunksPerRead - 1) / check.ChunksPerRead;

    private int Count => chunks?.Count ?? manifest.ChunkCount;

    /// <summary>Begins as many threads as are of use, and ends with the last of them.</summary>
    public Task RunAsync(CancellationToken cancellationToken)
    {
        var threads = Math.Clamp(options.Parallel, 1, Math.Max(1, Stretches));
        return Task.WhenAll(Enumerable.Range(0, threads).Select(_ => PieceBuffers.RunAsync(() => Work(cancellationToken), cancellationToken)));
    }

    public VerifyResult Result()
    {
        var length = RandomAccess.GetLength(file);
        return new VerifyResult([.. bad], badCount, length, length == manifest.Length, bytesRead);
    }

    private static long TotalOf(ContentManifest manifest, IReadOnlyList<int>? chunks) =>
        chunks is null ? manifest.Length : chunks.Sum(chunk => (long)manifest.LengthOf(chunk));

    private bool Work(CancellationToken cancellationToken)
    {
        var buffer = DiskBuffers.Rent();
        try
        {
            Span<int> these = stackalloc int[check.ChunksPerRead];
            Span<bool> right = stackalloc bool[check.ChunksPerRead];
            for (var stretch = Interlocked.Increment(ref next); stretch < Stretches && !Volatile.Read(ref failed); stretch = Interlocked.Increment(ref next))
            {
                var begin = stretch * check.ChunksPerRead;
                var count = Math.Min(Count - begin, check.ChunksPerRead);
                for (var i = 0; i < count; i++)
                {
                    these[i] = chunks?[begin + i] ?? (begin + i);
                }

                Pace(these[..count], cancellationToken);
                var bytes = check.Judge(these[..count], buffer, right[..count], cancellationToken);
                Take(these[..count], right[..count], bytes);
            }

            return true;
        }
        catch
        {
            Volatile.Write(ref failed, true);
            throw;
        }
        finally
        {
            DiskBuffers.Return(buffer);
        }
    }

    /// <summary>Chunks of zeros are holes as a rule, and cost no reading.</summary>
    private void Pace(ReadOnlySpan<int> these, CancellationToken cancellationToken)
    {
        if (observer is not IPacedObserver paced)
        {
            return;
        }

        var bytes = 0;
        foreach (var chunk in these)
        {
            bytes += manifest.IsZero(chunk) ? 0 : manifest.LengthOf(chunk);
        }

        if (bytes == 0)
        {
            return; // nobody waits for nothing
        }

        paced.PaceAsync(bytes, cancellationToken).AsTask().GetAwaiter().GetResult();
    }

    private void Take(ReadOnlySpan<int> these, ReadOnlySpan<bool> right, long bytes)
    {
        long passed;
        lock (gate)
        {
            bytesRead += bytes;
            for (var i = 0; i < these.Length; i++)
            {
                bytesPassed += manifest.LengthOf(these[i]);
                if (right[i])
                {
                    // Nobody writes during a pass, so the turn that it found is the one that it proves.
                    book?.Prove(these[i], book.TurnOf(these[i]));
                    continue;
                }

                badCount++;
                bad.Add(these[i]);
                if (bad.Count > options.BadChunksNamed)
                {
                    bad.Remove(bad.Max);
                }
            }

            passed = bytesPassed;
        }

        observer.Advanced(passed, total);
    }
}
