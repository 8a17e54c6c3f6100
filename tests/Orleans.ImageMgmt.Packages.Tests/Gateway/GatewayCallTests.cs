using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.ImageMgmt.Host;
using Orleans.Runtime;
using Xunit;

namespace Orleans.ImageMgmt.Packages.Tests;

/// <summary>What callers of the gateway may do is what their certificate's role allows, under their certificate's name.</summary>
public sealed class GatewayCallTests : IAsyncLifetime
{
    private static readonly RequestedBy Liar = new("somebody-else", "http 10.0.0.1", "because");
    private static readonly VersionId Nothing = new(new ImageName("nothing"), VersionName.First);

    private ServiceUnderTest service = null!;

    public async ValueTask InitializeAsync() => service = await ServiceUnderTest.StartAsync();

    public async ValueTask DisposeAsync() => await service.DisposeAsync();

    [Fact]
    public async Task A_viewer_reads_and_is_refused_everything_else()
    {
        var viewer = await service.CallerAsync("reader", "viewer");
        Assert.False((await viewer.GetVersionAsync(Nothing)).Exists);

        var refused = await Assert.ThrowsAsync<RefusedException>(() => viewer.PublishAsync(Nothing, Publish()));
        Assert.Equal("role.missing", refused.Refusal.Code);
        Assert.Contains("reader is viewer", refused.Refusal.Message, StringComparison.Ordinal);
        Assert.Equal("role.missing", (await Assert.ThrowsAsync<RefusedException>(() => viewer.ConnectPodAsync(service.FilesystemPod("pod-1"), Liar))).Refusal.Code);
        Assert.Null((await service.Inside.GetPodAsync(new PodName("pod-1"))).Pod.Spec);
    }

    [Fact]
    public async Task An_operator_connects_a_pod_and_is_refused_a_publish()
    {
        var runner = await service.CallerAsync("runner", "operator");
        await runner.ConnectPodAsync(service.FilesystemPod("pod-1"), Liar);
        Assert.Equal("role.missing", (await Assert.ThrowsAsync<RefusedException>(() => runner.PublishAsync(Nothing, Publish()))).Refusal.Code);
    }

