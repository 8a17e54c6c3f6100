namespace Orleans.ImageMgmt.Content;

/// <summary>A reader that decides in which order chunks are asked of it, and hears what became of them.</summary>
internal interface IDirectedReader : IContentReader
{
    /// <summary>How many ask <see cref="Next"/> at once, each on a thread of its own.</summary>
    int Strands { get; }

    /// <summary>What has to come, data chunks in any order. Called once, first.</summary>
    void Begin(IReadOnlyCollection<int> missing);

    /// <summary>The chunks to ask now, rising, which nobody else asks; null when all have come or are on their way. Blocks until it is known.</summary>
    IReadOnlyList<int>? Next(CancellationToken cancellationToken);

    /// <summary>The chunk came with a wrong digest; it is asked again.</summary>
    void Rejected(int chunk);
}
