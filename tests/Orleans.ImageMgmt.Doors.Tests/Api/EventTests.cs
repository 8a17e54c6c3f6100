using System.Net;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Api;

/// <summary>Goal: whoever watches an operation sees its end, however often the connection breaks. Method: event streams of a real server.</summary>
public sealed class EventTests
{
    [Fact]
    public async Task A_watch_sees_every_target_and_the_end()
    {
        await using var host = await PodsHost.StartAsync("Http:EventHeartbeat=100ms");
        await host.ImportAsync("paris", "oslo");
        await host.Client.PublishAsync("win", "1.0", null, "pub-1", cancellationToken: host.Stop);
        var events = await host.Client.WatchOperationAsync("pub-1", cancellationToken: host.Stop).ToListAsync(host.Stop);
        Assert.Equal((OperationEvent.EndName, OperationState.Succeeded), (events[^1].Name, events[^1].Operation!.State));
        foreach (var pod in (string[])["paris", "oslo"])
        {
            Assert.Equal(TargetOutcome.Available, events.Last(e => e.Target?.Pod == pod).Target!.Outcome);
        }
    }

    [Fact]
    public async Task A_watch_goes_on_after_the_last_event_that_was_seen_and_after_a_restart_of_the_server()
    {
        await using var host = await PodsHost.StartAsync("Http:EventHeartbeat=100ms");
        await host.ImportAsync();
        await host.ConnectAsync("paris", "receive:stall=10m:times=1");
        await host.Client.PublishAsync("win", "1.0", null, "pub-1", cancellationToken: host.Stop);

        string? last = null;
        await using var holder = host.Client.WatchOperationAsync("pub-1", cancellationToken: host.Stop).GetAsyncEnumerator(host.Stop);
        while (last is null && await holder.MoveNextAsync())
        {
            last = holder.Current.Name == OperationEvent.OperationName ? holder.Current.Id : null;
        }

        // Nothing has happened since: a second watcher with the id of the last event is told nothing old. It hears the pause.
        var heard = HearUntilAsync(host, last!, OperationState.Paused);
        await host.Client.PauseOperationAsync("pub-1", cancellationToken: host.Stop);
        var news = await heard;
        Assert.DoesNotContain(last, news.Select(e => e.Id));
        var seen = news[^1].Id;
        await host.RestartAsync();
        await host.Client.ResumeOperationAsync("pub-1", cancellationToken: host.Stop);
        await host.Client.CancelOperationAsync("pub-1", cancellationToken: host.Stop);
        var rest = await host.Client.WatchOperationAsync("pub-1", seen, host.Stop).ToListAsync(host.Stop);
        Assert.Equal((OperationEvent.EndName, OperationState.Cancelled), (rest[^1].Name, rest[^1].Operation!.State));
    }

    [Fact]
    public async Task An_operation_with_more_than_a_thousand_targets_tells_sums_only_and_the_description_says_so()
    {
        const int pods = 1_001;
        await using var host = await PodsHost.StartAsync("Http:RequestsPerSecondPerToken=100000", "Http:RequestsPerSecondPerAddress=100000");
        await RunningPublish.ConnectAsync(host.Client, "source", ("source.golden", "length=2MiB,data=1MiB,seed=7"));
        await Parallel.ForEachAsync(Enumerable.Range(0, pods), host.Stop, async (number, stop) => await host.Client.ConnectPodAsync(
            $"pod-{number}", new ConnectPodRequest { Family = "simulated", Settings = new Dictionary<string, string> { ["content"] = "digests" } }, cancellationToken: stop));
        await host.UntilAsync(() => host.Client.GetServerStatusAsync(host.Stop), status => status.Pods["connected"] == pods + 1);
        await host.Client.ImportAsync("win", new ImportRequest { Pod = "source", Source = "golden" }, "import-1", host.Stop);
        Assert.Equal(OperationState.Succeeded, (await host.EndOfAsync("import-1")).State);

        await host.Client.PublishAsync("win", "1.0", null, "pub-1", cancellationToken: host.Stop);
        var events = await host.Client.WatchOperationAsync("pub-1", cancellationToken: host.Stop).ToListAsync(host.Stop);

        Assert.DoesNotContain(events, e => e.Name == OperationEvent.TargetName);
        Assert.Equal((OperationEvent.EndName, OperationState.Succeeded, pods), (events[^1].Name, events[^1].Operation!.State, events[^1].Operation!.Targets!.Available));
        Assert.Equal(pods, await host.Client.AllTargetsAsync("pub-1", host.Stop).CountAsync(host.Stop));
        Assert.Contains("more than 1000 targets tells its sums only", await host.Http.GetStringAsync(new Uri(Routes.OpenApi, UriKind.Relative), host.Stop), StringComparison.Ordinal);
    }

    private static async Task<List<OperationEvent>> HearUntilAsync(PodsHost host, string last, OperationState state)
    {
        List<OperationEvent> heard = [];
        await foreach (var one in host.Client.WatchOperationAsync("pub-1", last, host.Stop))
        {
            heard.Add(one);
            if (one.Operation?.State == state)
            {
                break;
            }
        }

        return heard;
    }

    [Fact]
    public async Task A_watch_of_an_operation_that_has_ended_says_so_and_ends()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ImportAsync();
        var end = Assert.Single(await host.Client.WatchOperationAsync("import-1", cancellationToken: host.Stop).Where(e => e.Operation is not null).ToListAsync(host.Stop));
        Assert.Equal(OperationState.Succeeded, end.Operation!.State);
        var unknown = await Assert.ThrowsAsync<ProblemException>(() => host.Client.WatchOperationAsync("nobody", cancellationToken: host.Stop).ToListAsync(host.Stop).AsTask());
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }
}
