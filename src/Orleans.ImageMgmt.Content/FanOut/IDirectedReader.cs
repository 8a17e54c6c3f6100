namespace Orleans.ImageMgmt.Content;

/// <summary>A reader that decides in which order chunks are asked of it, and hears what became of them. Called by the transfer's own thread.</summary>
internal interface IDirectedReader : IContentReader
{
    /// <summary>What has to come, data chunks in any order. Called once, first.</summary>
    void Begin(IReadOnlyCollection<int> missing);

    /// <summary>The chunks to ask now, rising; null when all have come. Blocks until it is known.</summary>
    IReadOnlyList<int>? Next(CancellationToken cancellationToken);

    /// <summary>The chunk came with a wrong digest; it is asked again.</summary>
    void Rejected(int chunk);
}

/// <summary>Runs a fetch over what is missing: all at once, or as a directed reader says.</summary>
internal static class DirectedRuns
{
    /// <param name="source">Where from.</param>
    /// <param name="plan">What is missing.</param>
    /// <param name="run">Fetches some chunks; says whether they hold other bytes now.</param>
    public static void Run(IContentReader source, StagedChunks plan, Action<IReadOnlyList<int>, bool> run, CancellationToken cancellationToken)
    {
        if (source is not IDirectedReader directed)
        {
            run(plan.Tainted, true);
            run(plan.Fresh, false);
            return;
        }

        var tainted = plan.Tainted.ToHashSet();
        directed.Begin([.. plan.Tainted, .. plan.Fresh]);
        while (directed.Next(cancellationToken) is { } chunks)
        {
            run([.. chunks.Where(tainted.Contains)], true);
            run([.. chunks.Where(chunk => !tainted.Contains(chunk))], false);
        }
    }
}
