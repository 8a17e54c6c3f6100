using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;

namespace Orleans.ImageMgmt.Host;

/// <summary>The server's ports and what it takes from a connection before there is a request.</summary>
internal static class Listening
{
    /// <summary>Requests at once on one HTTP/2 connection.</summary>
    private const int StreamsPerConnection = 100;

    /// <summary>Time for a TLS handshake.</summary>
    private static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(10);

    public static void AddListening(this WebApplicationBuilder builder, HttpOptions http, ListenAddress address)
    {
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(server =>
        {
            server.AddServerHeader = false;
            Limit(server.Limits, http);
            var certificate = address.IsSecure ? server.ApplicationServices.GetRequiredService<ServerCertificate>() : null;
            if (address.Address is { } ip)
            {
                server.Listen(ip, address.Port, listen => Secure(listen, certificate));
            }
            else
            {
                server.ListenLocalhost(address.Port, listen => Secure(listen, certificate));
            }
        });
    }

    private static void Limit(KestrelServerLimits limits, HttpOptions http)
    {
        limits.MaxRequestBodySize = http.BodyLimitBytes;
        limits.MaxRequestHeadersTotalSize = http.HeadersLimitBytes;
        limits.MaxRequestHeaderCount = http.HeaderLimit;
        limits.MaxRequestLineSize = http.RequestLineLimitBytes;
        limits.RequestHeadersTimeout = http.HeadersTimeout;
        limits.KeepAliveTimeout = http.KeepAliveTimeout;
        limits.MinRequestBodyDataRate = new MinDataRate(http.BodyRateBytes, http.BodyRateGrace);
        limits.MaxConcurrentConnections = http.Connections;
        limits.MaxConcurrentUpgradedConnections = 0; // nothing here is upgraded
        limits.Http2.MaxStreamsPerConnection = StreamsPerConnection;
    }

    private static void Secure(ListenOptions listen, ServerCertificate? certificate)
    {
        listen.Protocols = certificate is null ? HttpProtocols.Http1 : HttpProtocols.Http1AndHttp2;
        if (certificate is not null)
        {
            listen.UseHttps(new TlsHandshakeCallbackOptions
            {
                HandshakeTimeout = HandshakeTimeout,
                OnConnection = _ => ValueTask.FromResult(certificate.Options()),
            });
        }
    }

    /// <summary>The addresses of a certificate, for a URL that its clients can check.</summary>
    public static string HostOf(X509Certificate2 certificate) =>
        certificate.MatchesHostname("localhost") ? "localhost" : certificate.GetNameInfo(X509NameType.DnsName, false);
}
