using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>How a read-back behaves.</summary>
public sealed class VerifyOptions
{
    /// <summary>Threads that read and hash one file; how many hash at once in the whole process is bounded by its cores. Default: 4.</summary>
    public int Parallel { get; init; } = 4;

    /// <summary>Flush the file and ask the system to forget its pages first, so that the bytes come from the disk. Default: true.</summary>
    public bool FromDisk { get; init; } = true;

    /// <summary>Where the digests of the file's blocks are kept when all of it is read and right; null: nowhere. Default: null.</summary>
    public string? SidePath { get; init; }

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
    /// <param name="file">Open for reading.</param>
    /// <exception cref="IOException">The file cannot be flushed or read.</exception>
    public static Task<VerifyResult> VerifyAsync(
        SafeFileHandle file,
        ContentManifest manifest,
        VerifyOptions options,
        ITransferObserver observer,
        CancellationToken cancellationToken) =>
        VerifyAsync(file, manifest, chunks: null, options, observer, cancellationToken);

    /// <summary>Reads back what the receive that gave the proof has not; everything when there is any doubt about the proof.</summary>
    /// <param name="file">Open for reading.</param>
    /// <param name="proof">What <see cref="CopyReceiver"/> gave in this process, or null.</param>
    /// <returns>A result whose bytes are those of both read-backs.</returns>
    /// <exception cref="IOException">The file cannot be flushed or read.</exception>
    public static async Task<VerifyResult> VerifyAsync(
        SafeFileHandle file,
        ContentManifest manifest,
        CopyProof? proof,
        VerifyOptions options,
        ITransferObserver observer,
        CancellationToken cancellationToken)
    {
        if (proof?.Open(SparseFile.Identify(file), manifest) is { } rest)
        {
            var before = manifest.Length - rest.Sum(chunk => (long)manifest.LengthOf(chunk));
            var result = await VerifyAsync(file, manifest, rest, options, observer, cancellationToken, before);
            if (proof.Open(SparseFile.Identify(file), manifest) is not null)
            {
                observer.Advanced(manifest.Length, manifest.Length);
                return result with { BytesRead = result.BytesRead + proof.BytesRead };
            }
        }

        return await VerifyAsync(file, manifest, chunks: null, options, observer, cancellationToken);
    }

    /// <param name="chunks">Only these, rising; null for all.</param>
    /// <param name="before">Bytes of the same whole that were proved before, for the observer.</param>
    internal static async Task<VerifyResult> VerifyAsync(
        SafeFileHandle file,
        ContentManifest manifest,
        IReadOnlyList<int>? chunks,
        VerifyOptions options,
        ITransferObserver observer,
        CancellationToken cancellationToken,
        long before = 0)
    {
        using var direct = DirectFile.ForReading(file);
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
        using var notes = chunks is null && options.SidePath is { } path ? new BlockTable(file, manifest, path) : null;
        var pass = new VerifyPass(file, direct, manifest, chunks, options, observer, before: before, notes: notes);
        await pass.RunAsync(cancellationToken);
        return pass.Result();
    }
}
