using System.Net;
using System.Security.Cryptography;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Api;

/// <summary>Goal: what the service is for can be done over HTTP alone. Method: the typed client against a real server with real pods.</summary>
public sealed class FlowTests
{
    [Fact]
    public async Task An_image_is_imported_published_to_all_pods_and_proved_by_receipts()
    {
        await using var host = await PodsHost.StartAsync();
        var version = await host.ImportAsync("paris", "oslo");
        Assert.Equal(VersionStatus.DeploymentComplete, version.Status);

        var publish = await host.Client.PublishAsync("win", "1.0", cancellationToken: host.Stop);
        var ended = await host.EndOfAsync(publish.Id);
        Assert.Equal((OperationState.Succeeded, 2), (ended.State, ended.Targets!.Available));
        Assert.Equal(ended.Progress!.TotalBytes, ended.Progress.DoneBytes);

        var receipts = await host.Client.AllReceiptsAsync("win", "1.0", host.Stop).Select(r => (r.Pod, r.ContentDigest)).ToListAsync(host.Stop);
        var digest = version.Content!.Digest;
        Assert.Equal([("oslo", digest), ("paris", digest), ("source", digest)], receipts);
        foreach (var pod in (string[])["paris", "oslo"])
        {
            var bytes = await File.ReadAllBytesAsync(host.FileOf(pod, "win", "1.0"), host.Stop);
            Assert.Equal(digest, "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes)));
        }

        Assert.Equal(VersionStatus.Available, (await host.UntilAsync(() => host.Client.GetVersionAsync("win", "1.0", host.Stop), v => v.Status == VersionStatus.Available)).Status);
        var copy = await host.Client.GetCopyAsync("win", "1.0", "paris", host.Stop);
        Assert.Equal((CopyRole.Target, CopyState.Available), (copy.Role, copy.State));
    }

    [Fact]
    public async Task A_publish_goes_to_the_pods_that_carry_a_label_and_the_activity_log_says_who_and_why()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ImportAsync("oslo");
        await host.ConnectAsync("paris");
        await host.Client.SetPodLabelsAsync("paris", new PodLabelsRequest { Labels = new Dictionary<string, string> { ["site"] = "south" } }, cancellationToken: host.Stop);

        var publish = await host.Client.PublishAsync("win", "1.0",
            new PublishRequest { Labels = new Dictionary<string, string> { ["site"] = "south" }, Reason = "change 4711" }, "pub-1", cancellationToken: host.Stop);
        Assert.Equal("pub-1", publish.Id);
        await host.EndOfAsync("pub-1");
        Assert.Equal(["paris"], await host.Client.AllTargetsAsync("pub-1", host.Stop).Select(t => t.Pod).ToListAsync(host.Stop));

        var lines = await host.Client.AllActivityAsync(new ActivityFilter { Operation = "pub-1" }, host.Stop).ToListAsync(host.Stop);
        var accepted = Assert.Single(lines, l => l.Action == "publish.accepted");
        Assert.Equal("change 4711", accepted.Reason);
        Assert.StartsWith("http 127.0.0.1", accepted.Origin, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failed_pod_is_retried_alone_and_the_other_failed_pod_is_left_as_it_is()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ImportAsync();
        await host.ConnectAsync("paris", "receive:refuse:times=2:cause=denied");
        await host.ConnectAsync("oslo", "receive:refuse:times=1:cause=denied");
        await host.Client.PublishAsync("win", "1.0", null, "pub-1", cancellationToken: host.Stop);
        var failed = await host.EndOfAsync("pub-1");
        Assert.Equal((OperationState.Failed, 2), (failed.State, failed.Targets!.Failed));
        Assert.Contains(OperationVerb.Retry, failed.Allows!);

        var retried = await host.Client.RetryOperationAsync("pub-1", new RetryRequest { Pod = "oslo" }, host.Stop);
        Assert.Equal(OperationState.Running, retried.State);
        var ended = await host.EndOfAsync("pub-1");
        Assert.Equal((OperationState.PartiallySucceeded, 1, 1), (ended.State, ended.Targets!.Available, ended.Targets.Failed));
        var targets = await host.Client.AllTargetsAsync("pub-1", host.Stop).ToDictionaryAsync(t => t.Pod, t => t, cancellationToken: host.Stop);
        Assert.Equal((TargetOutcome.Available, TargetOutcome.Failed), (targets["oslo"].Outcome, targets["paris"].Outcome));
        Assert.Equal((1, "receive.denied"), (targets["paris"].Tries, targets["paris"].Fault!.Code));

        var refused = await Assert.ThrowsAsync<ProblemException>(() => host.Client.RetryOperationAsync("pub-1", new RetryRequest { Pod = "oslo" }, host.Stop));
        Assert.Equal((HttpStatusCode.Conflict, "operation.target-not-failed"), (refused.StatusCode, refused.Code));
    }

    [Fact]
    public async Task A_failed_import_is_tried_again_as_the_same_operation()
    {
        await using var host = await PodsHost.StartAsync();
        host.MakeSource("win.raw");
        await host.ConnectAsync("source", "prepare:refuse:times=1:cause=denied");
        await host.Client.ImportAsync("win", new ImportRequest { Pod = "source", Source = "win.raw" }, "imp-1", host.Stop);
        var failed = await host.EndOfAsync("imp-1");
        Assert.Equal((OperationState.Failed, "prepare.denied"), (failed.State, failed.Fault?.Code));

        await host.Client.RetryOperationAsync("imp-1", cancellationToken: host.Stop);
        Assert.Equal(OperationState.Succeeded, (await host.EndOfAsync("imp-1")).State);
        Assert.Equal(VersionStatus.DeploymentComplete, (await host.Client.GetVersionAsync("win", "1.0", host.Stop)).Status);
    }

    [Fact]
    public async Task An_image_is_deleted_with_all_its_versions_and_nothing_of_it_stays_on_the_pods()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ImportAsync("paris");
        await host.EndOfAsync((await host.Client.PublishAsync("win", "1.0", cancellationToken: host.Stop)).Id);
        var second = await host.Client.ImportAsync("win", new ImportRequest { Pod = "source", Source = "win.raw", Step = VersionStep.Minor }, cancellationToken: host.Stop);
        Assert.Equal("1.1", second.Version);
        await host.EndOfAsync(second.Id);
        Assert.Equal("1.0", (await host.Client.GetVersionAsync("win", "1.1", host.Stop)).From);

        var delete = await host.Client.DeleteImageAsync("win", "no longer wanted", "del-1", cancellationToken: host.Stop);
        Assert.Equal(OperationKind.Delete, delete.Kind);
        Assert.Equal(OperationState.Succeeded, (await host.EndOfAsync("del-1")).State);
        Assert.Equal(ImageStatus.Deleted, (await host.Client.GetImageAsync("win", host.Stop)).Status);
        Assert.False(Directory.Exists(Path.GetDirectoryName(host.FileOf("paris", "win", "1.0"))));
        Assert.False(Directory.Exists(Path.GetDirectoryName(host.FileOf("source", "win", "1.1"))));
    }

