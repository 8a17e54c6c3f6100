namespace Orleans.ImageMgmt.Content;

/// <summary>A <see cref="SwarmReader"/> that reads blocks too. A pod that offers none is taken for one that fails.</summary>
internal sealed class SwarmBlockReader(IContentReader origin, PieceMap map, ISwarm swarm, ITransferObserver observer, SwarmReaderOptions options)
    : SwarmReader(origin, map, swarm, observer, options), IBlockReader
{
    /// <summary>As many as whoever gives the block's piece takes, as far as is known.</summary>
    public int MaxBlocksAt(long block) => GiverOf((int)(block / BlockLayout.BlocksPerPiece * BlockLayout.PieceLength / Manifest.ChunkSize)) is IBlockReader blocks ? blocks.MaxBlocksAt(block) : BlockRequest.UsualBlocks;

    public ValueTask<int> ReadDigestsAsync(DigestRequest request, Memory<byte> answer, CancellationToken cancellationToken) => ReadFromAsync(
        ChunksOf(request.Pieces, 1), (from, target, stop) => Blocks(from).ReadDigestsAsync(request, target, stop), answer, cancellationToken);

    public ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken) => ReadFromAsync(
        ChunksOf(request.Blocks, BlockLayout.BlocksPerPiece), (from, target, stop) => Blocks(from).ReadBlocksAsync(request, target, stop), frame, cancellationToken);

    /// <summary>The chunks that a request is about: all in one of the swarm's pieces, for chunks are given out by those.</summary>
    private List<int> ChunksOf(NumberRuns runs, int perPiece)
    {
        var chunks = new List<int>();
        foreach (var number in runs.Numbers)
        {
            var chunk = (int)(number / perPiece * BlockLayout.PieceLength / Manifest.ChunkSize);
            if (chunks.Count == 0 || chunks[^1] != chunk)
            {
                chunks.Add(chunk);
            }
        }

        return chunks;
    }

    private static IBlockReader Blocks(IContentReader from) => from as IBlockReader ?? throw new IOException("The pod gives no blocks.");
}
