using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.ImageMgmt.Client;

namespace Orleans.ImageMgmt.Host;

/// <summary>The locks on the ports of Orleans itself, which asks nobody who they are.</summary>
internal static class SiloLocks
{
    /// <summary>Silos speak mutual TLS with each other: only the holder of a silo's certificate of the same authority gets through, also when this
    /// silo is alone, because other users of the machine can reach loopback.</summary>
    public static ISiloBuilder AddSiloLocks(this ISiloBuilder silo, SiloTrust trust, ILoggerFactory logging, TimeProvider time)
    {
        var tls = new TlsTransport(trust.Current, time, logging.CreateLogger("imgmt.trust"));
        return silo.Configure<SiloConnectionOptions>(connections =>
        {
            connections.ConfigureSiloInboundConnection(port => port.Use(next => connection => tls.AnswerAsync(connection, CertificateKind.Silo, _ => next(connection))));
            connections.ConfigureSiloOutboundConnection(call => call.Use(next => connection => tls.CallAsync(connection, _ => next(connection))));
        });
    }
}
