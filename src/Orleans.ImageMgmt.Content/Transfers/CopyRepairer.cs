using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>Proves a staged copy while its source is at hand: a bad chunk is fetched once more, and whose fault it was is known.</summary>
public static class CopyRepairer
{
    /// <summary>Verifies; writes bad chunks again from the source, hashed on arrival; verifies those again, once.</summary>
    /// <param name="file">Open for reading and writing.</param>
    /// <returns>A result that <see cref="VerifyResult.IsRight"/>; its bytes are those of both read-backs.</returns>
    /// <exception cref="SourceCorruptException">The source's bytes are the bad ones.</exception>
    /// <exception cref="TargetCorruptException">Good bytes were written again and still read back wrong, or too many chunks are wrong.</exception>
    public static async Task<VerifyResult> ProveAsync(
        IContentReader source,
        SafeFileHandle file,
        VerifyOptions verify,
        ReceiveOptions receive,
        ITransferObserver observer,
        CancellationToken cancellationToken)
    {
        var manifest = source.Manifest;
        var first = await CopyVerifier.VerifyAsync(file, manifest, verify, observer, cancellationToken);
        if (first.IsRight)
        {
            return first;
        }

        if (first.BadCount > first.BadChunks.Count)
        {
            throw Corrupt(first, manifest, $"{first.BadCount} of {manifest.ChunkCount} chunks read back wrong; that is no single bad block.");
        }

        if (!first.LengthRight)
        {
            RandomAccess.SetLength(file, manifest.Length);
        }

        await CopyReceiver.RepairAsync(source, file, first.BadChunks, receive, observer, cancellationToken);
        var again = await CopyVerifier.VerifyAsync(file, manifest, first.BadChunks, verify, observer, cancellationToken);
        return again.IsRight
            ? again with { BytesRead = first.BytesRead + again.BytesRead }
            : throw Corrupt(again, manifest, $"{again.BadCount} chunks read back wrong after good bytes were written to them again.");
    }

    private static TargetCorruptException Corrupt(VerifyResult result, ContentManifest manifest, string what)
    {
        var chunk = result.BadChunks.Count > 0 ? result.BadChunks[0] : 0;
        return new TargetCorruptException(chunk, manifest.OffsetOf(chunk), $"{what} The first is chunk {chunk} at byte {manifest.OffsetOf(chunk)}.");
    }
}
