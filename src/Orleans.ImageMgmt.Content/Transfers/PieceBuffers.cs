using System.Buffers;

namespace Orleans.ImageMgmt.Content;

/// <summary>Buffers of one piece. A chunk larger than a piece is moved in several, so memory never grows with the disk.</summary>
internal static class PieceBuffers
{
    /// <summary>Bytes of the largest piece that is read, hashed or written at once.</summary>
    public const int PieceLength = 1 << 20;

    public static byte[] Rent() => ArrayPool<byte>.Shared.Rent(PieceLength);

    public static void Return(byte[] buffer) => ArrayPool<byte>.Shared.Return(buffer);

    /// <summary>Runs blocking file work on a thread of its own: the thread pool is Orleans' scheduler and must not wait for disks.</summary>
    public static Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken) =>
        Task.Factory.StartNew(work, cancellationToken, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
}
