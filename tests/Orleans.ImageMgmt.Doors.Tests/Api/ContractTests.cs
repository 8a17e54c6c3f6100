using System.Net;
using System.Net.Http.Json;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Api;

/// <summary>Goal: what every resource promises alike: tags, keys, pages, filters. Method: the typed client against a real server.</summary>
public sealed class ContractTests
{
    [Fact]
    public async Task A_change_with_an_old_tag_is_refused_and_one_with_the_new_tag_is_made()
    {
        await using var host = await PodsHost.StartAsync();
        var old = (await host.ConnectAsync("paris")).Etag!;
        var labels = new PodLabelsRequest { Labels = new Dictionary<string, string> { ["site"] = "south" } };
        var changed = await host.Client.SetPodLabelsAsync("paris", labels, $"\"{old}\"", host.Stop);
        Assert.NotEqual(old, changed.Etag);

        var refused = await Assert.ThrowsAsync<ProblemException>(() => host.Client.DrainPodAsync("paris", etag: $"\"{old}\"", cancellationToken: host.Stop));
        Assert.Equal((HttpStatusCode.PreconditionFailed, "precondition.failed"), (refused.StatusCode, refused.Code));
        Assert.Equal(PodState.Connected, (await host.Client.GetPodAsync("paris", host.Stop)).State);
        Assert.Equal(PodState.Draining, (await host.Client.DrainPodAsync("paris", etag: $"\"{changed.Etag}\"", cancellationToken: host.Stop)).State);

        var known = await Assert.ThrowsAsync<ProblemException>(() => host.Client.ConnectPodAsync("paris", host.PodRequest("paris"), mustBeNew: true, cancellationToken: host.Stop));
        Assert.Equal(HttpStatusCode.PreconditionFailed, known.StatusCode);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/pods/paris/drain");
        request.Headers.TryAddWithoutValidation("If-Match", "naked");
        using var bare = await host.Http.SendAsync(request, host.Stop);
        var problem = (await bare.Content.ReadFromJsonAsync<Problem>(ImageMgmtJson.Options, host.Stop))!;
        Assert.Equal(("request.invalid", "If-Match"), (problem.Code, Assert.Single(problem.Errors!).Field));
    }

    [Fact]
    public async Task A_verb_of_an_operation_heeds_the_tag_of_its_standing_and_not_of_its_bytes()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ImportAsync();
        await host.ConnectAsync("slow", "receive:slow=2MB/s");
        await host.ConnectAsync("paris", "receive:stall=10m:after=50%:times=1");
        await host.Client.PublishAsync("win", "1.0", null, "pub-1", cancellationToken: host.Stop);
        var running = await host.UntilAsync(() => host.Client.GetOperationAsync("pub-1", host.Stop), o => o.State == OperationState.Running);
        await host.UntilAsync(() => host.Client.GetOperationAsync("pub-1", host.Stop), o => o.Targets!.Available == 1); // bytes moved, a copy arrived
        Assert.Equal(HttpStatusCode.Accepted, (await VerbAsync("pause", running.Etag!)).Status);

