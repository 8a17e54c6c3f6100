namespace Orleans.ImageMgmt.Content;

/// <summary>A reader that decides in which order chunks are asked of it, and hears what became of them.</summary>
internal interface IDirectedReader : IContentReader
{
    /// <summary>How many ask <see cref="Next"/> at once, each on a thread of its own.</summary>
    int Strands { get; }

    /// <summary>What has to come. Called first, and again when something that was filled in was wrong.</summary>
    /// <param name="missing">Data chunks in any order.</param>
    /// <param name="filling">Others, which the pod's own copies give meanwhile.</param>
    void Begin(IReadOnlyCollection<int> missing, IReadOnlyCollection<int> filling);

    /// <summary>The chunks to ask now, rising, which nobody else asks; null when all have come or are on their way. Blocks until it is known.</summary>
    IReadOnlyList<int>? Next(CancellationToken cancellationToken);

    /// <summary>The chunk came with a wrong digest; it is asked again.</summary>
    void Rejected(int chunk);

    /// <summary>A chunk of those that are filled in has its bytes; nobody has looked at them yet.</summary>
    void Filled(int chunk);

    /// <summary>A chunk was read back right. It may be one that came.</summary>
    void Proved(int chunk);
}
