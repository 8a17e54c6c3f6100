using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>What a receiver on another machine needs instead of an open reader: where the content is to be had, and who says which piece comes from whom.</summary>
/// <param name="Origin">Where the sending pod's copy lies.</param>
/// <param name="PlaceOf">Where the copy of another pod lies. Throws <see cref="IOException"/> when that cannot be told.</param>
/// <param name="Swarm">The fan-out's tracker; null: everything comes from <paramref name="Origin"/>.</param>
/// <param name="PieceBytes">Bytes of the smallest piece of the fan-out.</param>
internal sealed record ContentRoute(BlockPlace Origin, Func<PodName, CancellationToken, Task<BlockPlace>> PlaceOf, ISwarm? Swarm, long PieceBytes);
