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
    ITransferObserver observer,
    CancellationToken cancellationToken)
{
    private DiskRange? data;
    private bool looked;

    /// <returns>Bytes asked from the source.</returns>
    public long Run(IReadOnlyList<int> chunks)
    {
        long bytes = 0;
        var buffer = PieceBuffers.Rent();
        foreach (var chunk in chunks)
        {
            cancellationToken.ThrowIfCancellationRequested();
            observer.ChunkRequested(chunk);
            Copy(chunk, buffer);
            observer.ChunkStaged(chunk, manifest.LengthOf(chunk));
            bytes += manifest.LengthOf(chunk);
        }

        // Not in a finally: a thread that was left behind in a read may still have the system write into its buffer.
        PieceBuffers.Return(buffer);
        writer.Finish();
        return bytes;
    }

    private void Copy(int chunk, PieceBuffer buffer)
    {
        var at = manifest.OffsetOf(chunk);
        var end = at + manifest.LengthOf(chunk);
        while (at < end)
        {
            if (NextData(chunk, at) is not { } range || range.Offset >= end)
            {
                // The rest of the chunk is a hole, or the file was cut here: a cut file has no data after its end either.
                DemandLength(chunk, end);
                return;
            }

            // Whole blocks, even where the source's file system counts in smaller ones: the target is written in blocks.
            at = Math.Max(at, SparseFile.BlockStart(range.Offset));
            var piece = buffer.Span[..(int)Math.Min(Math.Min(SparseFile.BlockEnd(range.End), end) - at, PieceBuffers.PieceLength)];
            Throttle(piece.Length);
            Read(chunk, piece, at);
            writer.Write(piece, at);
            at += piece.Length;
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private void Throttle(int bytes)
    {
        options.Throttle?.Invoke(bytes, cancellationToken).AsTask().GetAwaiter().GetResult();
    }

    private void Read(int chunk, Span<byte> piece, long at)
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
            failure = new SourceUnreadableException(chunk, at, trouble);
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
            throw Cut(chunk, at);
        }
    }

    private DiskRange? NextData(int chunk, long at)
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
                throw new SourceUnreadableException(chunk, at, trouble);
            }
        }

        return data;
    }

    private void DemandLength(int chunk, long end)
    {
        if (RandomAccess.GetLength(source) < end)
        {
            throw Cut(chunk, RandomAccess.GetLength(source));
        }
    }

    private SourceCorruptException Cut(int chunk, long at) =>
        new(chunk, at, $"The source ends at byte {at}, inside chunk {chunk}; its manifest says {manifest.Length} bytes.");
}
