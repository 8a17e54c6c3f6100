using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Xunit;
using static Orleans.ImageMgmt.Cluster.Tests.Flows.SiloUnderTest;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

/// <summary>Goal: a pause really stops bytes and loses none, urgent work does not wait for big work, caps reach what runs. Method: a silo with simulated pods.</summary>
public sealed class FairFlowTests
{
    private static readonly OperationId publish = new("publish-1");

    [Fact]
    public async Task A_pause_stops_running_transfers_and_a_resume_goes_on_from_what_was_staged()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", "receive:slow=4MB/s"), ("b", "receive:slow=4MB/s"));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());
        foreach (var pod in (string[])["a", "b"])
        {
            await UntilAsync(() => ViewAsync(service, pod), v => v.Progress is { ChunksStaged: >= 2 });
        }

        Assert.Equal(OperationState.Paused, await service.Client.PausePublishAsync(publish, By));
        foreach (var pod in (string[])["a", "b"])
        {
            await UntilAsync(() => ViewAsync(service, pod), v => v is { Copy: { State: CopyState.Pending, IsHeld: true }, Progress: null });
        }

        // Asked again and again while it is paused, nothing starts.
        await service.Grains.GetPublish(publish).DriveAsync();
        await service.Grains.GetPod(new PodName("a")).DriveAsync();
        Assert.Null((await ViewAsync(service, "a")).Progress);
        Assert.Equal(OperationState.Paused, (await service.Grains.GetPublish(publish).GetAsync(null)).Publish.State);

        Assert.Equal(OperationState.Running, await service.Client.ResumePublishAsync(publish, By));
        foreach (var pod in (string[])["a", "b"])
        {
            var resumed = await UntilAsync(() => ViewAsync(service, pod), v => v.Progress is { ChunksNeeded: > 0 });
            Assert.InRange(resumed.Progress!.ChunksStagedBefore, 2, 8);
            Assert.Equal(9, resumed.Progress.ChunksNeeded + resumed.Progress.ChunksStagedBefore);
        }

        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-1")).State);
        Assert.Equal(1, (await service.CopyAsync("a")).Tries);
    }

    [Fact]
    public async Task A_pause_stops_nothing_that_another_publish_still_wants()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", "receive:slow=8MB/s"));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());
        await service.Client.PublishAsync(First, Publish("publish-2"));
        await UntilAsync(() => service.CopyAsync("a"), c => c.WantedBy.Count == 2);
        await service.Client.PausePublishAsync(publish, By);

        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-2")).State);
        Assert.Equal(1, (await service.CopyAsync("a")).Attempt);
        await service.UntilEndedAsync("publish-1"); // its one target came without it
    }

    [Fact]
    public async Task A_paused_publish_can_be_cancelled_and_its_staged_bytes_are_removed()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", "receive:slow=2MB/s"));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());
        await UntilAsync(() => ViewAsync(service, "a"), v => v.Progress is { ChunksStaged: >= 1 });
        await service.Client.PausePublishAsync(publish, By);
        await UntilAsync(() => service.CopyAsync("a"), c => c.IsHeld);
        await service.Client.CancelPublishAsync(publish, By);

        Assert.Equal(OperationState.Cancelled, (await service.UntilEndedAsync("publish-1")).State);
        await UntilAsync(() => service.CopyAsync("a"), c => c.State == CopyState.Deleted);
    }

    [Fact]
    public async Task An_urgent_publish_gets_through_while_every_slot_is_taken()
    {
        await using var service = await StartAsync(transfers: 1);
        await service.ConnectAsync(("big", "receive:stall=600s:after=30%"), ("waits", null), ("hurried", null));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish("publish-1", "big"));
        await UntilAsync(() => ViewAsync(service, "big"), v => v.Progress is { ChunksStaged: >= 1 });
        await service.Client.PublishAsync(First, Publish("publish-2", "waits"));
        await UntilAsync(() => service.CopyAsync("waits"), c => c.State == CopyState.Replicating);
        await service.Client.PublishAsync(First, Publish("publish-3", "hurried") with { IsUrgent = true });

        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-3")).State);
        Assert.Equal(0, (await ViewAsync(service, "waits")).Progress!.ChunksNeeded); // still without a slot
        await service.Client.PublishAsync(First, Publish("publish-4", "waits") with { IsUrgent = true });
        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-2")).State); // somebody in a hurry joined it
        await service.Client.CancelPublishAsync(publish, By);
    }

    [Fact]
    public async Task A_source_whose_slots_are_taken_holds_up_nothing_that_comes_from_another_one()
    {
        await using var service = await StartAsync(configure: options => options.TransfersPerSource = 1);
        await service.ConnectAsync(("big", "receive:stall=600s:after=30%"), ("waits", null), ("passes", null));
        await service.ConnectAsync(Spec(new PodName("other"), source: "length=4MiB,data=2MiB,seed=8"));
        await service.ImportFirstAsync();
        var second = new VersionId(new ImageName("Win11"), VersionName.First);
        await service.Client.ImportAsync(Import("import-2", second, new PodName("other")));
        await service.UntilAsync(second, v => v.Status == VersionStatus.DeploymentComplete);
        await service.Client.PublishAsync(First, Publish("publish-1", "big"));
        await UntilAsync(() => ViewAsync(service, "big"), v => v.Progress is { ChunksStaged: >= 1 });
        await service.Client.PublishAsync(First, Publish("publish-2", "waits"));
        await UntilAsync(() => service.CopyAsync("waits"), c => c.State == CopyState.Replicating);
        await service.Client.PublishAsync(second, Publish("publish-3", "passes"));

        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-3")).State);
        Assert.Equal(0, (await ViewAsync(service, "waits")).Progress!.ChunksNeeded); // still without a slot
        await service.Client.CancelPublishAsync(publish, By);
        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-2")).State);
    }

    [Fact]
    public async Task Caps_are_kept_shown_and_hold_a_running_transfer_until_they_are_taken_away()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", null));
        var caps = new PodCaps { In = "256kbit/s", TimeZone = "Europe/Berlin" };
        Assert.Equal(caps, (await service.Client.SetPodCapsAsync(new PodName("a"), caps, By)).Spec!.Caps);
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());
        await UntilAsync(() => ViewAsync(service, "a"), v => v.Progress is { BytesNeeded: > 0 });
        Assert.Equal(0, (await ViewAsync(service, "a")).Progress!.BytesSent); // a chunk of 1 MiB takes half a minute at this rate

        Assert.Equal(caps, (await service.Client.ConnectPodAsync(Spec(new PodName("a")), By)).Spec!.Caps); // connecting again says nothing about caps
        await service.Client.SetPodCapsAsync(new PodName("a"), PodCaps.None, By);
        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-1")).State);
    }

    [Fact]
    public async Task Caps_that_mean_nothing_are_refused_with_all_their_faults()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", null));
        var refused = await Assert.ThrowsAsync<RefusedException>(() =>
            service.Client.SetPodCapsAsync(new PodName("a"), new PodCaps { In = "fast", Out = "25:00-26:00 1Mbit/s", TimeZone = "Mars/Olympus" }, By));
        Assert.Equal("pod.invalid", refused.Refusal.Code);
        Assert.All((string[])["'fast'", "'25:00-26:00'", "'Mars/Olympus'"], fault => Assert.Contains(fault, refused.Refusal.Message, StringComparison.Ordinal));
        Assert.Null((await service.Grains.GetPod(new PodName("a")).GetAsync()).Pod.Spec!.Caps);
    }

    private static Task<CopyView> ViewAsync(SiloUnderTest service, string pod) => service.Client.GetCopyAsync(new PodName(pod), First);
}
