namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>The durable store under a silo, whatever database it stands on. Opened before the silo starts, disposed after it has stopped.</summary>
public abstract class SiloStore : IAsyncDisposable
{
    private protected SiloStore()
    {
    }

    /// <summary>Where it is, for messages: a folder, or a database server with its database; never a password.</summary>
    public abstract string Place { get; }

    /// <summary>Full path of the silo's own folder.</summary>
    public abstract string DataDirectory { get; }

    /// <summary>What grains keep.</summary>
    public abstract IDurableStore Rows { get; }

    /// <summary>What lists show.</summary>
    public abstract CatalogReader Catalog { get; }

    public abstract StoreCounters Counters { get; }

    /// <summary>Ends when the database is found to be damaged. The host stops then: nothing more can be stored.</summary>
    public abstract Task<StoreCorruptException> Broken { get; }

    /// <summary>Makes the catalog again from all stored state, in one transaction; the activity log stays. Writes wait meanwhile, lists show the old catalog.</summary>
    /// <param name="project">What lists show for one stored row; must not call the store.</param>
    /// <param name="cancellationToken">Stops it; nothing has changed then.</param>
    /// <returns>State rows read.</returns>
    /// <exception cref="TimeoutException">It took longer than <see cref="DurableOptions.RebuildTimeout"/>; nothing has changed.</exception>
    public abstract Task<long> RebuildAsync(Func<StoredRow, IEnumerable<Projection>> project, CancellationToken cancellationToken);

    /// <summary>Commits nothing, with a sync: returns when the store can be written, and throws what a write would throw.</summary>
    /// <exception cref="StoreException">It cannot; the sentence says why.</exception>
    public abstract Task ProbeAsync(CancellationToken cancellationToken);

    public abstract ValueTask DisposeAsync();
}
