using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Providers;
using Orleans.Runtime.Hosting;
using Orleans.Serialization;
using Orleans.Serialization.Serializers;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Puts a store that several silos share under a silo.</summary>
public static class ClusteredStorageExtensions
{
    private const string Invariant = "Npgsql";

    /// <summary>Grain state through the group-commit store; membership and reminders through Orleans' AdoNet providers in the same database. The caller
    /// keeps owning the store and disposes it after the host has stopped.</summary>
    public static ISiloBuilder AddClusteredStorage(this ISiloBuilder silo, PostgresStore store)
    {
        silo.AddStorage(store);
        silo.UseAdoNetClustering(options => (options.Invariant, options.DataSource) = (Invariant, store.Source));
        return silo.UseAdoNetReminderService(options => (options.Invariant, options.DataSource) = (Invariant, store.Source));
    }

    /// <summary>For a process without a silo: the silos that answer are found in the database, lists are read from it. The caller keeps owning the store.</summary>
    public static IClientBuilder AddClusteredStorage(this IClientBuilder client, PostgresStore store)
    {
        client.Services.AddStore(store);
        return client.UseAdoNetClustering(options => (options.Invariant, options.DataSource) = (Invariant, store.Source));
    }

    /// <summary>Registers a store as grain storage, default and named, with its rows and its catalog.</summary>
    internal static void AddStorage(this ISiloBuilder silo, SiloStore store)
    {
        silo.Services.AddStore(store);
        foreach (var name in (string[])[ProviderConstants.DEFAULT_STORAGE_PROVIDER_NAME, EmbeddedStorageExtensions.StorageName])
        {
            silo.Services.AddGrainStorage(name, (services, _) => new GroupCommitGrainStorage(store.Rows, services.GetRequiredService<IActivatorProvider>()));
        }
    }

    /// <summary>Reminders and membership go through Orleans' AdoNet providers, and fail with the driver's own exceptions: without leave Orleans sends a fault of its own in
    /// their place from silo to silo. (What this store says is a <see cref="StoreException"/>, which everybody can read.)</summary>
    private static void AddStore(this IServiceCollection services, SiloStore store)
    {
        services.Configure<ExceptionSerializationOptions>(exceptions => exceptions.SupportedNamespacePrefixes.Add(Invariant));
        services.AddSingleton(store);
        services.AddSingleton(store.Rows);
        services.AddSingleton(store.Catalog);
    }
}
