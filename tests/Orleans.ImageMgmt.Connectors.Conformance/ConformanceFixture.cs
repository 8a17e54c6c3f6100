using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors.Conformance;

/// <summary>A fresh pod for one test, and the hands that a test needs on its inside. Write one for your connector and derive from
/// <see cref="ConnectorConformance"/>.</summary>
public abstract class ConformanceFixture : IAsyncDisposable
{
    /// <summary>The connector under test; another object after <see cref="ReopenAsync"/>.</summary>
    public abstract IPodConnector Connector { get; }

    /// <summary>Drops the connector as a dying process would, and makes a new one for the same pod.</summary>
    /// <param name="room">Bytes that the pod has room for in all, what it holds already included; null for plenty.</param>
    public abstract Task ReopenAsync(long? room = null);

    /// <summary>Puts a raw disk with these bytes among the sources. Only asked of connectors that can prepare.</summary>
    public abstract SourceRef AddSource(string name, byte[] bytes);

    /// <summary>A source that must be refused: damaged, or pointing elsewhere.</summary>
    public abstract SourceRef AddUnusableSource();

    /// <summary>Overwrites a source that was added before.</summary>
    public abstract void ChangeSource(SourceRef source, byte[] bytes);

    /// <summary>Changes a byte of a chunk of a final copy behind the connector's back.</summary>
    public abstract void DamageFinal(VersionId version, int chunk);

    /// <summary>Changes a byte of a staged chunk behind the connector's back.</summary>
    public abstract void DamageStaged(VersionId version, int chunk);

    /// <summary>How an artefact's address is given out, for connectors that pull; null where none is needed.</summary>
    public virtual Func<CancellationToken, Task<Uri?>>? AddressOf(IContentReader reader) => null;

    public abstract ValueTask DisposeAsync();
}
