using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>One process with one silo: alone on an embedded store, where nothing else has to be installed, or in a cluster on PostgreSQL.</summary>
internal sealed class ServiceHost : IAsyncDisposable
{
    /// <summary>The longest that the parts of a host may take to end: transfers let go within half of it.</summary>
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(20);

    private readonly SiloStore store;
    private readonly IHost host;
    private readonly ProbeServer? probes;
    private readonly TimeSpan drain;
    private readonly ILoggerFactory logging;

    private ServiceHost(SiloStore store, IHost host, ProbeServer? probes, TimeSpan drain, ILoggerFactory logging)
    {
        (this.store, this.host, this.probes, this.drain, this.logging) = (store, host, probes, drain, logging);
    }

    public IServiceProvider Services => host.Services;

    /// <summary>Ends when the service cannot go on by itself, with a sentence: its database is damaged, or something inside has asked for the end.</summary>
    public async Task<string> FailedAsync(CancellationToken stop)
    {
        var ending = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(ending.SetResult);
        if (await Task.WhenAny(store.Broken, ending.Task).WaitAsync(stop) == store.Broken)
        {
            return (await store.Broken).Message;
        }

        stop.ThrowIfCancellationRequested();
        return "The service ended by itself. The log says why; start it again.";
    }

    /// <summary>Says that it takes nothing new and answers on for a while; a host that is alone has nobody who would take over, and ends at once.</summary>
    public Task TakeLeaveAsync() => Services.GetRequiredService<Departure>().WaitAsync(drain, TimeProvider.System);

    /// <summary>Opens the data directory and starts the silo.</summary>
    /// <exception cref="StoreException">The data directory cannot be used; the message is one sentence.</exception>
    public static async Task<ServiceHost> StartAsync(HostSettings settings, CancellationToken cancellationToken)
    {
        var logging = LoggerFactory.Create(log => log.AddImgmt(settings));
        var probes = await ProbeServer.StartAsync(settings.Probes, logging, TimeProvider.System, cancellationToken);
        SiloStore? store = null;
        IHost? host = null;
        try
        {
            store = await OpenAsync(settings, logging.CreateLogger("imgmt.store"), cancellationToken);
            var trust = SiloTrust.Open(settings.DataDirectory, settings.Trust, TimeProvider.System);
            await (settings.Cluster.IsOn ? SharedKeys.CheckAsync(store.Rows, SharedSecret.Read(settings), cancellationToken) : Task.CompletedTask);
            var restored = await RestoreRecord.ReadAsync(store.Rows, cancellationToken);
            host = settings.Http is null ? BuildQuiet(settings, store, restored, trust, logging) : BuildWeb(settings, settings.Http, store, restored, trust, logging);
            await host.StartAsync(cancellationToken);
            probes?.Started(host.Services.GetRequiredService<Readiness>());
            return new ServiceHost(store, host, probes, settings.Cluster.IsOn ? settings.Cluster.DrainTime : TimeSpan.Zero, logging);
        }
        catch (Exception problem)
        {
            // Whatever it was goes on to the caller; what was begun is ended first, the silo before its store.
            await ((host as IAsyncDisposable)?.DisposeAsync() ?? ValueTask.CompletedTask);
            await (store?.DisposeAsync() ?? ValueTask.CompletedTask);
            await (probes?.DisposeAsync() ?? ValueTask.CompletedTask);
            logging.Dispose();
            if (problem is System.Data.Common.DbException gone)
            {
                // Orleans' own tables are read while it starts, and its providers give the driver's error as it is.
                throw new StoreUnavailableException(StoreUnavailableException.InputOutput, $"{store?.Place ?? "The database"} went away while the silo started: {gone.Message}", gone);
            }

            throw;
        }
    }

