using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Packages.Tests;

/// <summary>A frontend does with the client SDK what a person does with the command line, through a gateway that checks it.</summary>
public sealed class FacadeTests : IAsyncLifetime
{
    private static readonly VersionId Id = new(new ImageName("Win10POS"), VersionName.First);

    private ServiceUnderTest service = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => service = await ServiceUnderTest.StartAsync();

    public async ValueTask DisposeAsync() => await service.DisposeAsync();

    [Fact]
    public async Task A_publisher_imports_publishes_watches_and_lists()
    {
        var client = await service.CallerAsync("pipeline", "publisher");
        await ConnectAsync(client, "pod-1", "pod-2", "pod-3");
        var disk = new byte[3 << 20];
        new Random(7).NextBytes(disk);
        await File.WriteAllBytesAsync(Path.Combine(service.Folder("sources"), "golden.raw"), disk, Stop);
        Assert.Equal("golden.raw", Assert.Single((await client.ListSourcesAsync(new PodName("pod-1"), cancellationToken: Stop)).Items).Path);

        await client.ImportImageAsync(Id.Image, new PodName("pod-1"), "golden.raw", "first", "the test", Stop);
        ImportView? imported = null;
        await foreach (var view in client.WatchImportAsync(Id, Stop))
        {
            imported = view;
        }

        Assert.Equal(VersionStatus.DeploymentComplete, imported!.Version.Status);
        var operation = await client.PublishToAllAsync(Id, "the test", Stop);
        PublishView? published = null;
        await foreach (var view in client.WatchPublishAsync(operation, Stop))
        {
            published = view;
        }

        Assert.Equal(OperationState.Succeeded, published!.Publish.State);
        Assert.Equal(["pod-2", "pod-3"], published.Targets.Select(target => target.Pod.Value).Order());
        Assert.All(published.Targets, target => Assert.Equal(imported.Version.Content!.ContentDigest, target.Receipt!.ContentDigest));

        Assert.Equal("Win10POS", Assert.Single(await AllAsync(client.ListImagesAsync(null, Stop))).Name.Value);
        Assert.Equal(VersionStatus.Available, Assert.Single(await AllAsync(client.ListVersionsAsync(new ListRequest { Image = Id.Image }, Stop))).Status);
        Assert.Equal(3, (await AllAsync(client.ListCopiesAsync(new ListRequest { Version = Id, Limit = 1 }, Stop))).Count);
        Assert.Equal(["publish", "import"], (await AllAsync(client.ListOperationsAsync(null, Stop))).Select(row => row.Kind));
        Assert.Equal(OperationState.Succeeded, (await client.FindOperationAsync(operation, Stop))!.State);
        Assert.Contains(await AllAsync(client.ListActivityAsync(new ListRequest { Limit = 2 }, Stop)), line => line.Actor == "pipeline" && line.Reason == "the test");
    }

    [Fact]
    public async Task Pages_go_on_where_the_one_before_ended_and_a_cursor_that_is_none_is_refused()
    {
        var client = await service.CallerAsync("runner", "operator");
        await ConnectAsync(client, "pod-1", "pod-2", "pod-3");
        var first = await client.ListPodsPageAsync(new ListRequest { Limit = 2 }, Stop);
        Assert.Equal(["pod-1", "pod-2"], first.Items.Select(pod => pod.Name.Value));
        var second = await client.ListPodsPageAsync(new ListRequest { Limit = 2, After = first.Next }, Stop);
        Assert.Equal(["pod-3"], second.Items.Select(pod => pod.Name.Value));
        Assert.Null(second.Next);

        Assert.Equal("list.bad-cursor", (await Assert.ThrowsAsync<RefusedException>(() => client.ListPodsPageAsync(new ListRequest { After = "x" }, Stop))).Refusal.Code);
        Assert.Equal("list.bad-limit", (await Assert.ThrowsAsync<RefusedException>(() => client.ListPodsPageAsync(new ListRequest { Limit = 0 }, Stop))).Refusal.Code);
    }

    [Fact]
    public async Task A_call_that_is_cancelled_stops_waiting_and_a_service_that_is_away_is_said_to_be_so()
    {
        var client = await service.CallerAsync("reader", "viewer");
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.GetPodAsync(new PodName("pod-1"), cancelled.Token));

