using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Xunit;
using static Orleans.ImageMgmt.Cluster.Tests.Flows.SiloUnderTest;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

/// <summary>Goal: a call that hangs in a pod's storage meets no second one, and holds nobody's place for long.</summary>
public sealed class StubbornPodTests
{
    private static readonly TimeSpan Stall = TimeSpan.FromMilliseconds(200);

    [Fact]
    public async Task A_receive_that_hangs_meets_no_second_one_however_often_it_is_tried_and_goes_on_when_it_lets_go()
    {
        using var pods = new StubbornPods();
        await using var service = await StartAsync(stall: Stall, family: pods);
        await ConnectAsync(service, StubbornPods.Hangs);
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());

        Assert.Equal(OperationState.Failed, (await service.UntilEndedAsync("publish-1")).State);
        var failed = await service.CopyAsync("bad");
        Assert.Equal("receive.timed-out", failed.Fault!.Code);
        Assert.Equal(3, failed.Tries);
        Assert.Equal(1, pods.Most);

        pods.Release();
        await service.Client.RetryPublishAsync(new OperationId("publish-1"), By);
        await UntilAsync(() => service.CopyAsync("bad"), c => c.State == CopyState.Available);
        Assert.Equal(1, pods.Most);
    }

    [Fact]
    public async Task A_receive_that_only_waits_for_somebody_elses_call_times_out_like_one_that_does_not_move()
    {
        using var pods = new StubbornPods();
        await using var service = await StartAsync(stall: Stall, family: pods);
        await ConnectAsync(service, StubbornPods.Waits);
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());

        Assert.Equal(OperationState.Failed, (await service.UntilEndedAsync("publish-1")).State);
        Assert.Equal("receive.timed-out", (await service.CopyAsync("bad")).Fault!.Code);
    }

    [Fact]
    public async Task An_import_that_failed_with_its_source_sealed_leaves_nothing_and_the_next_one_shows_its_own_source()
    {
        const string other = "length=12MiB,data=9MiB,seed=8";
        using var pods = new StubbornPods();
        await using var service = await StartAsync(family: pods);
        var spec = Spec(Source, source: "length=12MiB,data=9MiB,seed=7", family: StubbornPods.Name);
        await service.ConnectAsync(spec with { Settings = new Dictionary<string, string>(spec.Settings) { [StubbornPods.Mode] = StubbornPods.Forgets, ["source.other"] = other } });
        await service.ConnectAsync(Spec(new PodName("witness"), source: other, family: StubbornPods.Name));
        var witness = new VersionId(new ImageName("witness"), VersionName.First);
        await service.Client.ImportAsync(Import("import-2", witness, new PodName("witness")));
        await service.Client.ImportAsync(Import());

        Assert.Equal("prepare.denied", (await service.UntilAsync(First, v => v.ImportState.IsEnded())).Fault!.Code);
        await UntilAsync(() => pods.ListAsync(Source, Token), copies => copies.Count == 0);
        var failed = await service.CopyAsync("source");
        Assert.Equal((CopyState.Failed, "prepare.denied"), (failed.State, failed.Fault!.Code));

        await service.Client.ImportAsync(Import("import-3", path: "other"));
        var imported = await service.UntilAsync(First, v => v.Status == VersionStatus.DeploymentComplete);
        Assert.Equal((await service.UntilAsync(witness, v => v.Content is not null)).Content!.ContentDigest, imported.Content!.ContentDigest);
    }

    [Fact]
    public async Task A_publish_keeps_its_reminder_through_a_pause_so_that_pods_that_were_away_hear_of_it()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("stuck", "receive:stall=600s"));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());
        var publish = service.Grains.GetPublish(new OperationId("publish-1"));
        await UntilAsync(() => service.HasReminderAsync(publish.GetGrainId()), has => has);

        await publish.PauseAsync(By);
        await publish.GetAsync(null); // behind the drive that the pause began
        Assert.True(await service.HasReminderAsync(publish.GetGrainId()));
        await publish.ResumeAsync(By);

        Assert.True(await service.HasReminderAsync(publish.GetGrainId()));
    }

    [Fact]
    public async Task An_import_that_its_pod_let_go_of_ends_as_cancelled_although_the_cancel_was_cut_in_between()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync();
        await service.ConnectAsync(Spec(Source, "prepare:stall=600s:times=1", source: "length=12MiB,data=9MiB,seed=7"));
        await service.Client.ImportAsync(Import());
        await UntilAsync(() => service.CopyAsync("source"), c => c.State == CopyState.Preparing);

        await service.Grains.GetPod(Source).CancelCopyAsync(First, new OperationId("import-1"));

        Assert.Equal(OperationState.Cancelled, (await service.UntilAsync(First, v => v.ImportState.IsEnded())).ImportState);
    }

    private static async Task ConnectAsync(SiloUnderTest service, string mode)
    {
        await service.ConnectAsync(Spec(Source, source: "length=12MiB,data=9MiB,seed=7", family: StubbornPods.Name));
        var spec = Spec(new PodName("bad"), family: StubbornPods.Name);
        await service.ConnectAsync(spec with { Settings = new Dictionary<string, string> { [StubbornPods.Mode] = mode } });
    }
}