    /// <summary>The silo alone: nobody can reach it but this process.</summary>
    private static IHost BuildQuiet(HostSettings settings, SiloStore store, RestoreRecord? restored, SiloTrust trust, ILoggerFactory logging)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        AddService(builder, settings, store, restored, trust, logging);
        return builder.Build();
    }

    /// <summary>The doors: HTTP, the dashboard, health, in front of a silo in this process or of others. Nothing is mapped outside the locks.</summary>
    private static WebApplication BuildWeb(HostSettings settings, HttpOptions http, SiloStore store, RestoreRecord? restored, SiloTrust trust, ILoggerFactory logging)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        AddService(builder, settings, store, restored, trust, logging);
        builder.AddLocks(settings, http);
        var isForPeople = settings.Cluster.Role != ClusterRole.Silo;
        if (isForPeople)
        {
            builder.AddDoors(settings, http);
        }

        builder.AddUpkeep(settings, store);
        var app = builder.Build();
        app.UseLocks();
        app.UseDoors();
        if (isForPeople)
        {
            app.MapLocks();
            app.MapDoors();
        }

        app.MapUpkeep();
        return app;
    }

    private static void AddService(IHostApplicationBuilder builder, HostSettings settings, SiloStore store, RestoreRecord? restored, SiloTrust trust, ILoggerFactory logging)
    {
        builder.Services.AddSystemd(); // tells systemd when the service is ready and when it ends; nothing where there is no systemd
        builder.Services.AddLogging(log => log.AddImgmt(settings));
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = StopLimit);
        builder.Services.AddSingleton<IHostLifetime, CommandLifetime>();
        builder.Services.AddSingleton<Departure>();
        builder.Services.AddSingleton<Readiness>();
        builder.Services.AddSingleton(trust);
        builder.Services.AddSingleton(settings.FaultLog);
        var link = new BlockLink(settings.Blocks, trust.Current, TimeProvider.System);
        builder.Services.AddSingleton<IBlockLink>(link);
        builder.Services.AddSingleton<ISiteLink>(new SiteLink(link, trust.Current, TimeProvider.System));
        if (settings.Blocks.IsOn)
        {
            builder.Services.AddSingleton(services => new BlockServer(
                settings.Blocks, trust.Current, PodLibraries.OfCatalog(services.GetRequiredService<IGrainFactory>(), services.GetRequiredService<ConnectorRegistry>()).OpenAsync,
                logging, TimeProvider.System));
            builder.Services.AddHostedService(services => services.GetRequiredService<BlockServer>());
        }

        if (!settings.Cluster.HasSilo)
        {
            builder.AddFrontEnd(settings, (PostgresStore)store, trust, logging);
            return;
        }

        builder.Services.AddSingleton<ISeat, SiloSeat>();
        builder.UseOrleans(silo => (store is PostgresStore shared ? silo.AddCluster(settings.Cluster, shared, restored) : AddAlone(silo, (EmbeddedStore)store, restored))
            .AddSiloLocks(trust, settings.Gateway, settings.Cluster.IsOn, logging, TimeProvider.System)
            .AddImageMgmt(settings.Options));
    }

    private static async Task<SiloStore> OpenAsync(HostSettings settings, ILogger log, CancellationToken cancellationToken)
    {
        if (!settings.Cluster.IsOn)
        {
            return EmbeddedStore.Open(settings.DataDirectory, settings.Store, log, TimeProvider.System);
        }

        settings.Cluster.Check(settings);
        return await PostgresStore.OpenAsync(
            settings.DataDirectory, settings.Cluster.ReadConnectionString(settings.Trust.AllowGroupRead), settings.Cluster.Connections, settings.Store, log, TimeProvider.System, cancellationToken);
    }

    private static ISiloBuilder AddAlone(ISiloBuilder silo, EmbeddedStore store, RestoreRecord? restored) => silo
            .UseLocalhostClustering(SiloLocks.FreePort(IPAddress.Loopback), gatewayPort: 0, serviceId: "imgmt", clusterId: "embedded")
            .Configure<EndpointOptions>(endpoints =>
            {
                endpoints.AdvertisedIPAddress = IPAddress.Loopback;
                endpoints.GatewayPort = 0; // off unless Gateway:Listen says where
            })
            .AddEmbedded(store, restored);

    public async ValueTask DisposeAsync()
    {
        await host.StopAsync();
        host.Dispose();
        await store.DisposeAsync();
        await (probes?.DisposeAsync() ?? ValueTask.CompletedTask);
        logging.Dispose();
    }
}

/// <summary>What an embedded host is started with.</summary>
internal sealed record HostSettings(string DataDirectory)
{
    public ImageMgmtOptions Options { get; init; } = new();

    public DurableOptions Store { get; init; } = new();

    public ClusterModeOptions Cluster { get; init; } = new();

    public TrustOptions Trust { get; init; } = new();

    public GatewayOptions Gateway { get; init; } = new();

    public TelemetryOptions Telemetry { get; init; } = new();

    public BackupOptions Backup { get; init; } = new();

    public BlocksOptions Blocks { get; init; } = new();

    public ProbesOptions Probes { get; init; } = new();

    /// <summary>How HTTP is served; null: not at all (the demo).</summary>
    public HttpOptions? Http { get; init; }

    public IFaultLog FaultLog { get; init; } = SilentFaultLog.Instance;

    public LogOptions Log { get; init; } = new();

    /// <summary>Every option as it is in force and where it came from; filled by <see cref="SettingsReader"/>.</summary>
    public IReadOnlyList<EffectiveOption> Effective { get; set; } = [];

    /// <summary>The newest log lines, for the support bundle.</summary>
    public RecentLines RecentLines { get; } = new();

    /// <summary>Reads <c>KEY=VALUE</c> settings into the options, as the command line does; a key that no option has is an error.</summary>
    /// <exception cref="SettingsException">Keys or values cannot be used; the message lists all of them.</exception>
    public HostSettings With(IReadOnlyList<string> assignments) =>
        this.FillOrThrow(new SettingsRequest(DataDirectory) { Environment = new Dictionary<string, string>(), NoFile = true, Assignments = assignments });
}

/// <summary>A setting cannot be used; the message is one sentence.</summary>
internal sealed class SettingsException(string message) : Exception(message);