        var paused = await host.Client.GetOperationAsync("pub-1", host.Stop);
        Assert.Equal((HttpStatusCode.PreconditionFailed, "precondition.failed"), await VerbAsync("resume", running.Etag!));
        Assert.Equal((HttpStatusCode.PreconditionFailed, "precondition.failed"), await VerbAsync("cancel", running.Etag!));
        Assert.Equal(OperationState.Paused, (await host.Client.GetOperationAsync("pub-1", host.Stop)).State);
        Assert.Equal(HttpStatusCode.Accepted, (await VerbAsync("resume", paused.Etag!)).Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await VerbAsync("retry", paused.Etag!)).Status);
        using var any = new HttpRequestMessage(HttpMethod.Post, "/api/v1/operations/pub-1/cancel");
        any.Headers.TryAddWithoutValidation("If-Match", "*");
        Assert.Equal(HttpStatusCode.Accepted, (await host.Http.SendAsync(any, host.Stop)).StatusCode);

        async Task<(HttpStatusCode Status, string? Code)> VerbAsync(string verb, string etag)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/operations/pub-1/{verb}");
            request.Headers.TryAddWithoutValidation("If-Match", $"\"{etag}\"");
            using var answer = await host.Http.SendAsync(request, host.Stop);
            return (answer.StatusCode, answer.IsSuccessStatusCode ? null : (await answer.Content.ReadFromJsonAsync<Problem>(ImageMgmtJson.Options, host.Stop))!.Code);
        }
    }

    [Fact]
    public async Task A_resource_that_has_not_changed_is_not_sent_again()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ImportAsync();
        foreach (var path in (string[])["/api/v1/pods/source", "/api/v1/images/win", "/api/v1/images/win/versions/1.0"])
        {
            using var first = await host.Http.GetAsync(path, host.Stop);
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.IfNoneMatch.Add(first.Headers.ETag!);
            using var second = await host.Http.SendAsync(request, host.Stop);
            Assert.Equal(HttpStatusCode.NotModified, second.StatusCode);
        }
    }

    [Fact]
    public async Task The_same_key_with_the_same_body_is_one_operation_and_with_another_body_is_refused()
    {
        await using var host = await PodsHost.StartAsync();
        host.MakeSource("win.raw");
        await host.ConnectAsync("source");
        await host.ConnectAsync("paris");
        var step = new ImportRequest { Pod = "source", Source = "win.raw", Step = VersionStep.Minor };
        var first = await host.Client.ImportAsync("win", new ImportRequest { Pod = "source", Source = "win.raw" }, "key-0", host.Stop);
        await host.EndOfAsync(first.Id);
        var imported = await host.Client.ImportAsync("win", step, "key-1", host.Stop);
        await host.EndOfAsync("key-1");
        var again = await host.Client.ImportAsync("win", step, "key-1", host.Stop);
        Assert.Equal(("1.1", "1.1"), (imported.Version, again.Version)); // not 1.2: it is the same import
        Assert.Equal(2, (await host.Client.GetImageAsync("win", host.Stop)).VersionCount);

        var other = await Assert.ThrowsAsync<ProblemException>(() => host.Client.ImportAsync("win", step with { Description = "other" }, "key-1", host.Stop));
        Assert.Equal((HttpStatusCode.Conflict, "operation.id-in-use"), (other.StatusCode, other.Code));
        var elsewhere = await Assert.ThrowsAsync<ProblemException>(() => host.Client.PublishAsync("win", "1.0", operation: "key-1", cancellationToken: host.Stop));
        Assert.Equal("operation.id-in-use", elsewhere.Code);

        // A request that was refused leaves its key for a corrected one.
        var bad = await Assert.ThrowsAsync<ProblemException>(() => host.Client.PublishAsync("win", "1.0", new PublishRequest { Pods = ["rome"] }, "key-2", cancellationToken: host.Stop));
        Assert.Equal("publish.bad-targets", bad.Code);
        Assert.Equal("key-2", (await host.Client.PublishAsync("win", "1.0", new PublishRequest { Pods = ["paris"] }, "key-2", cancellationToken: host.Stop)).Id);
        await host.EndOfAsync("key-2");
    }

    [Fact]
    public async Task Keys_and_their_bodies_survive_a_restart()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ImportAsync("paris");
        await host.Client.PublishAsync("win", "1.0", new PublishRequest { Pods = ["paris"] }, "key-1", cancellationToken: host.Stop);
        await host.EndOfAsync("key-1");
        await host.RestartAsync();
        Assert.Equal(OperationState.Succeeded, (await host.Client.PublishAsync("win", "1.0", new PublishRequest { Pods = ["paris"] }, "key-1", cancellationToken: host.Stop)).State);
        var other = await Assert.ThrowsAsync<ProblemException>(() => host.Client.PublishAsync("win", "1.0", null, "key-1", cancellationToken: host.Stop));
        Assert.Equal("operation.id-in-use", other.Code);
    }

    [Fact]
    public async Task Lists_come_in_pages_filtered_and_sorted()
    {
        await using var host = await PodsHost.StartAsync();
        string[] names = ["east-1", "east-2", "east-3", "west-1", "west-2"];
        foreach (var name in names)
        {
            await host.ConnectAsync(name, labels: new Dictionary<string, string> { ["side"] = name[..4], ["odd"] = name[^1] is '1' or '3' ? "yes" : "no" });
        }

        var all = new List<string>();
        string? cursor = null;
        do
        {
            var page = await host.Client.ListPodsAsync(page: new PageRequest { Limit = 2, Cursor = cursor }, cancellationToken: host.Stop);
            Assert.True(page.Items.Count <= 2);
            all.AddRange(page.Items.Select(p => p.Name));
            cursor = page.NextCursor;
        }
        while (cursor is not null);

        Assert.Equal(names, all);
        Assert.Equal(["east-1", "east-3"], await NamesAsync(host, new PodFilter { Labels = new Dictionary<string, string> { ["side"] = "east", ["odd"] = "yes" } }));
        Assert.Equal(["west-2", "west-1"], await NamesAsync(host, new PodFilter { NamePrefix = "west", Descending = true }));
        await host.Client.DrainPodAsync("east-2", cancellationToken: host.Stop);
        Assert.Equal(["east-2"], await NamesAsync(host, new PodFilter { State = PodState.Draining }));
        Assert.Empty(await NamesAsync(host, new PodFilter { Family = "vsphere" }));
    }

    [Fact]
    public async Task Operations_are_listed_newest_first_and_by_kind()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ImportAsync("paris");
        await host.Client.PublishAsync("win", "1.0", null, "pub-1", cancellationToken: host.Stop);
        await host.EndOfAsync("pub-1");
        await host.Client.DeleteVersionAsync("win", "1.0", "done", "del-1", cancellationToken: host.Stop);
        await host.EndOfAsync("del-1");
        var kinds = await host.Client.AllOperationsAsync(cancellationToken: host.Stop).Select(o => o.Kind).ToListAsync(host.Stop);
        Assert.Equal([OperationKind.Delete, OperationKind.Publish, OperationKind.Import], kinds);
        var publishes = await host.Client.AllOperationsAsync(new OperationFilter { Kind = OperationKind.Publish, State = OperationState.Succeeded }, host.Stop).ToListAsync(host.Stop);
        Assert.Equal("pub-1", Assert.Single(publishes).Id);
    }

    private static async Task<List<string>> NamesAsync(PodsHost host, PodFilter filter) =>
        await host.Client.AllPodsAsync(filter, host.Stop).Select(p => p.Name).ToListAsync(host.Stop);
}