    [Fact]
    public async Task A_publisher_is_answered_by_the_version_itself()
    {
        var publisher = await service.CallerAsync("pipeline", "publisher");
        var refused = await Assert.ThrowsAsync<RefusedException>(() => publisher.PublishAsync(Nothing, Publish()));
        Assert.StartsWith("version.", refused.Refusal.Code, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_activity_log_has_the_name_of_the_certificate_and_not_what_the_caller_claims()
    {
        var runner = await service.CallerAsync("runner", "operator");
        await runner.ConnectPodAsync(service.FilesystemPod("pod-1"), Liar);

        var lines = await service.Services.GetRequiredService<CatalogReader>().ListActivityAsync(new ActivityQuery { Pod = "pod-1" }, TestContext.Current.CancellationToken);
        Assert.Contains(lines, line => line.Actor == "runner" && line.Body.Contains("gateway 127.0.0.1", StringComparison.Ordinal) && line.Body.Contains("because", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Actor == Liar.Actor || line.Body.Contains("10.0.0.1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Grains_of_Orleans_and_the_inside_of_the_service_are_out_of_reach_of_an_administrator_too()
    {
        var grains = (await service.ConnectAsync("root", "administrator")).GetRequiredService<IClusterClient>();
        await AssertNotOpenAsync(() => grains.GetGrain<IManagementGrain>(0).GetHosts());
        await AssertNotOpenAsync(() => grains.GetGrain<IManagementGrain>(0).ForceGarbageCollection([]));
        await AssertNotOpenAsync(() => grains.GetShard(new OperationId("any"), 0).GetOutcomesAsync());
        await AssertNotOpenAsync(() => grains.GetPod(new PodName("pod-1")).WorkerEndedAsync(new WorkerResult(Nothing, 1, null, null, null)));
        await AssertNotOpenAsync(() => grains.GetPod(new PodName("pod-1")).DriveAsync());
        await AssertNotOpenAsync(() => grains.GetVersion(Nothing).CopyReportedAsync(null!));
        await AssertNotOpenAsync(() => grains.GetImage(Nothing.Image).VersionChangedAsync(Nothing.Version, new OperationId("x"), VersionStatus.Available, true, 1));
        await AssertNotOpenAsync(() => grains.GetPublish(new OperationId("any")).ShardChangedAsync(0, new TargetTotals(0, 0, 0, 0), 0));
    }

    [Fact]
    public async Task A_system_target_of_the_silo_is_out_of_reach()
    {
        var services = await service.ConnectAsync("root", "administrator");
        var silo = service.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress;
        var control = AppDomain.CurrentDomain.GetAssemblies().Select(assembly => assembly.GetType("Orleans.ISiloControl")).First(type => type is not null)!;
        var statistics = control.GetMethod("GetRuntimeStatistics")!;
        var target = GrainId.Create("sys.svc.silo-control", silo.ToParsableString());
        var reference = services.GetRequiredService<IGrainFactory>().GetGrain(target).AsReference(control);
        await AssertNotOpenAsync(() => (Task)statistics.Invoke(reference, new object?[statistics.GetParameters().Length])!);
    }

    [Fact]
    public async Task Words_that_no_door_would_let_in_are_refused_before_a_grain_sees_them()
    {
        var publisher = (await service.ConnectAsync("pipeline", "publisher")).GetRequiredService<IClusterClient>();
        var request = new ImportRequest(
            new OperationId("op-1"), new ImageName("image"), new VersionName("../../etc"), null, new PodName("pod-1"), new SourceRef("disk.raw"), "", Liar);
        var refused = await Assert.ThrowsAsync<RefusedException>(() => publisher.GetImage(new ImageName("image")).ImportAsync(request));
        Assert.Equal("call.invalid", refused.Refusal.Code);
        Assert.Contains("../../etc", refused.Refusal.Message, StringComparison.Ordinal);

        var pods = new PublishRequest(new OperationId("op-2"), [new PodName("a b")], new Dictionary<string, string>(), Liar);
        Assert.Equal("call.invalid", (await Assert.ThrowsAsync<RefusedException>(() => publisher.GetVersion(Nothing).PublishAsync(pods))).Refusal.Code);
    }

    [Fact]
    public async Task A_frontend_finds_its_service_again_after_a_restart()
    {
        var runner = await service.CallerAsync("runner", "operator");
        await runner.ConnectPodAsync(service.FilesystemPod("pod-1"), Liar);
        await service.StopAsync();
        await service.RunAsync();
        Assert.NotNull((await Until.AnswersAsync(() => runner.GetPodAsync(new PodName("pod-1")))).Pod.Spec);
    }

    [Fact]
    public void Every_method_that_is_open_to_callers_and_changes_something_carries_who_asks()
    {
        var open = typeof(IPodGrain).Assembly.GetTypes().Where(t => t.IsInterface && typeof(IAddressable).IsAssignableFrom(t)).SelectMany(t => t.GetMethods())
            .Select(method => (method, role: method.GetCustomAttribute<OpenToAttribute>()?.Role)).Where(item => item.role is not null).ToList();
        Assert.NotEmpty(open);
        Assert.All(open, item => Assert.Contains(item.role, CallerRoles.All));
        Type[] signed = [typeof(RequestedBy), typeof(ImportRequest), typeof(PublishRequest)];
        Assert.All(open.Where(item => item.role != CallerRoles.Viewer), item => Assert.Contains(item.method.GetParameters(), p => signed.Contains(p.ParameterType)));
    }

    private static PublishRequest Publish() => new(new OperationId("op-1"), null, new Dictionary<string, string>(), Liar);

    private static async Task AssertNotOpenAsync(Func<Task> call) => Assert.Equal("call.not-open", (await Assert.ThrowsAsync<RefusedException>(call)).Refusal.Code);
}
