using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Grains;

/// <summary>One pod of a plan.</summary>
/// <param name="Plan">What the pod says.</param>
/// <param name="BytesPerSecond">The rate that counts now: the lowest of what was measured and what the caps leave, shared by all pods of the plan; null: not known.</param>
/// <param name="Takes">How long the bytes take, the calendars of the caps considered; null: not known.</param>
public sealed record ForeseenPod(PodPlan Plan, long? BytesPerSecond, TimeSpan? Takes);

/// <summary>Says what a publish would take, pod by pod. Changes nothing.</summary>
public sealed class PublishPlanning
{
    private readonly IGrainFactory grains;
    private readonly PublishTargets targets;
    private readonly ImageMgmtOptions options;
    private readonly TimeProvider time;

    internal PublishPlanning(IGrainFactory grains, PublishTargets targets, ImageMgmtOptions options, TimeProvider time) =>
        (this.grains, this.targets, this.options, this.time) = (grains, targets, options, time);

    /// <summary>What the publish that is asked would take. Refused as a whole only for what is about the version or the request itself.</summary>
    public async Task<Reply<IReadOnlyList<ForeseenPod>>> PlanAsync(VersionId id, PublishRequest request)
    {
        var version = await grains.GetVersion(id).GetAsync();
        if (VersionMachine.Decide(version, new VersionCommand.BeginPublish(request.Operation, [version.SourcePod ?? default])).Refusal is { } refusal)
        {
            return Reply.Refused<IReadOnlyList<ForeseenPod>>(refusal);
        }

        var source = (await grains.GetPod(version.SourcePod!.Value).GetAsync()).Pod.Spec;
        var plans = new List<PodPlan>();
        foreach (var batch in (await targets.ForeseeAsync(version, request)).Chunk(options.EnsuresAtOnce))
        {
            plans.AddRange(await Task.WhenAll(batch.Select(target => AskAsync(version, target.Pod, target.Refusal))));
        }

        return Reply.Of<IReadOnlyList<ForeseenPod>>([.. plans.Select(plan => Foresee(plan, plans, source))]);
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
    private ForeseenPod Foresee(PodPlan plan, List<PodPlan> all, PodSpec? source)
    {
        if (plan is not { Receive: { } receive, Refusal: null })
        {
            return new ForeseenPod(plan, null, null);
        }

        var caps = plan.Caps ?? PodCaps.None;
        var sending = source?.Caps ?? PodCaps.None;
        var busy = all.Where(p => p is { Refusal: null, Receive.BytesToSend: > 0 }).ToList();
        var onLink = busy.Count(p => p.Caps?.Link == caps.Link);
        var overSourceLink = busy.Count(p => p.Caps?.Link != sending.Link);
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
