using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>Writes pieces into one staging file: leaves blocks of zeros out, and begins write-back early so that the final flush is short.</summary>
/// <param name="file">Open for writing.</param>
/// <param name="writeBackBytes">Cached bytes after which write-back begins.</param>
/// <param name="book">Is told what is written and cleared.</param>
internal sealed class StagingWriter(SafeFileHandle file, long writeBackBytes, ProofBook? book = null) : IDisposable
{
    /// <summary>A piece of 1 MiB that zeros cut into more runs than this goes through the cache, which joins them: each direct write waits for the disk.</summary>
    private const int DirectRuns = 8;

    private readonly DirectFile direct = DirectFile.ForWriting(file);
    private long from;
    private long end;

    /// <summary>Writes a piece over a range that reads as zeros now (a new file, or <see cref="Clear"/>ed).</summary>
    /// <param name="piece">Begins on a page.</param>
    public void Write(ReadOnlySpan<byte> piece, long offset)
    {
        book?.Touch(offset, piece.Length);
        var runs = DirectRuns * Math.Max(1, piece.Length / PieceBuffers.PieceLength);
        var cached = !direct.IsDirect || offset % SparseFile.BlockLength != 0 || CountRuns(piece, offset) > runs;
        for (var at = 0; NextRun(piece, offset, at) is { Length: > 0 } run; at = run.Start + run.Length)
        {
            var bytes = piece.Slice(run.Start, run.Length);
            if (cached)
            {
                direct.WriteCached(bytes, offset + run.Start);
            }
            else
            {
                cached |= direct.Write(bytes, offset + run.Start);
            }
        }

        if (cached)
        {
            Written(offset, offset + piece.Length);
        }
    }

    /// <summary>Shares a range with another file instead of writing it; see <see cref="SparseFile.TryClone"/>.</summary>
    public bool? TryClone(SafeFileHandle source, long sourceOffset, long length, long offset)
    {
        book?.Touch(offset, length);
        return SparseFile.TryClone(source, sourceOffset, length, file, offset);
    }

    /// <summary>Makes a range read as zeros, as a hole where the file system can.</summary>
    public void Clear(long offset, long length)
    {
        book?.Touch(offset, length);
        if (SparseFile.TryPunchHole(file, offset, length))
        {
            return;
        }

        var zeros = PieceBuffers.Rent();
        zeros.Span.Clear();
        while (length > 0)
        {
            var part = (int)Math.Min(length, PieceBuffers.PieceLength);
            RandomAccess.Write(file, zeros.Span[..part], offset);
            offset += part;
            length -= part;
        }

        PieceBuffers.Return(zeros);
    }

    /// <summary>Begins the write-back of what is left.</summary>
    public void Finish()
    {
        if (end > from)
        {
            SparseFile.StartWriteBack(file, from, end - from);
            from = end;
        }
    }

    public void Dispose() => direct.Dispose();

    private static int CountRuns(ReadOnlySpan<byte> piece, long offset)
    {
        var count = 0;
        for (var at = 0; NextRun(piece, offset, at) is { Length: > 0 } run; at = run.Start + run.Length)
        {
            count++;
        }

        return count;
    }

    /// <summary>The next blocks in a row that are not zeros; length 0 when there are none.</summary>
    private static (int Start, int Length) NextRun(ReadOnlySpan<byte> piece, long offset, int at)
    {
        while (at < piece.Length && IsZero(piece, at, offset, out var next))
        {
            at = next;
        }

        var end = at;
        while (end < piece.Length && !IsZero(piece, end, offset, out var next))
        {
            end = next;
        }

        return (at, end - at);
    }

    private static bool IsZero(ReadOnlySpan<byte> piece, int at, long offset, out int next)
    {
        // Blocks are counted in the file, not in the piece: a hole has to fill a block of the file.
        next = (int)Math.Min(piece.Length, at + SparseFile.BlockLength - ((offset + at) % SparseFile.BlockLength));
        return !piece[at..next].ContainsAnyExcept((byte)0);
    }

    private void Written(long start, long stop)
    {
        if (start != end)
        {
            Finish();
            from = start;
        }

        end = stop;
        if (end - from >= writeBackBytes)
        {
            Finish();
        }
    }
}
