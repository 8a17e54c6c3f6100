using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>A process without a silo: it finds the silos in the database, shows them a silo's certificate, and calls their grains.</summary>
internal static partial class FrontEnd
{
    /// <summary>Wait between two tries to reach a silo at the start.</summary>
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    /// <summary>How often the silos are read from the database.</summary>
    private static readonly TimeSpan Refresh = TimeSpan.FromSeconds(5);

    public static void AddFrontEnd(this IHostApplicationBuilder builder, HostSettings settings, PostgresStore store, SiloTrust trust, ILoggerFactory logging)
    {
        var log = logging.CreateLogger("imgmt.front-end");
        var tls = new TlsTransport(trust.Current, TimeProvider.System, logging.CreateLogger("imgmt.trust"));
        builder.Services.AddImageMgmtFrontEnd(settings.Options);
        builder.Services.AddSingleton<ISeat, FrontEndSeat>();
        builder.UseOrleansClient(client => client
            .AddClustered(store)
            .Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (settings.Cluster.Name, settings.Cluster.Name))
            .Configure<Orleans.Configuration.GatewayOptions>(gateways => gateways.GatewayListRefreshPeriod = Refresh)
            .Configure<ConnectionOptions>(connections => connections.ConnectionRetryDelay = Retry)
            .Configure<ClientConnectionOptions>(connections =>
                connections.ConfigureConnection(call => call.Use(next => connection => tls.CallAsync(connection, _ => next(connection)))))
            .UseConnectionRetryFilter((problem, stop) => WaitAsync(log, problem, stop)));
    }

    /// <summary>A front end may be started before the first silo: it waits until there is one, or until it is asked to end.</summary>
    private static async Task<bool> WaitAsync(ILogger log, Exception problem, CancellationToken stop)
    {
        NoSilo(log, problem.Message);
        await Task.Delay(Retry, TimeProvider.System, stop);
        return true;
    }

    [LoggerMessage(EventId = 8200, Level = LogLevel.Warning, Message = "No silo of the cluster answers yet; it is tried again: {Reason}")]
    private static partial void NoSilo(ILogger log, string reason);
}
