using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.ImageMgmt.Client;

namespace Orleans.ImageMgmt.Host;

/// <summary>The locks on the ports of Orleans itself, which asks nobody who they are.</summary>
internal static class SiloLocks
{
    /// <summary>Silos speak mutual TLS with each other: only the holder of a silo's certificate of the same authority gets through, also when this
    /// silo is alone, because other users of the machine can reach loopback. Callers of the gateway need a caller's certificate; in a cluster it is there for
    /// the front ends of the cluster alone, which are trusted as silos are.</summary>
    public static ISiloBuilder AddSiloLocks(this ISiloBuilder silo, SiloTrust trust, GatewayOptions gateway, bool isCluster, ILoggerFactory logging, TimeProvider time)
    {
        var logger = logging.CreateLogger("imgmt.trust");
        var tls = new TlsTransport(trust.Current, time, logger);
        silo.Configure<SiloConnectionOptions>(connections =>
        {
            connections.ConfigureSiloInboundConnection(port => port.Use(next => connection => tls.AnswerAsync(connection, CertificateKind.Silo, _ => next(connection))));
            connections.ConfigureSiloOutboundConnection(call => call.Use(next => connection => tls.CallAsync(connection, _ => next(connection))));
            connections.ConfigureGatewayInboundConnection(port =>
            {
                if (isCluster)
                {
                    port.Use(next => connection => tls.AnswerAsync(connection, CertificateKind.Silo, _ => next(connection)));
                    return;
                }

                var guard = port.ApplicationServices.GetRequiredService<GatewayGuard>();
                port.Use(next => connection => tls.AnswerAsync(connection, CertificateKind.Client, name => guard.RunAsync(connection, name, next)));
            });
        });
        silo.Services.AddSingleton<GatewayCallers>();
        silo.Services.AddSingleton<GatewayMessages>();
        silo.Services.AddSingleton(services => new GatewayGuard(
            services.GetRequiredService<GatewayMessages>(), services.GetRequiredService<GatewayCallers>(), gateway, time, logger));
        return gateway.IsOn ? silo.AddIncomingGrainCallFilter<CallerFilter>().Configure<EndpointOptions>(endpoints => Open(endpoints, gateway)) : silo;
    }

    /// <summary>The silo's port stays on loopback; the gateway listens where it was told, and that is the address clients know the silo by.</summary>
    private static void Open(EndpointOptions endpoints, GatewayOptions gateway)
    {
        var listen = IPEndPoint.Parse(gateway.Listen);
        listen.Port = listen.Port == 0 ? FreePort(listen.Address) : listen.Port;
        endpoints.AdvertisedIPAddress = listen.Address;
        endpoints.SiloListeningEndpoint = new IPEndPoint(IPAddress.Loopback, endpoints.SiloPort);
        endpoints.GatewayPort = listen.Port;
        endpoints.GatewayListeningEndpoint = listen;
    }

    /// <summary>Any free port, so that several services can live on one machine.</summary>
    public static int FreePort(IPAddress address)
    {
        using var probe = new System.Net.Sockets.TcpListener(address, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
