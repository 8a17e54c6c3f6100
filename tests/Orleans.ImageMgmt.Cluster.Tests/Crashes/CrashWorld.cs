using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Hosting;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime.Hosting;
using Orleans.Serialization.Serializers;
using Orleans.Storage;
using Orleans.TestingHost;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Crashes;

/// <summary>A store and pods that stay, and a silo that can die and is then started again.</summary>
internal sealed class CrashWorld : IAsyncDisposable
{
    private readonly string folder;
    private readonly SiloStore store;
    private readonly CrashPlan plan;
    private readonly SimulatedPods pods = new(TimeProvider.System);
    private InProcessTestCluster cluster = null!;

    private CrashWorld(string folder, SiloStore store, CrashPlan plan) => (this.folder, this.store, this.plan) = (folder, store, plan);

    public CrashLife Life { get; private set; } = null!;

    public CatalogReader Catalog => store.Catalog;

    public SimulatedPods Pods => pods;

    /// <summary>Times that a silo was started.</summary>
    public int Lives { get; private set; }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <param name="plan">What goes wrong.</param>
    /// <param name="database">Connection string of an empty PostgreSQL database; null: SQLite.</param>
    public static async Task<CrashWorld> StartAsync(CrashPlan plan, string? database = null)
    {
        var folder = Directory.CreateTempSubdirectory("imgmt-crash-").FullName;
        var data = Path.Combine(folder, "data");
        SiloStore store = database is null
            ? EmbeddedStore.Open(data, new DurableOptions(), NullLogger.Instance, TimeProvider.System)
            : await PostgresStore.OpenAsync(data, database, 8, new DurableOptions(), NullLogger.Instance, TimeProvider.System, Token);
        var world = new CrashWorld(folder, store, plan);
        await world.BeginLifeAsync();
        return world;
    }

    /// <summary>Asks, and asks again when nobody answers, as a caller with an operation id may; after a death, the next life.</summary>
    public async Task AskAsync(Func<ImageMgmtClient, Task> ask)
    {
        for (var tries = 0; ; tries++)
        {
            await ReviveAsync();
            var asked = ask(new ImageMgmtClient(cluster.Client, TimeProvider.System));
            await Task.WhenAny(asked, Life.Death);
            if (asked.IsCompletedSuccessfully && !Life.IsDead)
            {
                return;
            }

            if (asked is { IsFaulted: true, Exception.InnerException: RefusedException or InvalidOperationException } || tries == 5)
            {
                await asked;
            }

            _ = asked.ContinueWith(static late => late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        }
    }

    /// <summary>Starts the silo again when it is dead.</summary>
    public async Task ReviveAsync()
    {
        if (Life.IsDead)
        {
            await EndLifeAsync();
            await BeginLifeAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Life.Die();
        await EndLifeAsync();
        await store.DisposeAsync();
        pods.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private async Task EndLifeAsync()
    {
        await cluster.KillSiloAsync((InProcessSiloHandle)cluster.Silos[0]);
        await cluster.DisposeAsync();
        Life.Dispose();
    }

    private async Task BeginLifeAsync()
    {
        Lives++;
        var life = Life = new CrashLife(plan);
        var builder = new InProcessTestClusterBuilder(1);
        builder.Options.ServiceId = "crash-test";
        builder.ConfigureSilo((_, silo) => Configure(silo, life));
        cluster = builder.Build();
        await cluster.DeployAsync();
    }

    private void Configure(ISiloBuilder silo, CrashLife life)
    {
        if (store is EmbeddedStore embedded)
        {
            silo.AddEmbedded(embedded);
        }
        else
        {
            silo.AddStorage(store);
            silo.UseAdoNetReminderService(options => (options.Invariant, options.DataSource) = ("Npgsql", ((PostgresStore)store).Source));
        }

        silo.AddImageMgmt(new ImageMgmtOptions
        {
            EnsureInterval = TimeSpan.FromMilliseconds(250),
            ReportLinger = TimeSpan.FromMilliseconds(10),
            StepRetry = TimeSpan.FromMilliseconds(50),
            Retry = new RetryPolicy(10, TimeSpan.FromHours(1), TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(100)),
        });
        silo.Services.AddSingleton<IConnectorFactory>(new CrashingPods(pods, life));
        silo.AddIncomingGrainCallFilter(new CrashingMessages(life));
        silo.Services.AddGrainStorage(Providers.ProviderConstants.DEFAULT_STORAGE_PROVIDER_NAME, (services, _) =>
            new CrashingStorage(new GroupCommitGrainStorage(store.Rows, services.GetRequiredService<IActivatorProvider>()), life));
    }
}
