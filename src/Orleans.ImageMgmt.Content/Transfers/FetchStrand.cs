using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>What all strands of one receive fetch from, and into.</summary>
internal sealed record FetchSite(IContentReader Source, SafeFileHandle Staging, ProofBook Book, ReceiveOptions Options, StagedWatch Watch, StallGuard Guard);

/// <summary>Fetches chunks, on one thread at a time. A receive has one, or as many as a directed reader gives out pieces at once.</summary>
internal sealed class FetchStrand : IDisposable
{
    private readonly FetchSite site;
    private readonly CancellationToken cancellationToken;
    private readonly StagingWriter writer;
    private readonly BlockRoad? road;
    private readonly BlockFetch? far;
    private BlockFetch? mend;
    private long whole;

    /// <param name="site">From where, and into which file.</param>
    /// <param name="road">What the strands know together; null where the source gives no blocks.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public FetchStrand(FetchSite site, BlockRoad? road, CancellationToken cancellationToken)
    {
        (this.site, this.road, this.cancellationToken) = (site, road, cancellationToken);
        writer = new StagingWriter(site.Staging, site.Options.WriteBackBytes, site.Book);
        if (site.Source is IBlockReader blocks && site.Source.LocalFile is null)
        {
            far = new BlockFetch(site.Source, blocks, road!, site.Staging, writer, site.Options, site.Watch, cancellationToken);
        }
    }

    public long BytesTravelled => whole + (far?.BytesTravelled ?? 0) + (mend?.BytesTravelled ?? 0);

    /// <summary>Of blocks that stood in the file already.</summary>
    public long BytesKept => (far?.BytesKept ?? 0) + (mend?.BytesKept ?? 0);

    /// <summary>Of blocks that came from own copies.</summary>
    public long BytesOwn => far?.BytesOwn ?? 0;

    /// <summary>What is missing, as the source wants to be asked for it.</summary>
    /// <param name="site">From where, and into which file.</param>
    /// <param name="plan">What is missing.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The strands, for their sums.</returns>
    public static IReadOnlyList<FetchStrand> Run(FetchSite site, StagedChunks plan, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var directed = site.Source as IDirectedReader;
        var count = directed?.Strands ?? 1;
        var shared = site with { Options = site.Options.For(count) };
        var road = site.Source is IBlockReader blocks ? new BlockRoad(new LinkGauge(site.Options.Blocks, blocks.LinkBytesPerSecond, site.Options.TimeProvider), (plan.BytesNeeded + BlockLayout.PieceLength - 1) / BlockLayout.PieceLength) : null;
        FetchStrand[] strands = [.. Enumerable.Range(0, count).Select(_ => new FetchStrand(shared, road, over.Token))];
        try
        {
            if (directed is null)
            {
                strands[0].Run(plan.Tainted, true);
                strands[0].Run(plan.Fresh, false);
            }
            else
            {
                Run(directed, plan, strands, over);
            }
        }
        finally
        {
            foreach (var strand in strands)
            {
                strand.Dispose();
            }
        }

        return strands;
    }

    public void Dispose()
    {
        far?.Dispose();
        mend?.Dispose();
        writer.Dispose();
    }

    /// <summary>Each strand takes the next piece when it has brought its own: one that comes slowly holds up nobody else's. The first failure ends all.</summary>
    private static void Run(IDirectedReader directed, StagedChunks plan, FetchStrand[] strands, CancellationTokenSource over)
    {
        var tainted = plan.Tainted.ToHashSet();
        ExceptionDispatchInfo? failure = null;
        bool Drive(FetchStrand strand)
        {
            try
            {
                while (directed.Next(over.Token) is { } chunks)
                {
                    strand.Run([.. chunks.Where(tainted.Contains)], true);
                    strand.Run([.. chunks.Where(chunk => !tainted.Contains(chunk))], false);
                }
            }
            catch (Exception trouble)
            {
                // Whatever it is, it goes on from the transfer's own thread, when no other strand writes any more.
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(trouble), null);
                over.Cancel();
            }

            return true;
        }

        var others = strands.Skip(1).Select(strand => PieceBuffers.RunAsync(() => Drive(strand), CancellationToken.None)).ToArray();
        Drive(strands[0]);
        Task.WaitAll(others);
        failure?.Throw();
    }

    private void Run(IReadOnlyList<int> chunks, bool tainted)
    {
        if (chunks.Count == 0)
        {
            return;
        }

        if (far is not null)
        {
            far.Run(chunks, tainted);
        }
        else if (tainted && site.Source is IBlockReader blocks)
        {
            // What is cut or damaged on this machine too is mended by the blocks that are wrong, not by whole chunks; other copies are not looked through for them.
            mend ??= new BlockFetch(site.Source, blocks, road!, site.Staging, writer, site.Options.WithoutOwnCopies(), site.Watch, cancellationToken);
            mend.Run(chunks, tainted);
        }
        else
        {
            if (site.Source.LocalFile is { } file && !tainted && (!site.Watch.IsSampled || site.Source.Manifest.ChunkSize <= DiskBuffers.Length))
            {
                var copy = new LocalCopy(file, site, writer, cancellationToken);
                whole += copy.Run(chunks);
                chunks = copy.Wrong; // asked once more, as from far: it may have been the memory here
            }

            whole += new HashedFetch(site.Source, writer, site.Options, site.Watch, cancellationToken).Run(chunks, tainted);
        }
    }
}
