using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Xunit;
using static Orleans.ImageMgmt.Cluster.Tests.Flows.SiloUnderTest;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

public sealed class PublishFlowTests
{
    [Fact]
    public async Task An_imported_version_is_published_to_every_connected_pod_with_a_receipt_each()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", null), ("b", null), ("c", null));
        await service.ImportFirstAsync();

        await service.Client.PublishAsync(First, Publish());
        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-1")).State);
        var version = await service.UntilAsync(First, v => v.Status == VersionStatus.Available);
        Assert.True(version.IsUsable);
        foreach (var pod in (string[])["a", "b", "c"])
        {
            var copy = await service.CopyAsync(pod);
            Assert.Equal(CopyState.Available, copy.State);
            Assert.Equal(version.Content!.ContentDigest, copy.Receipt!.ContentDigest);
            Assert.Equal(pod, copy.Receipt.Pod.Value);
        }

        Assert.Equal(ImageStatus.Available, (await UntilAsync(() => service.Client.GetImageAsync(Win10), i => i.Status == ImageStatus.Available)).Status);
        var row = await service.Catalog.FindAsync(CatalogKind.Version, First.Value, Token);
        Assert.Equal("Available", row!.Status);
        Assert.Equal(4, (await service.Catalog.ListCopiesOfVersionAsync(First, null, 10, Token)).Rows.Count);
        Assert.Empty(await service.Catalog.ListUnfinishedOperationsAsync(null, 10, Token));
    }

    [Fact]
    public async Task The_same_operation_id_again_is_the_same_operation_and_makes_no_second_one()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", null));
        await service.Client.ImportAsync(Import());
        await service.Client.ImportAsync(Import());
        await service.UntilAsync(First, v => v.Status == VersionStatus.DeploymentComplete);
        await service.Client.ImportAsync(Import());

        await Task.WhenAll(service.Client.PublishAsync(First, Publish()), service.Client.PublishAsync(First, Publish()));
        await service.UntilEndedAsync("publish-1");
        await service.Client.PublishAsync(First, Publish());

        Assert.Equal(2, (await service.Catalog.ListOperationsAsync(null, 10, Token)).Rows.Count);
        Assert.Equal(1, (await service.CopyAsync("a")).Attempt);
    }

    [Fact]
    public async Task A_dead_pod_ends_failed_with_its_reason_and_delays_nobody_and_a_retry_heals_it()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("good", null), ("dead", "receive:refuse:times=1000"));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());

        Assert.Equal(OperationState.PartiallySucceeded, (await service.UntilEndedAsync("publish-1")).State);
        Assert.Equal(CopyState.Available, (await service.CopyAsync("good")).State);
        var dead = await service.CopyAsync("dead");
        Assert.Equal(CopyState.Failed, dead.State);
        Assert.Equal(FaultStage.Receive, dead.Fault!.Stage);
        Assert.Equal(3, dead.Tries);
        var partial = await service.UntilAsync(First, v => v.Status == VersionStatus.PartiallyAvailable);
        Assert.True(partial.IsUsable);

        await service.ConnectAsync(Spec(new PodName("dead")));
        await service.Client.RetryPublishAsync(new OperationId("publish-1"), By);
        await UntilAsync(() => service.CopyAsync("dead"), c => c.State == CopyState.Available);
        await service.UntilAsync(First, v => v.Status == VersionStatus.Available);
        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-1")).State);
    }

    [Fact]
    public async Task A_retry_shows_what_it_tries_again_as_on_its_way_and_a_cancel_lets_go_of_it()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("good", null), ("bad", "receive:refuse:cause=denied:times=1; receive:stall=600s"));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());
        Assert.Equal(OperationState.PartiallySucceeded, (await service.UntilEndedAsync("publish-1")).State);
        await service.UntilAsync(First, v => v.Status == VersionStatus.PartiallyAvailable);

        Assert.Equal(OperationState.Running, await service.Client.RetryPublishAsync(new OperationId("publish-1"), By));
        await UntilAsync(() => service.CopyAsync("bad"), c => c.State == CopyState.Replicating);
        Assert.Equal(VersionStatus.Replicating, (await service.Client.GetVersionAsync(First)).Status);

        await service.Client.CancelPublishAsync(new OperationId("publish-1"), By);
        Assert.Equal(OperationState.Cancelled, (await service.UntilEndedAsync("publish-1")).State);
        var left = await service.Client.GetVersionAsync(First);
        Assert.Equal((VersionStatus.Available, 1), (left.Status, left.Targets.Count));
    }

    [Theory]
    [InlineData("receive:lie:times=1000")]
    [InlineData("receive:corrupt:times=1000")]
    [InlineData("finalise:refuse:times=1000")]
    public async Task A_pod_that_lies_or_damages_never_becomes_available(string plan)
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("liar", plan), ("honest", null));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());

        await service.UntilEndedAsync("publish-1");
        var liar = await service.CopyAsync("liar");
        Assert.Equal(CopyState.Failed, liar.State);
        Assert.Null(liar.Receipt);
        Assert.Equal(CopyState.Available, (await service.CopyAsync("honest")).State);
    }

    [Fact]
    public async Task A_cancel_keeps_what_is_available_and_removes_what_was_staged()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("fast", null), ("stuck", "receive:stall=600s:after=30%"));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());
        await UntilAsync(() => service.CopyAsync("fast"), c => c.State == CopyState.Available);
        await UntilAsync(() => service.CopyAsync("stuck"), c => c.State == CopyState.Replicating);

        await service.Client.CancelPublishAsync(new OperationId("publish-1"), By);
        Assert.Equal(OperationState.Cancelled, (await service.UntilEndedAsync("publish-1")).State);
        await UntilAsync(() => service.CopyAsync("stuck"), c => c.State == CopyState.Deleted);
        Assert.Equal(CopyState.Available, (await service.CopyAsync("fast")).State);
        Assert.Equal(VersionStatus.Available, (await service.UntilAsync(First, v => v.OpenPublishes.Count == 0)).Status);
    }

    [Fact]
    public async Task A_cancel_before_anybody_has_the_version_leaves_it_ready_to_be_published()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("stuck", "receive:stall=600s:times=1"));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());
        await UntilAsync(() => service.CopyAsync("stuck"), c => c.State == CopyState.Replicating);
        await service.Client.CancelPublishAsync(new OperationId("publish-1"), By);
        await service.UntilAsync(First, v => v.Status == VersionStatus.DeploymentComplete);

        await UntilAsync(() => service.CopyAsync("stuck"), c => c.State == CopyState.Deleted);
        await service.Client.PublishAsync(First, Publish("publish-2"));
        await service.UntilAsync(First, v => v.Status == VersionStatus.Available);
    }

    [Fact]
    public async Task A_second_publish_joins_the_first_and_both_end()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", "receive:slow=4MB/s:times=1"), ("b", null));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish("publish-1", "a"));
        await service.Client.PublishAsync(First, Publish("publish-2"));

        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-1")).State);
        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-2")).State);
        await service.UntilAsync(First, v => v.Status == VersionStatus.Available);
        Assert.Equal(1, (await service.CopyAsync("a")).Attempt);
    }

    [Fact]
    public async Task Three_hundred_pods_in_two_shards_end_available_with_a_bounded_number_of_writes()
    {
        const int pods = 300;
        await using var service = await StartAsync();
        await service.ConnectAsync();
        await Task.WhenAll(Enumerable.Range(0, pods).Select(n => service.ConnectAsync(Spec(new PodName($"pod-{n:D3}")) with
        {
            Settings = new Dictionary<string, string> { ["content"] = "digests" },
        })));
        await service.ImportFirstAsync();

        var rows = service.Counters.Rows;
        await service.Client.PublishAsync(First, Publish());
        var publish = await service.UntilEndedAsync("publish-1");
        var written = service.Counters.Rows - rows;

        Assert.Equal(2, publish.Shards.Count);
        Assert.Equal(new TargetTotals(pods, pods, 0, 0), publish.Totals);
        await service.UntilAsync(First, v => v.Status == VersionStatus.Available);
        Assert.True(written <= pods * 3, $"{written} rows were written for {pods} pods.");
        Assert.Equal(pods + 1, (await service.Catalog.CountByStatusAsync(CatalogKind.Copy, Token))["Available"]);
    }

    [Fact]
    public async Task The_activity_log_says_who_what_from_where_and_why()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", null));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());
        await service.UntilEndedAsync("publish-1");

        var lines = await service.Catalog.ListActivityAsync(new ActivityQuery(), Token);
        var accepted = Assert.Single(lines, l => l.Action == "publish.accepted");
        Assert.Equal("ada", accepted.Actor);
        Assert.Contains("because", accepted.Body, StringComparison.Ordinal);
        Assert.Contains("test", accepted.Body, StringComparison.Ordinal);
        Assert.Contains(lines, l => l.Action == "import.succeeded");
        Assert.Contains(lines, l => l.Action == "copy.state" && l.Pod == "a");
        Assert.Contains(lines, l => l.Action == "pod.connected" && l.Actor == "ada");
    }
}
