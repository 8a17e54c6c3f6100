using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>The way to block servers, which the host has: it holds the certificate that they know and the key that tickets are signed with.</summary>
public interface IBlockLink
{
    /// <summary>Opens a copy for ranged reads over the network. Throws nothing for what the world does.</summary>
    Task<ConnectorResult<IContentReader>> OpenAsync(BlockPlace place, ContentDescription content, CancellationToken cancellationToken);

    /// <summary>A short-lived address from which a platform can fetch the whole raw artefact.</summary>
    /// <param name="place">Where the copy lies. No server: on a pod of this process, which may serve it itself.</param>
    /// <param name="content">What it holds.</param>
    /// <returns>Null where nobody serves it.</returns>
    Uri? AddressOf(BlockPlace place, ContentDescription content);
}

/// <summary>Where a copy is read.</summary>
/// <param name="Server">The block server; null: none that the pod's settings name.</param>
/// <param name="Pod">The copy's pod.</param>
/// <param name="Version">The copy's version.</param>
public sealed record BlockPlace(Uri? Server, PodName Pod, VersionId Version);
