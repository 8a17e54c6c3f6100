using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Grains;

/// <summary>One pod of a plan.</summary>
/// <param name="Plan">What the pod says.</param>
/// <param name="BytesPerSecond">The rate that counts now: the lowest of what was measured and what the caps leave, shared by all pods of the plan; null: not known.</param>
/// <param name="Takes">How long the bytes take, the calendars of the caps considered; null: not known.</param>
public sealed record ForeseenPod(PodPlan Plan, long? BytesPerSecond, TimeSpan? Takes);

/// <summary>Some pods of a plan.</summary>
/// <param name="Pods">By name.</param>
/// <param name="All">Pods of the whole plan.</param>
/// <param name="Next">Send it as the last pod seen to get the next ones; null: there are no more.</param>
public sealed record ForeseenPage(IReadOnlyList<ForeseenPod> Pods, int All, PodName? Next);

/// <summary>Says what a publish would take, pod by pod. Changes nothing.</summary>
public sealed class PublishPlanning
{
    private readonly IGrainFactory grains;
    private readonly PublishTargets targets;
    private readonly CatalogReader catalog;
    private readonly ImageMgmtOptions options;
    private readonly TimeProvider time;

    internal PublishPlanning(IGrainFactory grains, PublishTargets targets, CatalogReader catalog, ImageMgmtOptions options, TimeProvider time) =>
        (this.grains, this.targets, this.catalog, this.options, this.time) = (grains, targets, catalog, options, time);

    /// <summary>What the publish that is asked would take, for some of its pods, in the order of their names. Refused as a whole only for what is about the version or the
    /// request itself.</summary>
    /// <param name="after">The last pod of the page before; null for the first page.</param>
    /// <param name="limit">Pods of this page: each is asked.</param>
    public async Task<Reply<ForeseenPage>> PlanAsync(VersionId id, PublishRequest request, PodName? after, int limit)
    {
        var version = await grains.GetVersion(id).GetAsync();
        if (VersionMachine.Decide(version, new VersionCommand.BeginPublish(request.Operation, [version.SourcePod ?? default])).Refusal is { } refusal)
        {
            return Reply.Refused<ForeseenPage>(refusal);
        }

        var source = (await grains.GetPod(version.SourcePod!.Value).GetAsync()).Pod.Spec;
        var all = await targets.ForeseeAsync(version, request);
        var rest = all.Where(t => after is not { } last || string.CompareOrdinal(t.Pod.Value, last.Value) > 0).ToList();
        var plans = new List<PodPlan>();
        foreach (var batch in rest.Take(limit).Chunk(options.EnsuresAtOnce))
        {
            plans.AddRange(await Task.WhenAll(batch.Select(target => AskAsync(version, target.Pod, target.Refusal))));
        }

        var sharing = await SharingAsync(version, all);
        return Reply.Of(new ForeseenPage([.. plans.Select(plan => Foresee(plan, sharing, source))], all.Count, rest.Count > limit ? plans[^1].Pod : null));
    }

    /// <summary>Everybody of the whole plan who would get bytes, whatever page he is on.</summary>
    private async Task<List<ForeseenTarget>> SharingAsync(Version version, IReadOnlyList<ForeseenTarget> all)
    {
        var held = new HashSet<PodName>();
        await foreach (var pod in catalog.AvailableCopiesAsync(version.Id, CancellationToken.None))
        {
            held.Add(pod);
        }

        return [.. all.Where(t => t.Refusal is null && !held.Contains(t.Pod))];
    }

    private async Task<PodPlan> AskAsync(Version version, PodName pod, Refusal? refusal)
    {
        if (refusal is not null)
        {
            return new PodPlan(pod, refusal, null, null, null, null);
        }

        try
        {
            return await grains.GetPod(pod).PlanAsync(version.Id, version.Content!, version.SourcePod!.Value);
        }
        catch (Exception problem) when (problem is TimeoutException or Runtime.OrleansException)
        {
            return new PodPlan(pod, null, null, $"The record of pod {pod} could not be read: {problem.Message}", null, null);
        }
    }

    /// <summary>Caps that several pods of the plan go through are shared evenly, as the transfers will.</summary>
    private ForeseenPod Foresee(PodPlan plan, List<ForeseenTarget> busy, PodSpec? source)
    {
        if (plan is not { Receive: { } receive, Refusal: null })
        {
            return new ForeseenPod(plan, null, null);
        }

        var caps = plan.Caps ?? PodCaps.None;
        var sending = source?.Caps ?? PodCaps.None;
        var onLink = busy.Count(p => p.Link == caps.Link);
        var overSourceLink = busy.Count(p => p.Link != sending.Link);
        long? CapAt(DateTimeOffset now)
        {
            var lowest = Lower(PodRates.Now(caps.In, caps, now), Share(PodRates.Now(sending.Out, sending, now), busy.Count));
            return caps.Link == sending.Link
                ? lowest
                : Lower(Lower(lowest, Share(PodRates.Now(caps.LinkRate, caps, now), onLink)), Share(PodRates.Now(sending.LinkRate, sending, now), overSourceLink));
        }

        var now = time.GetUtcNow();
        var rate = Lower(plan.BytesPerSecond, CapAt(now));
        return new ForeseenPod(plan, rate, Forecast.TimeFor(receive.BytesToSend, now, plan.BytesPerSecond, CapAt));
    }

    private static long? Share(long? rate, int many) => rate / Math.Max(1, many);

    private static long? Lower(long? a, long? b) => a is null ? b : b is null ? a : Math.Min(a.Value, b.Value);
}
