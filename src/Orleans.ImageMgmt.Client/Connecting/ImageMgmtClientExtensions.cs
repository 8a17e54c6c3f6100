using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Hosting;

namespace Orleans.ImageMgmt.Client;

/// <summary>Adds <see cref="ImageMgmtClient"/> to a program.</summary>
public static class ImageMgmtClientExtensions
{
    /// <summary>Adds an <see cref="ImageMgmtClient"/> that calls a service through its Orleans gateway. It connects when the host starts.</summary>
    /// <param name="builder">The program's host.</param>
    /// <param name="configure">Says where the gateway is and who calls.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The options cannot be used; the message has every fault. Names of gateways are looked up here: one that is unknown is a fault.</exception>
    /// <exception cref="TrustException">The certificate files cannot be used.</exception>
    public static IHostApplicationBuilder AddImageMgmtClient(this IHostApplicationBuilder builder, Action<ImageMgmtClientOptions> configure)
    {
        builder.Services.AddImageMgmtClient(configure);
        return builder;
    }

    /// <summary>Adds an <see cref="ImageMgmtClient"/> that calls a service through its Orleans gateway. It connects when the host starts.</summary>
    /// <param name="services">The program's services.</param>
    /// <param name="configure">Says where the gateway is and who calls.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="ArgumentException">The options cannot be used; the message has every fault. Names of gateways are looked up here: one that is unknown is a fault.</exception>
    /// <exception cref="TrustException">The certificate files cannot be used.</exception>
    public static IServiceCollection AddImageMgmtClient(this IServiceCollection services, Action<ImageMgmtClientOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        var options = new ImageMgmtClientOptions();
        configure(options);
        if (options.Faults() is { Count: > 0 } faults)
        {
            throw new ArgumentException($"The options of the ImageMgmt client cannot be used. {string.Join(" ", faults)}", nameof(configure));
        }

        var trust = new FileTrust(options.AuthorityFile, options.CertificateFile, options.KeyFile, TimeProvider.System);
        services.TryAddSingleton(TimeProvider.System);
        services.AddLogging();
        var gateways = Resolve(options);
        services.AddOrleansClient(client => Configure(client, options, gateways, trust));
        services.AddSingleton(provider => new ImageMgmtClient(provider.GetRequiredService<IClusterClient>(), provider.GetRequiredService<TimeProvider>()));
        return services;
    }

    private static void Configure(IClientBuilder client, ImageMgmtClientOptions options, IPEndPoint[] gateways, FileTrust trust)
    {
        client.UseStaticClustering(gateways);
        client.Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (options.ClusterId, options.ServiceId));
        client.Configure<ClientMessagingOptions>(messaging => messaging.ResponseTimeout = options.ResponseTimeout);
        client.Configure<GatewayOptions>(gateways => gateways.GatewayListRefreshPeriod = options.ConnectRetry); // a gateway that was away is tried again
        client.Configure<ConnectionOptions>(connections => connections.ConnectionRetryDelay = options.ConnectRetry);
        client.Configure<ClientConnectionOptions>(connections => connections.ConfigureConnection(call =>
        {
            var tls = new TlsTransport(trust.Current, TimeProvider.System, call.ApplicationServices.GetRequiredService<ILoggerFactory>().CreateLogger("Orleans.ImageMgmt.Client"));
            call.Use(next => connection => tls.CallAsync(connection, _ => next(connection)));
        }));
        client.UseConnectionRetryFilter(new PatientStart(options, TimeProvider.System).ShouldRetryAsync);
    }

    private static IPEndPoint[] Resolve(ImageMgmtClientOptions options)
    {
        try
        {
            return options.Resolve();
        }
        catch (SocketException unknown)
        {
            throw new ArgumentException($"The gateways of the ImageMgmt client ({string.Join(", ", options.Gateways)}) cannot be looked up: {unknown.Message}. Check their names, or name addresses.", nameof(options), unknown);
        }
    }

    /// <summary>A frontend and its service may be started together: the first connection is tried again for a while, counted from when it failed for the
    /// first time: between <c>AddImageMgmtClient</c> and the start of the host may be whatever the program has to do.</summary>
    internal sealed class PatientStart(ImageMgmtClientOptions options, TimeProvider time)
    {
        private long? began;

        public async Task<bool> ShouldRetryAsync(Exception problem, CancellationToken cancellationToken)
        {
            began ??= time.GetTimestamp();
            if (options.ConnectLimit == TimeSpan.Zero || time.GetElapsedTime(began.Value) > options.ConnectLimit)
            {
                return false;
            }

            await Task.Delay(options.ConnectRetry, time, cancellationToken);
            return true;
        }
    }
}
