using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>How a read-back behaves.</summary>
public sealed class VerifyOptions
{
    /// <summary>Threads that read and hash one file; a direct read waits for the disk, so more than the cores that hash. Default: 4.</summary>
    public int Parallel { get; init; } = 4;

    /// <summary>Flush the file and ask the system to forget its pages first, so that the bytes come from the disk. Default: true.</summary>
    public bool FromDisk { get; init; } = true;

    /// <summary>Bad chunks that are named in the result; more are only counted. Default: 1,024.</summary>
    public int BadChunksNamed { get; init; } = 1_024;
}

/// <summary>What a read-back found.</summary>
/// <param name="BadChunks">Chunks that differ from the manifest, rising; at most <see cref="VerifyOptions.BadChunksNamed"/>.</param>
/// <param name="BadCount">How many differ.</param>
/// <param name="Length">Length of the file; has to equal the manifest's.</param>
/// <param name="LengthRight">It does.</param>
/// <param name="BytesRead">Bytes read back and hashed (holes where chunks of zeros belong are proved without reading).</param>
public sealed record VerifyResult(IReadOnlyList<int> BadChunks, int BadCount, long Length, bool LengthRight, long BytesRead)
{
    /// <summary>The file is the content of the manifest, byte for byte.</summary>
    public bool IsRight => LengthRight && BadCount == 0;
}

/// <summary>Reads a copy back and compares every chunk with the manifest.</summary>
public static class CopyVerifier
{
    /// <summary>Bytes that one thread takes at a time: long enough for the disk to read ahead, short enough to share fairly.</summary>
    private const int StretchLength = 8 << 20;

    /// <param name="file">Open for reading.</param>
    /// <exception cref="IOException">The file cannot be flushed or read.</exception>
    public static Task<VerifyResult> VerifyAsync(
        SafeFileHandle file,
        ContentManifest manifest,
        VerifyOptions options,
        ITransferObserver observer,
        CancellationToken cancellationToken) =>
        VerifyAsync(file, manifest, null, options, observer, cancellationToken);

    /// <param name="chunks">Only these, rising; null for all.</param>
    internal static async Task<VerifyResult> VerifyAsync(
        SafeFileHandle file,
        ContentManifest manifest,
        IReadOnlyList<int>? chunks,
        VerifyOptions options,
        ITransferObserver observer,
        CancellationToken cancellationToken)
    {
        using var direct = DirectFile.ForReading(file);
        var pass = new VerifyPass(file, direct, manifest, chunks, options, observer, Math.Max(1, StretchLength / manifest.ChunkSize));
        await PieceBuffers.RunAsync(
            () =>
            {
                if (options.FromDisk)
                {
                    // The read-back is direct where the file system can: past the page cache, from the disk. Where it cannot, this holds:
                    // after fdatasync every page is clean, and clean pages that nobody maps are dropped on request, so that the next read
                    // comes from below the cache. That is advice, not a promise. A disk's own cache lies below both, and after a flush
                    // its bytes are the disk's to keep.
                    SparseFile.Flush(file);
                    SparseFile.DropCache(file);
                }

                return true;
            },
            cancellationToken);
        var threads = Math.Clamp(options.Parallel, 1, Math.Max(1, pass.Stretches));
        await Task.WhenAll(Enumerable.Range(0, threads).Select(_ => PieceBuffers.RunAsync(() => pass.Work(cancellationToken), cancellationToken)));
        return pass.Result();
    }
}
