using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>Writes pieces into one staging file: leaves blocks of zeros out, and begins write-back early so that the final flush is short.</summary>
internal sealed class StagingWriter(SafeFileHandle file, long writeBackBytes)
{
    private long from;
    private long end;

    /// <summary>Writes a piece over a range that reads as zeros now (a new file, or <see cref="Clear"/>ed).</summary>
    public void Write(ReadOnlySpan<byte> piece, long offset)
    {
        var at = 0;
        while (at < piece.Length)
        {
            var run = at;
            while (run < piece.Length && IsZero(piece, run, offset, out var next))
            {
                run = next;
            }

            at = run;
            while (run < piece.Length && !IsZero(piece, run, offset, out var next))
            {
                run = next;
            }

            if (run > at)
            {
                RandomAccess.Write(file, piece[at..run], offset + at);
                at = run;
            }
        }

        Written(offset, offset + piece.Length);
    }

    /// <summary>Makes a range read as zeros, as a hole where the file system can.</summary>
    public void Clear(long offset, long length)
    {
        if (SparseFile.TryPunchHole(file, offset, length))
        {
            return;
        }

        var zeros = PieceBuffers.Rent();
        zeros.AsSpan().Clear();
        while (length > 0)
        {
            var part = (int)Math.Min(length, PieceBuffers.PieceLength);
            RandomAccess.Write(file, zeros.AsSpan(0, part), offset);
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
