using System.Net.WebSockets;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>The way to sites where pods are worked on, which the host has: it holds the certificate that they know and the key that tickets are signed with.</summary>
public interface ISiteLink
{
    /// <summary>Opens a line for one call. Nobody but the site of that name is on the other end.</summary>
    /// <exception cref="IOException">It cannot be opened; the message says why.</exception>
    Task<SiteLine> ConnectAsync(SitePlace site, CancellationToken cancellationToken);

    /// <summary>A ticket with which the holder of one certificate reads one content from one pod.</summary>
    /// <param name="place">Where the copy lies. No server: on a pod of this process, which may serve it itself.</param>
    /// <param name="content">What it holds.</param>
    /// <param name="receiver">SHA-256 of the certificate that the receiver shows.</param>
    /// <returns>Null where nobody serves it.</returns>
    BlockGrant? GrantFor(BlockPlace place, ContentDescription content, Digest receiver);
}

/// <summary>A site: where it answers, and the name in its certificate.</summary>
public sealed record SitePlace(Uri Server, string Name);

/// <summary>Where to read, and with what.</summary>
public sealed record BlockGrant(Uri Server, IssuedTicket Ticket);

/// <summary>An open line to a site.</summary>
/// <param name="socket">One JSON text a message, both ways.</param>
/// <param name="receiver">SHA-256 of the site's certificate: tickets for what it receives name it.</param>
/// <param name="owner">Closed after the socket.</param>
public sealed class SiteLine(WebSocket socket, Digest receiver, IDisposable owner) : IDisposable
{
    public WebSocket Socket { get; } = socket;

    public Digest Receiver { get; } = receiver;

    public void Dispose()
    {
        Socket.Dispose();
        owner.Dispose();
    }
}
