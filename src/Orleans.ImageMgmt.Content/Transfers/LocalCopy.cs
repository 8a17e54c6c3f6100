using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Formats;

namespace Orleans.ImageMgmt.Content;

/// <summary>Copies chunks from a raw file on this machine. Does not hash where all is read back: the source lies in the page cache for all targets, and what
/// counts is what is read back from the target.</summary>
/// <param name="source">Of <paramref name="site"/>.</param>
/// <param name="site">From where, and into which file.</param>
/// <param name="writer">Writes what is not hashed first.</param>
/// <param name="cancellationToken">Ends it.</param>
internal sealed class LocalCopy(SafeFileHandle source, FetchSite site, StagingWriter writer, CancellationToken cancellationToken)
{
    /// <summary>Bytes of the source that are asked from its disk before they are needed.</summary>
    private const long ReadAheadLength = 16L << 20;

    private readonly ContentManifest manifest = site.Source.Manifest;
    private readonly ReceiveOptions options = site.Options;
    private readonly StallGuard guard = site.Guard;
    private readonly StagedWatch watch = site.Watch;
    private readonly int chunksPerPiece = Math.Max(1, DiskBuffers.Length / site.Source.Manifest.ChunkSize);
    private DiskRange? data;
    private bool looked;
    private int aheadOf;

    /// <summary>Chunks that were read and are not the manifest's, rising; found and left out only where they are hashed before they are written.</summary>
    public IReadOnlyList<int> Wrong { get; private set; } = [];

    /// <returns>Bytes asked from the source.</returns>
    public long Run(IReadOnlyList<int> chunks)
    {
        using var beside = watch.IsSampled ? new HashedWrite(site, cancellationToken) : null;
        long bytes = 0;
        var buffer = DiskBuffers.Rent();
        for (var i = 0; i < chunks.Count;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var side = SideBySide(chunks, i);
            ReadAhead(chunks, i + side);
            for (var k = i; k < i + side; k++)
            {
                watch.Requested(chunks[k]);
                bytes += manifest.LengthOf(chunks[k]);
            }

            if (beside is null)
            {
                Copy(chunks[i], chunks[i + side - 1], buffer);
                for (var k = i; k < i + side; k++)
                {
                    watch.Staged(chunks[k], isHashed: false);
                }
            }
            else
            {
                Fill(chunks[i], chunks[i + side - 1], buffer);
                beside.Add(buffer, chunks[i], chunks[i + side - 1]);
                buffer = DiskBuffers.Rent();
            }

            i += side;
        }

        // Not in a finally: a thread that was left behind in a read may still have the system write into its buffer.
        DiskBuffers.Return(buffer);
        writer.Finish();
        Wrong = beside?.Finish() ?? [];
        return bytes;
    }

    /// <summary>Has the system read what comes next while this is written: a source that is not in the page cache would else wait for the target, and the target for it.</summary>
    private void ReadAhead(IReadOnlyList<int> chunks, int next)
    {
        if (options.Throttle is not null)
        {
            return; // it goes at the pace of the limit
        }

        aheadOf = Math.Max(aheadOf, next);
        guard.Enter();
        for (; aheadOf < chunks.Count && manifest.OffsetOf(chunks[aheadOf]) < manifest.OffsetOf(chunks[next]) + ReadAheadLength; aheadOf++)
        {
            SparseFile.StartReading(source, manifest.OffsetOf(chunks[aheadOf]), manifest.LengthOf(chunks[aheadOf]));
        }

        if (!guard.TryLeave())
        {
            throw new OperationCanceledException(guard.Token);
        }
    }

    /// <summary>How many chunks from here on follow each other and go through the buffer together.</summary>
    private int SideBySide(IReadOnlyList<int> chunks, int first)
    {
        var count = 1;
        while (count < chunksPerPiece && first + count < chunks.Count && chunks[first + count] == chunks[first] + count)
        {
            count++;
        }

        return count;
    }

    private void Copy(int first, int last, DiskBuffer buffer)
    {
        var at = manifest.OffsetOf(first);
        var end = manifest.OffsetOf(last) + manifest.LengthOf(last);
        while (NextRun(at, end) is { } run)
        {
            var piece = buffer.Span[..(int)Math.Min(run.Length, DiskBuffers.Length)];
            Read(piece, run.Offset);
            writer.Write(piece, run.Offset);
            at = run.Offset + piece.Length;
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Reads chunks into the buffer, holes as zeros.</summary>
    private void Fill(int first, int last, DiskBuffer buffer)
    {
        var start = manifest.OffsetOf(first);
        var (at, end) = (start, manifest.OffsetOf(last) + manifest.LengthOf(last));
        while (NextRun(at, end) is { } run)
        {
            buffer.Span[(int)(at - start)..(int)(run.Offset - start)].Clear();
            Read(buffer.Span.Slice((int)(run.Offset - start), (int)run.Length), run.Offset);
            at = run.End;
        }

        buffer.Span[(int)(at - start)..(int)(end - start)].Clear();
    }

    /// <summary>The next range of data before the end; null where the rest is a hole, or the file was cut here: a cut file has no data after its end either.</summary>
    private DiskRange? NextRun(long at, long end)
    {
        if (at >= end)
        {
            return null;
        }

        if (NextData(at) is { } range && range.Offset < end)
        {
            // Whole blocks, even where the source's file system counts in smaller ones: the target is written in blocks.
            at = Math.Max(at, SparseFile.BlockStart(range.Offset));
            return new DiskRange(at, Math.Min(SparseFile.BlockEnd(range.End), end) - at);
        }

        DemandLength(end);
        return null;
    }

    /// <summary>In parts of 1 MiB: that is what a stall is measured by, and what a limit of rate lets through at once.</summary>
    private void Read(Span<byte> piece, long at)
    {
        for (var done = 0; done < piece.Length;)
        {
            var part = Math.Min(piece.Length - done, PieceBuffers.PieceLength);
            if (options.Throttle is { } throttle)
            {
                part = throttle(part, cancellationToken).AsTask().GetAwaiter().GetResult();
            }

            ReadPart(piece.Slice(done, part), at + done);
            watch.Observer.Travelled(part);
            done += part;
        }
    }

    private void ReadPart(Span<byte> piece, long at)
    {
        guard.Enter();
        var whole = false;
        Exception? failure = null;
        try
        {
            whole = ChunkCheck.TryReadAll(source, piece, at);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            failure = new SourceUnreadableException(ChunkOf(at), at, trouble);
        }

        if (!guard.TryLeave())
        {
            throw new OperationCanceledException(guard.Token);
        }

        if (failure is not null)
        {
            throw failure;
        }

        if (!whole)
        {
            throw Cut(Math.Max(at, RandomAccess.GetLength(source)));
        }
    }

    private DiskRange? NextData(long at)
    {
        if (!looked || (data is { } range && range.End <= at))
        {
            try
            {
                data = SparseFile.NextData(source, at);
                looked = true;
            }
            catch (IOException trouble)
            {
                throw new SourceUnreadableException(ChunkOf(at), at, trouble);
            }
        }

        return data;
    }

    private void DemandLength(long end)
    {
        if (RandomAccess.GetLength(source) < end)
        {
            throw Cut(RandomAccess.GetLength(source));
        }
    }

    private int ChunkOf(long at) => (int)Math.Min(at / manifest.ChunkSize, manifest.ChunkCount - 1);

    private SourceCorruptException Cut(long at) =>
        new(ChunkOf(at), at, $"The source ends at byte {at}, inside chunk {ChunkOf(at)}; its manifest says {manifest.Length} bytes.");
}
