using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Xunit;
using static Orleans.ImageMgmt.Cluster.Tests.Flows.SiloUnderTest;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

/// <summary>Goal: a plan says what a publish would do and does nothing. Method: a plan over pods in every state, between two looks at the store's write counter.</summary>
public sealed class PlanFlowTests
{
    private const long DataLength = 9 << 20;

    [Fact]
    public async Task A_plan_has_a_row_for_every_pod_and_writes_nothing()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("fresh", null), ("full", null), ("drains", null), ("has", null), ("capped", null));
        await service.ConnectAsync(Spec(new PodName("full")) with { Settings = new Dictionary<string, string> { ["capacity"] = "4MiB" } });
        await service.ConnectAsync(Spec(new PodName("blind")) with { Settings = new Dictionary<string, string> { ["transfer"] = "whole" } });
        await service.Client.SetPodCapsAsync(new PodName("capped"), new PodCaps { In = "4Mbit/s" }, By);
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish("publish-1", "has"));
        await service.UntilEndedAsync("publish-1");
        await service.Client.DrainPodAsync(new PodName("drains"), By);
        await UntilAsync(() => service.Grains.GetPod(new PodName("drains")).GetAsync(), v => v.Pod.State == PodState.Draining);

        var written = service.Counters.Rows;
        var planned = await service.Planning.PlanAsync(First, Publish("no-operation"), null, 100);
        Assert.Equal(written, service.Counters.Rows);
        Assert.Equal(0, (await service.Client.GetCopyAsync(new PodName("fresh"), First)).Copy.Revision);

        var rows = planned.Value!.Pods.ToDictionary(p => p.Plan.Pod.Value);
        Assert.Equal(["blind", "capped", "drains", "fresh", "full", "has"], rows.Keys.Order(StringComparer.Ordinal));
        Assert.Equal((DataLength, 0L), (rows["fresh"].Plan.Receive!.BytesToSend, rows["fresh"].Plan.Receive!.BytesStaged));
        Assert.Equal("pod.draining", rows["drains"].Plan.Refusal!.Code);
        Assert.Equal("receive.no-room", rows["full"].Plan.Refusal!.Code);
        Assert.True(rows["has"].Plan.Receive!.IsHeld);
        Assert.True(rows["has"].Plan.BytesPerSecond > 0); // measured by the transfer that ended there
        Assert.NotNull(rows["blind"].Plan.Unknown);
        Assert.Equal(500_000, rows["capped"].BytesPerSecond);
        Assert.InRange(rows["capped"].Takes!.Value.TotalSeconds, DataLength / 500_000.0 - 1, DataLength / 500_000.0 + 1);
    }

    [Fact]
    public async Task A_plan_in_pages_has_every_pod_once_and_shares_what_all_of_them_go_through()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync([.. Enumerable.Range(0, 7).Select(n => ($"pod-{n}", (string?)null))]);
        await service.Client.SetPodCapsAsync(Source, new PodCaps { Out = "56Mbit/s" }, By);
        await service.ImportFirstAsync();
        var seen = new List<string>();
        PodName? after = null;
        do
        {
            var page = (await service.Planning.PlanAsync(First, Publish("no-operation"), after, 3)).Value!;
            Assert.Equal(7, page.All);
            Assert.InRange(page.Pods.Count, 1, 3);
            Assert.All(page.Pods, pod => Assert.Equal(1_000_000, pod.BytesPerSecond)); // a seventh of it, whatever page they are on
            seen.AddRange(page.Pods.Select(p => p.Plan.Pod.Value));
            after = page.Next;
        }
        while (after is not null);
        Assert.Equal(Enumerable.Range(0, 7).Select(n => $"pod-{n}"), seen);
    }

    [Fact]
    public async Task A_plan_for_named_pods_tells_of_each_why_it_would_get_nothing()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync(("a", null));
        await service.ImportFirstAsync();
        var planned = await service.Planning.PlanAsync(First, Publish("no-operation", "a", "nobody"), null, 100);
        Assert.Equal([null, "pod.unknown"], planned.Value!.Pods.Select(p => p.Plan.Refusal?.Code));
    }
}
