using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Hosting;
using Orleans.ImageMgmt.Cluster.Tests.Durable;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;
using Orleans.Runtime.Hosting;
using Orleans.Serialization.Serializers;
using Orleans.Storage;
using Orleans.TestingHost;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

/// <summary>A silo with the embedded store of a folder of its own, and the verbs of the tests. Pods are simulated ones.</summary>
internal sealed class SiloUnderTest : IAsyncDisposable
{
    public static readonly RequestedBy By = new("ada", "test", "because");
    public static readonly ImageName Win10 = new("Win10POS");
    public static readonly VersionId First = new(Win10, VersionName.First);
    public static readonly PodName Source = new("source");

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);
    private static readonly Dictionary<string, string> NoLabels = [];

    private readonly string folder;
    private readonly EmbeddedStore store;
    private readonly InProcessTestCluster cluster;

    private SiloUnderTest(string folder, EmbeddedStore store, InProcessTestCluster cluster) => (this.folder, this.store, this.cluster) = (folder, store, cluster);

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public IGrainFactory Grains => cluster.Client;

    public ImageMgmtClient Client => new(cluster.Client, TimeProvider.System);

    public PublishPlanning Planning => ((InProcessSiloHandle)cluster.Silos[0]).SiloHost.Services.GetRequiredService<PublishPlanning>();

    public CatalogReader Catalog => store.Catalog;

    /// <summary>What lies on the simulated pods, for tests that damage it.</summary>
    public SimulatedPods Pods => cluster.Silos[0].ServiceProvider.GetServices<IConnectorFactory>().OfType<SimulatedPods>().Single();

    public IReadOnlyList<SiloAddress> Silos => [.. cluster.Silos.Select(s => s.SiloAddress)];

    public TransferCounters Transfers => cluster.Silos[0].ServiceProvider.GetRequiredService<TransferCounters>();

    public StoreCounters Counters => store.Counters;

    public static async Task<SiloUnderTest> StartAsync(Func<IGrainStorage, IGrainStorage>? around = null, int tries = 3, TimeSpan? stall = null, IConnectorFactory? family = null,
        ScrubPolicy? scrub = null, short silos = 1, string trace = "", Action<ImageMgmtOptions>? configure = null, int transfers = 64)
    {
        var folder = Directory.CreateTempSubdirectory("imgmt-flow-").FullName;
        var store = EmbeddedStore.Open(Path.Combine(folder, "data"), new DurableOptions(), NullLogger.Instance, TimeProvider.System);
        ImageMgmtOptions Options(string name) => new()
        {
            TransfersPerSilo = transfers,
            EnsureInterval = TimeSpan.FromMilliseconds(300),
            ReportLinger = TimeSpan.FromMilliseconds(20),
            Retry = new RetryPolicy(tries, TimeSpan.FromHours(1), TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(100)),
            Scrub = scrub ?? ScrubPolicy.Default,
            TransferTrace = trace.Length == 0 ? "" : $"{trace}-{name}",
        };
        var builder = new InProcessTestClusterBuilder(silos);
        builder.Options.ServiceId = "flow-test";
        builder.ConfigureSilo((named, silo) =>
        {
            silo.AddEmbedded(store);
            var options = Options(named.SiloName);
            if (stall is { } limit)
            {
                (options.TransferStall, options.FinaliseStall) = (limit, limit);
            }

            configure?.Invoke(options);
            silo.AddImageMgmt(options);
            if (family is not null)
            {
                silo.Services.AddSingleton(family);
            }

            if (around is not null)
            {
                silo.Services.AddGrainStorage(Providers.ProviderConstants.DEFAULT_STORAGE_PROVIDER_NAME, (services, _) =>
                    around(new GroupCommitGrainStorage(store.Rows, services.GetRequiredService<IActivatorProvider>())));
            }
        });
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return new SiloUnderTest(folder, store, cluster);
    }

    /// <summary>Stores a record behind the back of its grain, which must not be awake yet.</summary>
    public async Task StoreAsync<T>(GrainId grain, string name, T state) where T : class =>
        await cluster.Silos[0].ServiceProvider.GetRequiredService<IGrainStorage>().WriteStateAsync(name, grain, new GrainState<T>(state));

    public async Task<bool> HasReminderAsync(GrainId grain) =>
        (await cluster.Silos[0].ServiceProvider.GetRequiredService<IReminderTable>().ReadRows(grain)).Reminders.Count > 0;

    public static PodSpec Spec(PodName name, string? faultPlan = null, string? source = null, string family = "simulated", IReadOnlyDictionary<string, string>? labels = null)
    {
        var settings = new Dictionary<string, string>();
        if (source is not null)
        {
            settings["source.disk"] = source;
        }

        if (faultPlan is not null)
        {
            settings["fault-plan"] = faultPlan;
        }

        return new PodSpec(name, family, settings, labels ?? NoLabels, Slots: 2);
    }

    /// <summary>A connected source pod and as many others, each of which has a plan or none.</summary>
    public async Task ConnectAsync(params (string Name, string? FaultPlan)[] pods)
    {
        await ConnectAsync(Spec(Source, source: "length=12MiB,data=9MiB,seed=7"));
        foreach (var (name, plan) in pods)
        {
            await ConnectAsync(Spec(new PodName(name), plan));
        }
    }

    public async Task ConnectAsync(PodSpec spec)
    {
        await Client.ConnectPodAsync(spec, By);
        Assert.Equal(PodState.Connected, (await Client.WaitForPodAsync(spec.Name, Token)).State);
    }

    public static ImportRequest Import(string operation = "import-1", VersionId? version = null, PodName? pod = null, string path = "disk", VersionName? from = null) =>
        new(new OperationId(operation), (version ?? First).Image, (version ?? First).Version, from, pod ?? Source, new SourceRef(path), "", By);

    public static PublishRequest Publish(string operation = "publish-1", params string[] pods) =>
        new(new OperationId(operation), pods.Length == 0 ? null : [.. pods.Select(p => new PodName(p))], NoLabels, By);

    public async Task ImportFirstAsync()
    {
        await Client.ImportAsync(Import());
        await UntilAsync(First, v => v.Status == VersionStatus.DeploymentComplete);
    }

    public Task<Domain.Version> UntilAsync(VersionId id, Func<Domain.Version, bool> reached) => UntilAsync(() => Client.GetVersionAsync(id), reached);

    public async Task<Publish> UntilEndedAsync(string operation) =>
        (await UntilAsync(() => Grains.GetPublish(new OperationId(operation)).GetAsync(null), v => v.Publish.State.IsEnded() && v.Publish.IsTold)).Publish;

    public async Task<Copy> CopyAsync(string pod, VersionId? version = null) => (await Client.GetCopyAsync(new PodName(pod), version ?? First)).Copy;

    /// <summary>The silo that holds the grain now, or null.</summary>
    public async Task<SiloAddress?> SiloOfAsync(IAddressable grain) => await cluster.Client.GetGrain<IManagementGrain>(0).GetActivationAddress(grain);

    /// <summary>Asks again and again, for a limited time, until the answer is the expected one.</summary>
    public static async Task<T> UntilAsync<T>(Func<Task<T>> ask, Func<T, bool> reached)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var answer = await ask();
            if (reached(answer))
            {
                return answer;
            }

            Assert.True(TimeProvider.System.GetElapsedTime(began) < Limit, $"Not reached within {Limit.TotalSeconds} s; last seen: {answer}");
            await Task.Delay(Interval, TimeProvider.System, Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await cluster.DisposeAsync();
        try
        {
            // Whatever a test did, and whatever writes it made fail: lists show what is stored.
            await ListAudit.EqualAsync(store);
        }
        finally
        {
            await store.DisposeAsync();
        }

        Directory.Delete(folder, recursive: true);
    }
}
