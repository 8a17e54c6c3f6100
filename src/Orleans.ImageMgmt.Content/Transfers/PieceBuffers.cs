using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Orleans.ImageMgmt.Content;

/// <summary>A buffer of one piece whose first byte lies on a page: what direct I/O asks for.</summary>
internal sealed class PieceBuffer
{
    public PieceBuffer()
    {
        var array = GC.AllocateUninitializedArray<byte>(PieceBuffers.PieceLength + SparseFile.BlockLength, pinned: true);
        nint start;
        unsafe
        {
            start = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array));
        }

        var skip = (int)((SparseFile.BlockLength - (start % SparseFile.BlockLength)) % SparseFile.BlockLength);
        Memory = array.AsMemory(skip, PieceBuffers.PieceLength);
    }

    public Memory<byte> Memory { get; }

    public Span<byte> Span => Memory.Span;
}

/// <summary>Buffers of one piece. A chunk larger than a piece is moved in several, so memory never grows with the disk.</summary>
internal static class PieceBuffers
{
    /// <summary>Bytes of the largest piece that is read, hashed or written at once.</summary>
    public const int PieceLength = 1 << 20;

    /// <summary>Idle buffers that are kept for the next transfer: 32 MiB at most stay behind after the busiest hour.</summary>
    private const int Kept = 32;

    /// <summary>The same of long answers, which take twice as much.</summary>
    private const int KeptLong = 16;

    /// <summary>Bytes of an answer with as many blocks as every build takes.</summary>
    private const int UsualLength = BlockFrame.MaxLength - ((NumberRuns.MaxCount - BlockRequest.UsualBlocks) * BlockLayout.BlockLength);

    private static readonly ConcurrentQueue<PieceBuffer> Idle = new();
    private static readonly ConcurrentQueue<byte[]> IdleAnswers = new();
    private static readonly ConcurrentQueue<byte[]> IdleLong = new();

    public static PieceBuffer Rent() => Idle.TryDequeue(out var buffer) ? buffer : new PieceBuffer();

    public static void Return(PieceBuffer buffer)
    {
        if (Idle.Count < Kept)
        {
            Idle.Enqueue(buffer);
        }
    }

    /// <summary>Room for an answer with so many blocks, packed or not.</summary>
    public static byte[] RentAnswer(int blocks)
    {
        var isLong = blocks > BlockRequest.UsualBlocks;
        return (isLong ? IdleLong : IdleAnswers).TryDequeue(out var answer) ? answer : GC.AllocateUninitializedArray<byte>(isLong ? BlockFrame.MaxLength : UsualLength);
    }

    public static void ReturnAnswer(byte[] answer)
    {
        var (idle, kept) = answer.Length > UsualLength ? (IdleLong, KeptLong) : (IdleAnswers, Kept);
        if (idle.Count < kept)
        {
            idle.Enqueue(answer);
        }
    }

    /// <summary>Runs blocking file work on a thread of its own: the thread pool is Orleans' scheduler and must not wait for disks.</summary>
    public static Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken) =>
        Task.Factory.StartNew(work, cancellationToken, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
}