        await service.StopAsync();
        var away = await Assert.ThrowsAsync<ServiceUnavailableException>(() => client.GetPodAsync(new PodName("pod-1"), Stop));
        Assert.Equal("service.unavailable", away.Code);
    }

    [Fact]
    public async Task What_is_not_there_is_not_waited_for_for_ever()
    {
        var hurried = new ImageMgmtClient(service.Services.GetRequiredService<IGrainFactory>(), new Leaping(ImageMgmtClient.WatchPatience));
        Assert.Equal("pod.unknown", (await Assert.ThrowsAsync<RefusedException>(() => hurried.WaitForPodAsync(new PodName("nowhere"), Stop))).Refusal.Code);
        Assert.Equal("version.unknown", (await Assert.ThrowsAsync<RefusedException>(() => AllAsync(hurried.WatchImportAsync(Id, Stop)))).Refusal.Code);
        Assert.Equal("operation.unknown", (await Assert.ThrowsAsync<RefusedException>(() => AllAsync(hurried.WatchPublishAsync(new OperationId("nothing"), Stop)))).Refusal.Code);
    }

    [Fact]
    public void No_labels_are_not_taken_for_all_pods() =>
        Assert.Throws<ArgumentException>(() => { _ = service.Inside.PublishToLabelledAsync(Id, new Dictionary<string, string>()); });

    [Fact]
    public async Task The_first_connection_is_tried_for_a_while_from_its_first_failure_on()
    {
        var time = new FakeTimeProvider();
        var start = new ImageMgmtClientExtensions.PatientStart(new ImageMgmtClientOptions(), time);
        time.Advance(TimeSpan.FromHours(1)); // the program does other things before it starts its host
        var first = start.ShouldRetryAsync(new TimeoutException(), Stop);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(await first);
        time.Advance(TimeSpan.FromSeconds(30));
        Assert.False(await start.ShouldRetryAsync(new TimeoutException(), Stop));
    }

    [Fact]
    public void A_gateway_whose_name_is_unknown_is_a_fault_of_the_options()
    {
        var problem = Assert.Throws<ArgumentException>(() => Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new()).AddImageMgmtClient(options =>
        {
            service.Identify(options, service.Issue("frontend", "viewer"));
            options.Gateways.Add("no-such-host.invalid:7481");
        }));
        Assert.Contains("no-such-host.invalid:7481", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_that_cannot_be_used_are_refused_with_every_fault_at_once()
    {
        var problem = Assert.Throws<ArgumentException>(() => Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new()).AddImageMgmtClient(options =>
        {
            options.Gateways.Add("no port");
            options.KeyFile = "/nowhere/client.key";
            options.ClusterId = "";
            options.ResponseTimeout = TimeSpan.Zero;
        }));
        foreach (var option in new[] { "Gateways", "CertificateFile", "KeyFile", "AuthorityFile", "ClusterId", "ResponseTimeout" })
        {
            Assert.Contains(option, problem.Message, StringComparison.Ordinal);
        }
    }

    private async Task ConnectAsync(ImageMgmtClient client, params string[] pods)
    {
        foreach (var pod in pods)
        {
            await client.ConnectPodAsync(service.FilesystemPod(pod), ImageMgmtClient.Because("the test"), cancellationToken: Stop);
            Assert.Equal(PodState.Connected, (await client.WaitForPodAsync(new PodName(pod), Stop)).State);
        }
    }

    /// <summary>A clock on which every wait takes far longer than anybody is patient, and is over at once.</summary>
    private sealed class Leaping(TimeSpan patience) : TimeProvider
    {
        private long leapt;

        public override long GetTimestamp() => base.GetTimestamp() + Volatile.Read(ref leapt);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Interlocked.Add(ref leapt, (long)(2 * patience.TotalSeconds * TimestampFrequency));
            return base.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }

    private static async Task<List<T>> AllAsync<T>(IAsyncEnumerable<T> rows)
    {
        var all = new List<T>();
        await foreach (var row in rows)
        {
            all.Add(row);
        }

        return all;
    }
}
