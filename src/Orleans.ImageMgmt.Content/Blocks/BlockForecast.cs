using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>What of some chunks would travel as blocks.</summary>
/// <param name="BytesToSend">At most so many: the blocks that the pod does not hold at their place, not packed, with digests and frames. Packing and blocks that lie elsewhere make it less.</param>
/// <param name="BytesReused">Bytes of blocks that stand in the pod's own copies.</param>
public sealed record BlockForecast(long BytesToSend, long BytesReused)
{
    /// <summary>Pieces of 1 MiB that are looked at block by block; of more only whole chunks are counted, or a plan would read for minutes.</summary>
    public const int MostPieces = 1_024;

    /// <summary>Asks the source for digests and compares them with the pod's own copies. Writes nothing.</summary>
    /// <param name="far">The source pod's copy, behind a link.</param>
    /// <param name="manifest">Its manifest.</param>
    /// <param name="chunks">Data chunks that the pod does not hold as a whole, rising.</param>
    /// <param name="own">The pod's own copies.</param>
    /// <returns>Null where the chunks are too many, or the source's answers mean nothing.</returns>
    /// <exception cref="IOException">The source failed.</exception>
    public static async Task<BlockForecast?> MakeAsync(
        IBlockReader far, ContentManifest manifest, IReadOnlyList<int> chunks, IReadOnlyList<OwnCopy> own, CancellationToken cancellationToken)
    {
        List<int> pieces = [.. chunks.SelectMany(chunk => Enumerable.Range((int)(manifest.OffsetOf(chunk) / BlockLayout.PieceLength), BlockLayout.PieceCount(manifest.LengthOf(chunk))))];
        if (pieces.Count > MostPieces)
        {
            return null;
        }

        var batch = new BlockBatch(pieces, manifest.Length);
        Digest[] bases = [.. own.Take(BlockRequest.MaxBases).Select(copy => copy.Manifest.ContentDigest)];
        using var held = new OwnBlocks(own, SilentObserver.Instance, isLookOnly: true);
        long digests = 0;
        try
        {
            for (var i = 0; i < pieces.Count; i += BlockOptions.DigestPieces)
            {
                var count = Math.Min(BlockOptions.DigestPieces, pieces.Count - i);
                var answer = new byte[DigestAnswer.MaxLength(count)];
                var length = await far.ReadDigestsAsync(new DigestRequest(NumberRuns.Of(pieces.Skip(i).Take(count).Select(piece => (long)piece)), bases), answer, cancellationToken);
                BlockDigests.Take(batch, held, i, count, answer.AsSpan(0, Math.Clamp(length, 0, answer.Length)), cancellationToken);
                digests += length;
            }
        }
        catch (InvalidDataException)
        {
            return null; // a source whose answers mean nothing is asked for whole chunks
        }

        held.Locate(batch, cancellationToken);
        return Sum(batch, manifest, digests);
    }

    private static BlockForecast Sum(BlockBatch batch, ContentManifest manifest, long digests)
    {
        var (send, reused) = (digests + BlockFrame.HeaderLength, 0L); // blocks of a piece may lie in two frames, but frames are filled one after the other
        for (var i = 0; i < batch.Pieces.Count; i++)
        {
            var (count, missing) = (BlockLayout.BlockCount(manifest.Length, batch.Pieces[i]), false);
            for (var block = 0; block < count; block++)
            {
                var length = Math.Min(BlockLayout.BlockLength, BlockLayout.LengthOf(manifest.Length, batch.Pieces[i]) - (block * BlockLayout.BlockLength));
                var place = batch.Places[(i * BlockLayout.BlocksPerPiece) + block];
                missing |= place == BlockBatch.Absent;
                send += place == BlockBatch.Absent ? length : 0;
                reused += place >= 0 ? length : 0;
            }

            send += missing ? BlockFrame.HeaderLength : 0;
        }

        return new BlockForecast(send, reused);
    }
}
