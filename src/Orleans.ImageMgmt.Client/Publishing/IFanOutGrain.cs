using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>What a pod that receives tells the tracker of a fan-out, through the transfer worker that moves its bytes. Everything that the tracker
/// needs to know of the pod is in each report, so that a tracker which lost its memory has it again.</summary>
/// <param name="Pod">Who receives.</param>
/// <param name="Origin">The source pod.</param>
/// <param name="Region">The receiver's label <c>region</c>, or empty.</param>
/// <param name="Site">The receiver's label <c>site</c>, or empty.</param>
/// <param name="Gives">What it holds can be read from it before its copy is final.</param>
/// <param name="Pieces">In how many pieces it cuts the content; another number than the tracker's is refused.</param>
/// <param name="Held">A bit for each piece that is staged and verified.</param>
/// <param name="Wanted">Pieces that it wants to be told of.</param>
/// <param name="Arrived">Pieces that arrived, with the seconds each took.</param>
/// <param name="Failed">Pieces that their source did not give.</param>
/// <param name="Late">Pieces that take long, with the seconds gone by.</param>
/// <param name="Liar">Who sent wrong bytes, or null.</param>
/// <param name="LieChunk">The chunk that was wrong.</param>
/// <param name="IsLeaving">It stops here.</param>
/// <param name="Filling">A bit for each piece that it fills in from copies of its own, or that has come and is yet to be read back, not to be named to it; null: none.</param>
[GenerateSerializer, Immutable, Alias(Aliases.FanOutReport)]
internal sealed record FanOutReport(
    [property: Id(0)] PodName Pod,
    [property: Id(1)] PodName Origin,
    [property: Id(2)] string Region,
    [property: Id(3)] string Site,
    [property: Id(4)] bool Gives,
    [property: Id(5)] int Pieces,
    [property: Id(6)] byte[] Held,
    [property: Id(7)] int Wanted,
    [property: Id(8)] IReadOnlyDictionary<int, double> Arrived,
    [property: Id(9)] IReadOnlyList<int> Failed,
    [property: Id(10)] IReadOnlyDictionary<int, double> Late,
    [property: Id(11)] PodName? Liar,
    [property: Id(12)] int LieChunk,
    [property: Id(13)] bool IsLeaving,
    [property: Id(14)] byte[]? Filling);

/// <summary>Ask this piece from this pod.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.FanOutOrder)]
internal sealed record FanOutOrder([property: Id(0)] int Piece, [property: Id(1)] PodName Source, [property: Id(2)] bool IsOrigin);

/// <summary>Tracks who holds which pieces of one version, and says who asks whom for what. Keeps nothing: all of it can be told again.</summary>
[Alias(Aliases.FanOutGrain)]
internal interface IFanOutGrain : IGrainWithStringKey
{
    /// <summary>Tells, and hears what to ask. Where something is wanted and nothing is to be had, the answer is held back for a few seconds. Null: the tracker
    /// cuts the content otherwise.</summary>
    [Alias("Tell")]
    Task<IReadOnlyList<FanOutOrder>?> TellAsync(FanOutReport report);
}
