using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>Ranged reads of a sealed raw file that lies on this machine. Owns the handle.</summary>
public sealed class LocalContentReader(SafeFileHandle file, ContentManifest manifest) : IContentReader
{
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

    public ValueTask DisposeAsync()
    {
        LocalFile!.Dispose();
        return ValueTask.CompletedTask;
    }
}
