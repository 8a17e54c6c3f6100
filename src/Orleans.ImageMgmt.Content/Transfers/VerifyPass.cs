using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>One read-back, shared by its threads: each takes the next stretch of chunks until none is left.</summary>
internal sealed class VerifyPass(
    SafeFileHandle file,
    DirectFile direct,
    ContentManifest manifest,
    IReadOnlyList<int>? chunks,
    VerifyOptions options,
    ITransferObserver observer,
    int chunksPerStretch)
{
    private readonly Lock gate = new();
    private readonly SortedSet<int> bad = [];
    private readonly long total = TotalOf(manifest, chunks);
    private int next = -1;
    private int badCount;
    private long bytesRead;
    private long bytesPassed;
    private bool failed;

    public int Stretches => (Count + chunksPerStretch - 1) / chunksPerStretch;

    private int Count => chunks?.Count ?? manifest.ChunkCount;

    public bool Work(CancellationToken cancellationToken)
    {
        var buffer = PieceBuffers.Rent();
        try
        {
            for (var stretch = Interlocked.Increment(ref next); stretch < Stretches && !Volatile.Read(ref failed); stretch = Interlocked.Increment(ref next))
            {
                var end = Math.Min(Count, (stretch + 1) * chunksPerStretch);
                for (var i = stretch * chunksPerStretch; i < end; i++)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    Check(chunks?[i] ?? i, buffer, cancellationToken);
                }
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
            PieceBuffers.Return(buffer);
        }
    }

    public VerifyResult Result()
    {
        var length = RandomAccess.GetLength(file);
        return new VerifyResult([.. bad], badCount, length, length == manifest.Length, bytesRead);
    }

    private static long TotalOf(ContentManifest manifest, IReadOnlyList<int>? chunks) =>
        chunks is null ? manifest.Length : chunks.Sum(chunk => (long)manifest.LengthOf(chunk));

    private void Check(int chunk, PieceBuffer buffer, CancellationToken cancellationToken)
    {
        var length = manifest.LengthOf(chunk);
        var hole = manifest.IsZero(chunk) && IsHole(chunk);
        var right = hole || ChunkCheck.IsRight(direct, manifest, chunk, buffer, cancellationToken);
        long passed;
        lock (gate)
        {
            bytesRead += hole ? 0 : length;
            passed = bytesPassed += length;
            if (!right)
            {
                badCount++;
                bad.Add(chunk);
                if (bad.Count > options.BadChunksNamed)
                {
                    bad.Remove(bad.Max);
                }
            }
        }

        observer.Advanced(passed, total);
    }

    private bool IsHole(int chunk) =>
        SparseFile.NextData(file, manifest.OffsetOf(chunk)) is not { } data || data.Offset >= manifest.OffsetOf(chunk) + manifest.LengthOf(chunk);
}
