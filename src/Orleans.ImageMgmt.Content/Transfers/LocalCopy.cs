using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Formats;

namespace Orleans.ImageMgmt.Content;

/// <summary>Copies chunks from a raw file on this machine. Does not hash: the source lies in the page cache for all targets, and what counts
/// is what is read back from the target.</summary>
internal sealed class LocalCopy(
    SafeFileHandle source,
    ContentManifest manifest,
    StagingWriter writer,
    ReceiveOptions options,
    StallGuard guard,
    StagedWatch watch,
    CancellationToken cancellationToken)
{
    private readonly int chunksPerPiece = Math.Max(1, DiskBuffers.Length / manifest.ChunkSize);
    private DiskRange? data;
    private bool looked;

    /// <returns>Bytes asked from the source.</returns>
    public long Run(IReadOnlyList<int> chunks)
    {
        long bytes = 0;
        var buffer = DiskBuffers.Rent();
        for (var i = 0; i < chunks.Count;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var side = SideBySide(chunks, i);
            for (var k = i; k < i + side; k++)
            {
                watch.Requested(chunks[k]);
            }

            Copy(chunks[i], chunks[i + side - 1], buffer);
            for (var k = i; k < i + side; k++)
            {
                watch.Staged(chunks[k]);
                bytes += manifest.LengthOf(chunks[k]);
            }

            i += side;
        }

        // Not in a finally: a thread that was left behind in a read may still have the system write into its buffer.
        DiskBuffers.Return(buffer);
        writer.Finish();
        return bytes;
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
        while (at < end)
        {
            if (NextData(at) is not { } range || range.Offset >= end)
            {
                // The rest is a hole, or the file was cut here: a cut file has no data after its end either.
                DemandLength(end);
                return;
            }

            // Whole blocks, even where the source's file system counts in smaller ones: the target is written in blocks.
            at = Math.Max(at, SparseFile.BlockStart(range.Offset));
            var piece = buffer.Span[..(int)Math.Min(Math.Min(SparseFile.BlockEnd(range.End), end) - at, DiskBuffers.Length)];
            Read(piece, at);
            writer.Write(piece, at);
            at += piece.Length;
            cancellationToken.ThrowIfCancellationRequested();
        }
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
