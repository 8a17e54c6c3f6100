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
    /// silo is alone, because other users of the machine can reach loopback. Callers of the gateway need a caller's certificate; in a cluster front ends come in
    /// by the same port, and are trusted as silos are.</summary>
    public static ISiloBuilder AddSiloLocks(this ISiloBuilder silo, SiloTrust trust, GatewayOptions gateway, bool isCluster, ILoggerFactory logging, TimeProvider time)
    {
        var logger = logging.CreateLogger("imgmt.trust");
        var tls = new TlsTransport(trust.Current, time, logger);
        silo.Configure<SiloConnectionOptions>(connections =>
        {
            connections.ConfigureSiloInboundConnection(port => port.Use(next => connection => tls.AnswerAsync(connection, [CertificateKind.Silo], _ => next(connection))));
            connections.ConfigureSiloOutboundConnection(call => call.Use(next => connection => tls.CallAsync(connection, _ => next(connection))));
            connections.ConfigureGatewayInboundConnection(port =>
            {
                CertificateKind[] wanted = [.. isCluster ? [CertificateKind.Silo] : Array.Empty<CertificateKind>(), .. gateway.IsOn || !isCluster ? [CertificateKind.Client] : Array.Empty<CertificateKind>()];
                var guard = port.ApplicationServices.GetRequiredService<GatewayGuard>();
                port.Use(next => connection => tls.AnswerAsync(connection, wanted, name => guard.RunAsync(connection, name, next)));
            });
        });
        silo.Services.AddSingleton<GatewayCallers>();
        silo.Services.AddSingleton<GatewayMessages>();
        silo.Services.AddSingleton(services => new GatewayGuard(
            services.GetRequiredService<GatewayMessages>(), services.GetRequiredService<CallerDirectory>(), gateway, time, logger));
        silo.Services.AddSingleton(services => new CallerDirectory(services.GetRequiredService<GatewayCallers>(), services.GetService<CallersElsewhere>(), time));
        if (isCluster)
        {
            // On each silo, whether its own gateway is on or not: a call may have come in by another one.
            silo.Services.AddSingleton<CallersElsewhere>();
            silo.AddGrainService<CallerDesk>();
        }

        return gateway.IsOn || isCluster
            ? silo.AddIncomingGrainCallFilter<CallerFilter>().Configure<EndpointOptions>(endpoints => Open(endpoints, gateway, isCluster))
            : silo;
    }

    /// <summary>The gateway listens where it was told. The port of a silo that is alone stays on loopback, and the gateway's address is what clients know it by.</summary>
    private static void Open(EndpointOptions endpoints, GatewayOptions gateway, bool isCluster)
    {
        if (!gateway.IsOn)
        {
            return;
        }

        var listen = IPEndPoint.Parse(gateway.Listen);
        listen.Port = listen.Port == 0 ? FreePort(listen.Address) : listen.Port;
        if (!isCluster)
        {
            endpoints.AdvertisedIPAddress = listen.Address;
            endpoints.SiloListeningEndpoint = new IPEndPoint(IPAddress.Loopback, endpoints.SiloPort);
        }

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
