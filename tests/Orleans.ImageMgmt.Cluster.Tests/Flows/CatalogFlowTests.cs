using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Xunit;
using static Orleans.ImageMgmt.Cluster.Tests.Flows.SiloUnderTest;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

public sealed class CatalogFlowTests
{
    [Fact]
    public async Task What_cannot_be_done_is_refused_with_its_code_and_changes_nothing()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync();
        Assert.Equal("pod.not-connected", (await RefusalAsync(() => service.Client.ImportAsync(Import(pod: new PodName("nowhere"))))).Code);
        Assert.Equal("version.unknown", (await RefusalAsync(() => service.Client.PublishAsync(First, Publish()))).Code);
        Assert.False((await service.Client.GetImageAsync(Win10)).Exists);

        await service.ImportFirstAsync();
        Assert.Equal("version.exists", (await RefusalAsync(() => service.Client.ImportAsync(Import("import-2")))).Code);
        Assert.Equal("publish.no-targets", (await RefusalAsync(() => service.Client.PublishAsync(First, Publish()))).Code);
        Assert.Equal("publish.no-targets", (await RefusalAsync(() => service.Client.PublishAsync(First, Publish("p", "source")))).Code);
        Assert.Equal(VersionStatus.DeploymentComplete, (await service.Client.GetVersionAsync(First)).Status);
    }

    [Fact]
    public async Task All_bad_targets_are_named_at_once()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("good", null), ("leaving", null));
        await service.ImportFirstAsync();
        await service.Grains.GetPod(new PodName("leaving")).DrainAsync(By);

        var refusal = await RefusalAsync(() => service.Client.PublishAsync(First, Publish("p", "good", "leaving", "ghost")));
        Assert.Equal("publish.bad-targets", refusal.Code);
        Assert.Contains("leaving is Draining", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("ghost is unknown", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_label_selector_chooses_the_pods_that_carry_it()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("plain", null));
        await service.ConnectAsync(Spec(new PodName("eu"), labels: new Dictionary<string, string> { ["region"] = "eu" }));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, new PublishRequest(new OperationId("p"), null, new Dictionary<string, string> { ["region"] = "eu" }, By));

        Assert.Equal(1, (await service.UntilEndedAsync("p")).Totals.All);
        Assert.Equal(CopyState.Available, (await service.CopyAsync("eu")).State);
        Assert.Equal(0, (await service.CopyAsync("plain")).Revision);
    }

    [Fact]
    public async Task A_draining_pod_gets_nothing_new_and_a_busy_one_is_not_disconnected()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", null), ("stuck", "receive:stall=600s"));
        await service.ImportFirstAsync();
        await service.Grains.GetPod(new PodName("a")).DrainAsync(By);
        await service.Client.PublishAsync(First, Publish());
        await UntilAsync(() => service.CopyAsync("stuck"), c => c.State == CopyState.Replicating);

        Assert.Equal(0, (await service.CopyAsync("a")).Revision);
        Assert.Equal("pod.busy", (await service.Grains.GetPod(new PodName("stuck")).DisconnectAsync(By)).Refusal!.Code);
        Assert.Equal(PodState.Disconnected, (await service.Grains.GetPod(new PodName("a")).DisconnectAsync(By)).Value!.State);
    }

    [Fact]
    public async Task A_failed_import_keeps_its_typed_reason_and_the_version_can_be_imported_again()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync();
        await service.Client.ImportAsync(Import("import-bad", path: "missing"));
        var failed = await service.UntilAsync(First, v => v.Status == VersionStatus.Failed);
        Assert.Equal(FaultStage.Prepare, failed.Fault!.Stage);
        Assert.NotEmpty(failed.Fault.NextStep);
        await UntilAsync(() => service.Client.GetImageAsync(Win10), i => i.Status == ImageStatus.Failed);

        await service.Client.ImportAsync(Import("import-good"));
        await service.UntilAsync(First, v => v.Status == VersionStatus.DeploymentComplete);
        await UntilAsync(() => service.Client.GetImageAsync(Win10), i => i.Status == ImageStatus.DeploymentComplete);
    }

    [Fact]
    public async Task A_disabled_version_is_not_published_and_enabling_it_brings_its_status_back()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", null));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());
        await service.UntilAsync(First, v => v.Status == VersionStatus.Available);

        Assert.Equal(VersionStatus.Disabled, await service.Client.DisableVersionAsync(First, By));
        Assert.Equal("version.not-publishable", (await RefusalAsync(() => service.Client.PublishAsync(First, Publish("p2")))).Code);
        Assert.Equal(VersionStatus.Available, await service.Client.EnableVersionAsync(First, By));
    }

    [Fact]
    public async Task Deleting_the_last_version_removes_every_copy_and_the_image()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", null), ("b", null));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());
        await service.UntilAsync(First, v => v.Status == VersionStatus.Available);

        await service.Client.DeleteVersionAsync(First, new OperationId("delete-1"), By);
        await service.UntilAsync(First, v => v.Status == VersionStatus.Deleted);
        foreach (var pod in (string[])["a", "b", "source"])
        {
            Assert.Equal(CopyState.Deleted, (await service.CopyAsync(pod)).State);
        }

        await UntilAsync(() => service.Client.GetImageAsync(Win10), i => i.Status == ImageStatus.Deleted);
        Assert.Empty(await service.Catalog.ListUnfinishedOperationsAsync(null, 10, Token));
    }

    [Fact]
    public async Task A_later_version_remembers_what_it_was_made_from()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", null));
        await service.ImportFirstAsync();
        var next = new VersionId(Win10, new VersionName("1.1"));
        await service.Client.ImportAsync(Import("import-2", next, from: VersionName.First));
        var version = await service.UntilAsync(next, v => v.Status == VersionStatus.DeploymentComplete);
        Assert.Equal(VersionName.First, version.From);
        Assert.Equal("version.unknown-parent", (await RefusalAsync(() =>
            service.Client.ImportAsync(Import("import-3", new VersionId(Win10, new VersionName("1.2")), from: new VersionName("9.9"))))).Code);
    }

    private static async Task<Refusal> RefusalAsync(Func<Task> act) => (await Assert.ThrowsAsync<RefusedException>(act)).Refusal;
}
