using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>How far a scrub of one copy has come. It lies beside the copy, so that whoever scrubs it next, on whatever silo, goes on there.</summary>
/// <param name="Chunk">The first chunk that was not read.</param>
/// <param name="BytesRead">Bytes read up to there.</param>
/// <param name="BegunAt">When the first of them was read: the whole was not seen later than that.</param>
/// <param name="Device">The copy's file as it was; any other state begins from the front.</param>
/// <param name="Inode">As above.</param>
/// <param name="ChangedNanoseconds">As above.</param>
internal sealed record ScrubMark(int Chunk, long BytesRead, DateTimeOffset BegunAt, ulong Device, ulong Inode, long ChangedNanoseconds)
{
    public bool IsOf(FileIdentity file) => (Device, Inode, ChangedNanoseconds) == (file.Device, file.Inode, file.ChangedNanoseconds);
}

internal sealed partial class FilesystemConnector
{
    /// <summary>Bytes of a disk between two marks: a scrub that is cut reads at most so much again.</summary>
    internal const long ScrubStretch = 256L << 20;

    public Task<ConnectorResult<Receipt>> ScrubAsync(VersionId version, ITransferObserver observer, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Verify, () => VerifyFinalAsync(version, observer, isScrub: true, cancellationToken), cancellationToken);

    /// <summary>Reads a copy in stretches and leaves a mark after each that was right. Damage leaves none: the next scrub meets it again.</summary>
    /// <returns>What all stretches found, and when the first of them was begun.</returns>
    private async Task<(VerifyResult Result, DateTimeOffset BegunAt)> ReadInStretchesAsync(
        SafeFileHandle file, ContentManifest manifest, string markPath, ITransferObserver observer, CancellationToken cancellationToken)
    {
        var state = SparseFile.Identify(file);
        var mark = FilesystemRecords.TryRead<ScrubMark>(markPath) is { } left && left.IsOf(state) && left.Chunk > 0 && left.Chunk < manifest.ChunkCount
            ? left : new ScrubMark(0, 0, time.GetUtcNow(), state.Device, state.Inode, state.ChangedNanoseconds);
        var whole = new VerifyResult([], 0, state.Length, state.Length == manifest.Length, mark.BytesRead);
        var each = (int)Math.Max(1, ScrubStretch / manifest.ChunkSize);
        for (var first = mark.Chunk; first < manifest.ChunkCount; first += each)
        {
            List<int> chunks = [.. Enumerable.Range(first, Math.Min(each, manifest.ChunkCount - first))];
            var part = await CopyVerifier.VerifyAsync(file, manifest, chunks, new VerifyOptions(), new StretchObserver(observer, manifest.Length), cancellationToken, manifest.OffsetOf(first));
            whole = new VerifyResult([.. whole.BadChunks.Concat(part.BadChunks).Take(new VerifyOptions().BadChunksNamed)], whole.BadCount + part.BadCount, part.Length, part.LengthRight,
                whole.BytesRead + part.BytesRead);
            if (whole.IsRight && first + each < manifest.ChunkCount)
            {
                Leave(markPath, mark with { Chunk = first + each, BytesRead = whole.BytesRead });
            }
        }

        Forget(markPath);
        return (whole, mark.BegunAt);
    }

    /// <summary>Where it cannot be written, a cut scrub begins from the front.</summary>
    private static void Leave(string path, ScrubMark mark)
    {
        try
        {
            FilesystemRecords.Write(path, mark);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
        }
    }

    private static void Forget(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            // It is of a file that has been read to its end: the next scrub begins at the mark and reads less once.
        }
    }

    /// <summary>Tells of a stretch as part of the whole.</summary>
    private sealed class StretchObserver(ITransferObserver inner, long total) : IPacedObserver
    {
        public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded) => inner.Planned(chunksNeeded, chunksStaged, bytesNeeded);

        public void ChunkRequested(int chunk) => inner.ChunkRequested(chunk);

        public void ChunkStaged(int chunk, int length) => inner.ChunkStaged(chunk, length);

        public void Advanced(long bytes, long ofStretch) => inner.Advanced(bytes, total);

        public ValueTask PaceAsync(int bytes, CancellationToken cancellationToken) => inner is IPacedObserver paced ? paced.PaceAsync(bytes, cancellationToken) : ValueTask.CompletedTask;
    }
}
