using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>Ranged reads, and blocks, of a sealed raw file that lies on this machine. Owns the handle.</summary>
/// <param name="file">Open for reading.</param>
/// <param name="manifest">Its manifest.</param>
/// <param name="sidePath">Where the digests of its blocks are kept once they are known; null: nowhere.</param>
/// <param name="findBase">Opens another copy that is held beside this one by its content's digest, for windows; null when there is none. May be called from any thread.</param>
public sealed class LocalContentReader(SafeFileHandle file, ContentManifest manifest, string? sidePath = null, Func<Digest, OpenBase?>? findBase = null) : IContentReader, IBlockReader
{
    private readonly Lazy<LocalBlocks> blocks = new(() => new LocalBlocks(file, manifest, sidePath, findBase));

    public ContentManifest Manifest { get; } = manifest;

    public SafeFileHandle? LocalFile { get; } = file;

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        for (var done = 0; done < buffer.Length;)
        {
            var read = await RandomAccess.ReadAsync(LocalFile!, buffer[done..], offset + done, cancellationToken);
            if (read == 0)
            {
                throw new EndOfStreamException($"The sealed file ends at byte {offset + done}; its manifest says {Manifest.Length}.");
            }

            done += read;
        }
    }

    public int MaxBlocksAt(long block) => NumberRuns.MaxCount;

    public ValueTask<int> ReadDigestsAsync(DigestRequest request, Memory<byte> answer, CancellationToken cancellationToken) =>
        blocks.Value.ReadDigestsAsync(request, answer, cancellationToken);

    public ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken) =>
        blocks.Value.ReadBlocksAsync(request, frame, cancellationToken);

    public ValueTask DisposeAsync()
    {
        if (blocks.IsValueCreated)
        {
            blocks.Value.Dispose();
        }

        LocalFile!.Dispose();
        return ValueTask.CompletedTask;
    }
}
