using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>Calls block servers in the name of this silo, and signs the tickets for it and for receivers at sites.</summary>
internal sealed class BlockLink : IBlockLink, IDisposable
{
    /// <summary>A connection is made anew after this, so that a renewed certificate is shown soon.</summary>
    private static readonly TimeSpan ConnectionLife = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    private readonly BlocksOptions options;
    private readonly Func<PrivateTrust> trust;
    private readonly TimeProvider time;
    private readonly HttpMessageInvoker http;

    public BlockLink(BlocksOptions options, Func<PrivateTrust> trust, TimeProvider time)
    {
        (this.options, this.trust, this.time) = (options, trust, time);
        http = new HttpMessageInvoker(MakeHandler(trust));
    }

    /// <summary>Speaks HTTP to block servers of the same authority and to nobody else.</summary>
    /// <param name="trust">What is shown, and whose certificates count.</param>
    /// <param name="isMeant">Whether the server is the one that is meant; null: any of the authority's is, for its bytes are hashed.</param>
    internal static SocketsHttpHandler MakeHandler(Func<PrivateTrust> trust, Func<CertificateName, X509Certificate, bool>? isMeant = null) => new()
    {
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        UseProxy = false,
        ConnectTimeout = ConnectTimeout,
        PooledConnectionLifetime = ConnectionLife,
        SslOptions = new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            AllowRenegotiation = false,
            AllowTlsResume = false,
            LocalCertificateSelectionCallback = (_, _, _, _, _) => trust().Own,
            RemoteCertificateValidationCallback = (_, shown, _, _) =>
                trust().Check(shown as X509Certificate2, asServer: true, CertificateKind.Blocks, CertificateKind.Silo).Name is { } name && isMeant?.Invoke(name, shown!) != false,
        },
    };

    public async Task<ConnectorResult<IContentReader>> OpenAsync(BlockPlace place, ContentDescription content, CancellationToken cancellationToken)
    {
        var server = place.Server ?? throw new ArgumentException("A copy without a block server is opened by its pod's connector.", nameof(place));
        var source = new BlockSource(server, content.ManifestDigest, _ => ValueTask.FromResult(Sign(place, content, TicketUse.Blocks, Digest.FromBytes(SHA256.HashData(trust().Own.RawData)))));
        try
        {
            return new ConnectorResult<IContentReader>.Done(await HttpContentReader.OpenAsync(source, http, options.Asking, time, cancellationToken));
        }
        catch (BlockCallException refused)
        {
            return new ConnectorFault(FaultStage.Open, CauseOf(refused), $"Pod {place.Pod} through {server.Authority}: {refused.Message}", NextOf(refused));
        }
        catch (InvalidDataException wrong)
        {
            return new ConnectorFault(FaultStage.Open, FaultCause.SourceCorrupt, $"Pod {place.Pod}: {wrong.Message}", "Verify the copy on the sending pod; another pod's copy can serve instead.");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ConnectorFaults.Cancelled(FaultStage.Open, $"The call to pod {place.Pod}");
        }
    }

    public Uri? AddressOf(BlockPlace place, ContentDescription content)
    {
        return ServerOf(place) is { } server
            ? new Uri(server, $"{BlockRoutes.Of(content.ManifestDigest, BlockRoutes.Artefact)}?{BlockRoutes.TicketQuery}={Sign(place, content, TicketUse.Artefact, null).Text}")
            : null;
    }

    /// <summary>A ticket for a receiver of its own certificate; null where nobody serves the place.</summary>
    public BlockGrant? GrantFor(BlockPlace place, ContentDescription content, Digest receiver) =>
        ServerOf(place) is { } server ? new BlockGrant(server, Sign(place, content, TicketUse.Blocks, receiver)) : null;

    public void Dispose() => http.Dispose();

    private Uri? ServerOf(BlockPlace place) => place.Server ?? (options.IsOn && options.PublicUrl.Length > 0 ? new Uri(options.PublicUrl) : null);

    private IssuedTicket Sign(BlockPlace place, ContentDescription content, TicketUse use, Digest? receiver)
    {
        var own = trust().Own;
        var now = time.GetUtcNow();
        return TicketText.Sign(new BlockTicket(Guid.NewGuid(), place.Pod, place.Version, content.ManifestDigest, receiver, use, now, now + options.TicketLife), own);
    }

    private static FaultCause CauseOf(BlockCallException refused) => refused.Status switch
    {
        HttpStatusCode.NotFound => FaultCause.SourceMissing,
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => FaultCause.Denied,
        _ => FaultCause.Unreachable,
    };

    private static string NextOf(BlockCallException refused) => refused.Status switch
    {
        HttpStatusCode.NotFound => "Look whether the block server is given this pod's folders, and whether the copy is there.",
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => "Give both machines the same authority (Trust:Authority) and compare their clocks.",
        _ => "It is tried again; look whether the block server runs and can be reached if it repeats.",
    };
}
