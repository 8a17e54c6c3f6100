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
    /// <returns>Null where the chunks are too many.</returns>
    /// <exception cref="IOException">The source failed.</exception>
    public static async Task<BlockForecast?> MakeAsync(
        IBlockReader far, ContentManifest manifest, IReadOnlyList<int> chunks, IReadOnlyList<OwnCopy> own, CancellationToken cancellationToken)
    {
        List<int> pieces = [.. chunks.SelectMany(chunk => Enumerable.Range((int)(manifest.OffsetOf(chunk) / BlockLayout.PieceLength), BlockLayout.PieceCount(manifest.LengthOf(chunk))))];
        if (pieces.Count > MostPieces)
        {
            return null;
        }

        var batch = new BlockBatch(pieces);
        long digests = 0;
        for (var i = 0; i < pieces.Count;)
        {
            var run = BlockDigests.SideBySide(batch, i);
            var bytes = new byte[BlockLayout.DigestsLength(manifest.Length, pieces[i], run)];
            await far.ReadDigestsAsync(pieces[i], run, bytes, cancellationToken);
            bytes.CopyTo(batch.DigestBytes(i, run));
            digests += bytes.Length;
            i += run;
        }

        await PieceBuffers.RunAsync(
            () =>
            {
                using var held = new OwnBlocks(own, SilentObserver.Instance, isLookOnly: true);
                held.Locate(batch, cancellationToken);
                return true;
            },
            cancellationToken);
        return Sum(batch, manifest, digests);
    }

    private static BlockForecast Sum(BlockBatch batch, ContentManifest manifest, long digests)
    {
        var (send, reused) = (digests, 0L);
        for (var i = 0; i < batch.Pieces.Count; i++)
        {
            var (count, missing) = (BlockLayout.BlockCount(manifest.Length, batch.Pieces[i]), false);
            for (var block = 0; block < count; block++)
            {
                var length = Math.Min(BlockLayout.BlockLength, BlockLayout.LengthOf(manifest.Length, batch.Pieces[i]) - (block * BlockLayout.BlockLength));
                var place = batch.Places[(i * BlockLayout.BlocksPerPiece) + block];
                missing |= place == BlockBatch.Missing;
                send += place == BlockBatch.Missing ? length : 0;
                reused += place >= 0 ? length : 0;
            }

            send += missing ? BlockFrame.HeaderLength : 0;
        }

        return new BlockForecast(send, reused);
    }
}
