using System.Diagnostics.Metrics;
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
        silo.Services.AddImageMgmtFrontEnd(options);
        silo.Services.AddSingleton<Reporter>();
        silo.Services.AddSingleton<ConnectorCache>();
        silo.Services.AddSingleton<OperationIds>();
        silo.Services.AddSingleton(services => new RateGate(services.GetRequiredService<TimeProvider>()));
        silo.Services.AddSingleton<PodRates>();
        silo.Services.AddSingleton<TransferWorker>();
        silo.Services.AddHostedService<TransferLifetime>();
        silo.Services.AddSingleton<StartProgress>();
        silo.Services.AddHostedService<ResumeScan>();
        silo.Services.AddHostedService<Reconciler>();
        silo.Services.TryAddSingleton(new GenerationFloor(0));
        return silo;
    }

    /// <summary>What a process needs that answers people and calls grains, whether a silo is in it or not. The store and the way to the grains are the host's choice.</summary>
    public static IServiceCollection AddImageMgmtFrontEnd(this IServiceCollection services, ImageMgmtOptions options)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IFaultLog>(SilentFaultLog.Instance);
        services.AddSingleton(options);
        services.AddSingleton<PublishTargets>();
        services.AddSingleton(provider => new PublishPlanning(provider.GetRequiredService<IGrainFactory>(), provider.GetRequiredService<PublishTargets>(),
            provider.GetRequiredService<ImageMgmtOptions>(), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<TokenChanges>();
        services.AddSingleton<TransferCounters>();
        services.AddSingleton(provider => new SiloMeter(provider.GetRequiredService<TransferCounters>(), provider.GetService<IMeterFactory>()));
        services.AddSingleton<IConnectorFactory>(provider => new FilesystemPods(provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<IConnectorFactory>(provider => new SimulatedPods(provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new ConnectorRegistry(
            provider.GetServices<IConnectorFactory>(), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<IFaultLog>(),
            provider.GetService<IBlockLink>(), provider.GetService<ISiteLink>()));
        return services.AddSingleton(provider => new ImageMgmtClient(provider.GetRequiredService<IGrainFactory>(), provider.GetRequiredService<TimeProvider>()));
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
    /// <param name="silo">Gets them.</param>
    /// <param name="store">Already open.</param>
    /// <param name="restored">What it says of its restore, or null when it never was.</param>
    public static ISiloBuilder AddClustered(this ISiloBuilder silo, PostgresStore store, RestoreRecord? restored = null)
    {
        silo.Services.AddSingleton(new GenerationFloor(restored?.GenerationFloor ?? 0));
        return silo.AddClusteredStorage(store);
    }

    /// <summary>Finds the silos of a cluster in the database that they share, and reads lists from it.</summary>
    public static IClientBuilder AddClustered(this IClientBuilder client, PostgresStore store) => client.AddClusteredStorage(store);
}

/// <summary>Stops transfers before Orleans stops, so that no result is sent to a silo that is gone.</summary>
internal sealed class TransferLifetime(TransferWorker worker) : IHostedService
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(10);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => worker.StopAsync(StopLimit);
}
