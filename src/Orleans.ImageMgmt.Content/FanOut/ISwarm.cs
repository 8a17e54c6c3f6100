using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>What a receiver tells the tracker. What it holds is told every time, so that a tracker which knows nothing learns all.</summary>
/// <param name="Held">Pieces that are staged and verified.</param>
/// <param name="Wanted">Pieces that it wants to be told of; above 0 the answer may take a while.</param>
internal sealed record SwarmReport(PieceSet Held, int Wanted)
{
    /// <summary>Pieces that arrived since the last report, with the seconds that each took.</summary>
    public IReadOnlyDictionary<int, double> Arrived { get; init; } = new Dictionary<int, double>();

    /// <summary>Pieces that their source did not give.</summary>
    public IReadOnlyList<int> Failed { get; init; } = [];

    /// <summary>Pieces that take long, with the seconds that have gone by.</summary>
    public IReadOnlyDictionary<int, double> Late { get; init; } = new Dictionary<int, double>();

    /// <summary>Who sent wrong bytes, and the chunk that shows it.</summary>
    public (PodName Source, int Chunk)? Lie { get; init; }

    /// <summary>It stops here, and gives nothing any more until its next report. Told first of all too, for what an earlier try of this pod was promised.</summary>
    public bool IsLeaving { get; init; }

    /// <summary>Pieces that the receiver fills in from copies of its own, or of which all has come and these are yet to be read back: none of them is to be named to it. Null: none.</summary>
    public PieceSet? Filling { get; init; }
}

/// <summary>Ask this piece from this pod.</summary>
internal sealed record PieceOrder(int Piece, PodName Source, bool IsOrigin);

/// <summary>The tracker of a content and the way to the pods that it names.</summary>
internal interface ISwarm
{
    /// <summary>Tells, and hears what to ask; nothing when there is nothing now.</summary>
    /// <exception cref="IOException">The tracker does not answer.</exception>
    Task<IReadOnlyList<PieceOrder>> TellAsync(SwarmReport report, CancellationToken cancellationToken);

    /// <summary>Opens the pod's copy, final or on its way.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    Task<IContentReader> OpenAsync(PodName source, CancellationToken cancellationToken);

    /// <summary>Returns how many of the wanted bytes may travel now from that pod, or from the source pod where none is named, at least one; waits until some may.</summary>
    /// <exception cref="IOException">The pod's caps cannot be found out.</exception>
    ValueTask<int> AskAsync(PodName? from, int wanted, CancellationToken cancellationToken);

    /// <summary>The transfer waits for its turn, and is not stalled.</summary>
    void Waits();

    /// <summary>So many bytes came from another pod than the source pod, and were right.</summary>
    void CameFromPeer(int bytes);
}
