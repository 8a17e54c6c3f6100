namespace Orleans.ImageMgmt.Content;

/// <summary>A <see cref="SwarmReader"/> that reads blocks too. A pod that offers none is taken for one that fails.</summary>
internal sealed class SwarmBlockReader(IContentReader origin, PieceMap map, ISwarm swarm, ITransferObserver observer, SwarmReaderOptions options)
    : SwarmReader(origin, map, swarm, observer, options), IBlockReader
{
    public async ValueTask ReadDigestsAsync(int firstPiece, int pieces, Memory<byte> digests, CancellationToken cancellationToken) => await ReadFromAsync(
        ChunkOf(firstPiece),
        async (from, target, stop) =>
        {
            await Blocks(from).ReadDigestsAsync(firstPiece, pieces, target, stop);
            return target.Length;
        },
        digests, cancellationToken);

    public ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken) =>
        ReadFromAsync(ChunkOf(request.Piece), (from, target, stop) => Blocks(from).ReadBlocksAsync(request, target, stop), frame, cancellationToken);

    private int ChunkOf(int blockPiece) => (int)((long)blockPiece * BlockLayout.PieceLength / Manifest.ChunkSize);

    private static IBlockReader Blocks(IContentReader from) => from as IBlockReader ?? throw new IOException("The pod gives no blocks.");
}