    [Fact]
    public async Task An_import_ended_when_it_ended_and_a_delete_began_when_it_began_whatever_comes_later()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ImportAsync("paris");
        var import = await host.Client.GetOperationAsync("import-1", host.Stop);
        Assert.NotNull(import.EndedAt);
        await host.EndOfAsync((await host.Client.PublishAsync("win", "1.0", cancellationToken: host.Stop)).Id);
        await host.UntilAsync(() => host.Client.GetVersionAsync("win", "1.0", host.Stop), v => v.Status == VersionStatus.Available && v.ChangedAt > import.EndedAt);
        Assert.Equal(import.EndedAt, (await host.Client.GetOperationAsync("import-1", host.Stop)).EndedAt);

        var accepted = await host.Client.DeleteVersionAsync("win", "1.0", "no longer wanted", "del-1", cancellationToken: host.Stop);
        Assert.Equal(accepted.CreatedAt, (await host.EndOfAsync("del-1")).CreatedAt);
    }

    [Fact]
    public async Task A_running_import_is_cancelled_and_leaves_nothing()
    {
        await using var host = await PodsHost.StartAsync();
        host.MakeSource("win.raw");
        await host.ConnectAsync("source", "prepare:stall=10m");
        await host.Client.ImportAsync("win", new ImportRequest { Pod = "source", Source = "win.raw" }, "imp-1", host.Stop);
        await host.UntilAsync(() => host.Client.GetOperationAsync("imp-1", host.Stop), o => o.Allows?.Contains(OperationVerb.Cancel) == true);

        await host.Client.CancelOperationAsync("imp-1", "wrong disk", host.Stop);
        Assert.Equal(OperationState.Cancelled, (await host.EndOfAsync("imp-1")).State);
        var again = await Assert.ThrowsAsync<ProblemException>(() => host.Client.CancelOperationAsync("imp-1", cancellationToken: host.Stop));
        Assert.Equal((HttpStatusCode.Conflict, "operation.not-now"), (again.StatusCode, again.Code));
    }

    [Fact]
    public async Task A_pod_is_probed_without_being_connected_and_sources_are_listed_in_pages()
    {
        await using var host = await PodsHost.StartAsync();
        var good = await host.Client.ProbePodAsync(new ProbePodRequest { Family = "filesystem", Settings = host.PodRequest("paris").Settings }, host.Stop);
        Assert.True(good.Answers, good.Fault?.Detail);
        Assert.True(good.FreeBytes!["ds"] > 0);
        var bad = await host.Client.ProbePodAsync(new ProbePodRequest { Family = "filesystem", Settings = new Dictionary<string, string> { ["datastor.ds"] = "/nowhere" } }, host.Stop);
        Assert.Equal((false, "probe.misconfigured"), (bad.Answers, bad.Fault?.Code));
        Assert.Empty(await host.Client.AllPodsAsync(cancellationToken: host.Stop).ToListAsync(host.Stop));

        await host.ConnectAsync("paris");
        foreach (var name in (string[])["a.raw", "b.raw", "c.raw"])
        {
            host.MakeSource(name, mebibytes: 1);
        }

        var first = await host.Client.ListSourcesAsync("paris", new PageRequest { Limit = 2 }, host.Stop);
        var second = await host.Client.ListSourcesAsync("paris", new PageRequest { Limit = 2, Cursor = first.NextCursor }, host.Stop);
        Assert.Equal(["a.raw", "b.raw", "c.raw"], first.Items.Concat(second.Items).Select(s => s.Path));
        Assert.Null(second.NextCursor);
    }
}
