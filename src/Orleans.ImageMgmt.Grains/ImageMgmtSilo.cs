using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Hosting;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Puts the grains, the transfer worker and the connectors into a silo.</summary>
public static class ImageMgmtSilo
{
    /// <summary>Everything but storage, reminders and clustering, which the host chooses.</summary>
    public static ISiloBuilder AddImageMgmt(this ISiloBuilder silo, ImageMgmtOptions options)
    {
        silo.Services.TryAddSingleton(TimeProvider.System);
        silo.Services.TryAddSingleton<IFaultLog>(SilentFaultLog.Instance);
        silo.Services.AddSingleton(options);
        silo.Services.AddSingleton<Reporter>();
        silo.Services.AddSingleton<ConnectorCache>();
        silo.Services.AddSingleton<PublishTargets>();
        silo.Services.AddSingleton(services => new PublishPlanning(services.GetRequiredService<IGrainFactory>(), services.GetRequiredService<PublishTargets>(),
            services.GetRequiredService<CatalogReader>(), services.GetRequiredService<ImageMgmtOptions>(), services.GetRequiredService<TimeProvider>()));
        silo.Services.AddSingleton<OperationIds>();
        silo.Services.AddSingleton<TokenChanges>();
        silo.Services.AddSingleton<TransferCounters>();
        silo.Services.AddSingleton(services => new RateGate(services.GetRequiredService<TimeProvider>()));
        silo.Services.AddSingleton<PodRates>();
        silo.Services.AddSingleton<TransferWorker>();
        silo.Services.AddSingleton<IConnectorFactory>(services => new FilesystemPods(services.GetRequiredService<TimeProvider>()));
        silo.Services.AddSingleton<IConnectorFactory>(services => new SimulatedPods(services.GetRequiredService<TimeProvider>()));
        silo.Services.AddSingleton(services => new ConnectorRegistry(
            services.GetServices<IConnectorFactory>(), services.GetRequiredService<TimeProvider>(), services.GetRequiredService<IFaultLog>(),
            services.GetService<IBlockLink>()));
        silo.Services.AddSingleton(services => new ImageMgmtClient(services.GetRequiredService<IGrainFactory>(), services.GetRequiredService<TimeProvider>()));
        silo.Services.AddHostedService<TransferLifetime>();
        silo.Services.AddHostedService<ResumeScan>();
        silo.Services.AddHostedService<Reconciler>();
        silo.Services.TryAddSingleton(new GenerationFloor(0));
        return silo;
    }

    /// <summary>Grain state, reminders and the catalog on an embedded store.</summary>
    /// <param name="silo">Gets them.</param>
    /// <param name="store">Already open.</param>
    /// <param name="restored">What it says of its restore, or null when it never was.</param>
    public static ISiloBuilder AddEmbedded(this ISiloBuilder silo, EmbeddedStore store, RestoreRecord? restored = null)
    {
        silo.AddEmbeddedStorage(store);
        silo.Services.AddSingleton(new GenerationFloor(restored?.GenerationFloor ?? 0));
        silo.UseEmbeddedReminders(store.DataDirectory);
        return silo;
    }

    /// <summary>Grain state, membership, reminders and the catalog in a database that the silos of a cluster share.</summary>
    public static ISiloBuilder AddClustered(this ISiloBuilder silo, PostgresStore store) => silo.AddClusteredStorage(store).AddCapSharing();

    /// <summary>For silos that others may join: caps that several of them use at once are divided among them.</summary>
    internal static ISiloBuilder AddCapSharing(this ISiloBuilder silo)
    {
        silo.Services.AddHostedService<CapSharing>();
        return silo;
    }
}

/// <summary>Stops transfers before Orleans stops, so that no result is sent to a silo that is gone.</summary>
internal sealed class TransferLifetime(TransferWorker worker) : IHostedService
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(10);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => worker.StopAsync(StopLimit);
}
