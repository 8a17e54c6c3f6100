using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>An offer made from an open copy. Does not own the reader: whoever opened it closes it.</summary>
public sealed class ReaderOffer : IContentOffer
{
    private readonly Func<CancellationToken, Task<Uri?>>? address;

    private ReaderOffer(
        IContentReader reader, ContentDescription content, Func<CancellationToken, Task<Uri?>>? address, Func<int, CancellationToken, ValueTask<int>>? throttle)
    {
        Reader = reader;
        Content = content;
        Throttle = throttle;
        this.address = address;
    }

    public ContentDescription Content { get; }

    public ContentManifest Manifest => Reader.Manifest;

    public IContentReader Reader { get; }

    public Func<int, CancellationToken, ValueTask<int>>? Throttle { get; }

    /// <summary>How a receiver on another machine comes to the content by itself; null where it cannot.</summary>
    internal ContentRoute? Route { get; private init; }

    /// <summary>Binds an open copy to the content it is said to be; refused when its manifest is not the version's.</summary>
    /// <param name="reader">An open copy.</param>
    /// <param name="content">What the catalog knows of the version.</param>
    /// <param name="address">Gives a short-lived address of the artefact, where somebody serves one.</param>
    /// <param name="throttle">Asked before bytes travel; see <see cref="IContentOffer.Throttle"/>.</param>
    public static ConnectorResult<ReaderOffer> Create(
        IContentReader reader, ContentDescription content, Func<CancellationToken, Task<Uri?>>? address = null,
        Func<int, CancellationToken, ValueTask<int>>? throttle = null)
    {
        var found = reader.Manifest.ComputeDigest();
        return found == content.ManifestDigest && reader.Manifest.ContentDigest == content.ContentDigest
            ? new ReaderOffer(reader, content, address, throttle)
            : new ConnectorFault(
                FaultStage.Open,
                FaultCause.SourceCorrupt,
                $"The opened copy has the manifest {found.Short()}; the version's is {content.ManifestDigest.Short()}.",
                "Verify the copy on the source pod; another pod's copy can serve instead.");
    }

    /// <summary>The same offer read through another reader of the same content.</summary>
    public ReaderOffer Over(IContentReader reader) => new(reader, Content, address, Throttle) { Route = Route };

    /// <summary>The same offer, with the way that a receiver on another machine takes.</summary>
    internal ReaderOffer Via(ContentRoute route) => new(Reader, Content, address, Throttle) { Route = route };

    public Stream OpenArtefact() => new ArtefactStream(Reader, isChecked: true, Throttle);

    public Task<Uri?> GetArtefactAddressAsync(CancellationToken cancellationToken) =>
        address is null ? Task.FromResult<Uri?>(null) : address(cancellationToken);
}
