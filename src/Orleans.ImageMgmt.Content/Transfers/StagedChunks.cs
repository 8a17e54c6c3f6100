using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Formats;

namespace Orleans.ImageMgmt.Content;

/// <summary>What a staging file already holds, found out from its bytes.</summary>
internal sealed class StagedChunks
{
    private StagedChunks()
    {
    }

    /// <summary>Chunks of data without a staged byte.</summary>
    public List<int> Fresh { get; } = [];

    /// <summary>Chunks of data with staged bytes that are not (all of) the right ones: cut in the middle, or damaged.</summary>
    public List<int> Tainted { get; } = [];

    /// <summary>Chunks of data that are staged and right.</summary>
    public int Kept { get; private set; }

    public long BytesKept { get; private set; }

    public long BytesNeeded { get; private set; }

    /// <summary>Sizes the file and hashes every chunk of it that has bytes. Costs nothing for a new file.</summary>
    public static StagedChunks Examine(SafeFileHandle staging, ContentManifest manifest, CancellationToken cancellationToken)
    {
        var found = RandomAccess.GetLength(staging);
        if (found != manifest.Length)
        {
            RandomAccess.SetLength(staging, manifest.Length);
        }

        var plan = new StagedChunks();
        // A file system that cannot show holes calls all of a new file data; that it was empty is known without it.
        var data = found == 0 ? null : SparseFile.NextData(staging, 0);
        using var writer = new StagingWriter(staging, long.MaxValue);
        using var direct = DirectFile.ForReading(staging);
        for (var chunk = 0; chunk < manifest.ChunkCount; chunk++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (data is { } range && range.End <= manifest.OffsetOf(chunk))
            {
                data = SparseFile.NextData(staging, manifest.OffsetOf(chunk));
            }

            plan.Place(direct, manifest, chunk, data, writer, cancellationToken);
        }

        return plan;
    }

    private void Place(DirectFile staging, ContentManifest manifest, int chunk, DiskRange? data, StagingWriter writer, CancellationToken cancellationToken)
    {
        var offset = manifest.OffsetOf(chunk);
        var length = manifest.LengthOf(chunk);
        var empty = data is not { } range || range.Offset >= offset + length;
        if (manifest.IsZero(chunk))
        {
            if (!empty && !ChunkCheck.IsRight(staging, manifest, chunk, cancellationToken))
            {
                writer.Clear(offset, length);
            }

            return;
        }

        if (!empty && ChunkCheck.IsRight(staging, manifest, chunk, cancellationToken))
        {
            Kept++;
            BytesKept += length;
            return;
        }

        (empty ? Fresh : Tainted).Add(chunk);
        BytesNeeded += length;
    }
}
