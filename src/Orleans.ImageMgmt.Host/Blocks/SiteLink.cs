using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>Opens lines to the programs at sites in the name of this silo. A site gives receipts, so its certificate has to carry its name.</summary>
internal sealed class SiteLink(BlockLink blocks, Func<PrivateTrust> trust, TimeProvider time) : ISiteLink
{
    /// <summary>Path of a call at a site.</summary>
    public const string Route = "/site/v1/call";

    /// <summary>How often a silent line is asked whether it lives, and how long it may be silent then.</summary>
    public static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    public async Task<SiteLine> ConnectAsync(SitePlace site, CancellationToken cancellationToken)
    {
        Digest? receiver = null;
        string? other = null;
        var http = new HttpMessageInvoker(BlockLink.MakeHandler(trust, (name, shown) =>
        {
            if (name != new CertificateName(site.Name, CertificateKind.Blocks, ""))
            {
                other = name.Name;
                return false;
            }

            receiver = Digest.FromBytes(SHA256.HashData(shown.GetRawCertData()));
            return true;
        }));
        var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        socket.Options.KeepAliveInterval = KeepAlive;
        socket.Options.KeepAliveTimeout = KeepAlive;
        using var enough = new CancellationTokenSource(ConnectTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(enough.Token, cancellationToken);
        try
        {
            await socket.ConnectAsync(new UriBuilder(site.Server) { Scheme = Uri.UriSchemeWss, Path = Route }.Uri, http, either.Token);
            return new SiteLine(socket, receiver ?? throw new IOException("The site showed no certificate."), http);
        }
        catch (Exception refused)
        {
            var status = socket.HttpStatusCode;
            socket.Dispose();
            http.Dispose();
            throw refused switch
            {
                WebSocketException => new IOException(Why(status, other, site, refused), refused),
                OperationCanceledException when !cancellationToken.IsCancellationRequested => new IOException($"The site did not answer within {ConnectTimeout.TotalSeconds:0} s.", refused),
                _ => refused,
            };
        }
    }

    public BlockGrant? GrantFor(BlockPlace place, ContentDescription content, Digest receiver) => blocks.GrantFor(place, content, receiver);

    private static string Why(HttpStatusCode status, string? other, SitePlace site, Exception refused) => (other, status) switch
    {
        ({ } name, _) => $"The certificate there is that of '{name}', and '{site.Name}' is expected (site-name).",
        (null, HttpStatusCode.NotFound) => "The program there serves blocks and takes no calls: start it with --receive.",
        (null, HttpStatusCode.Forbidden) => "The site takes calls only from the service's own silos.",
        (null, HttpStatusCode.ServiceUnavailable) => "The site has as many calls under way as it takes.",
        _ => $"The site cannot be called: {refused.GetBaseException().Message}",
    };
}
