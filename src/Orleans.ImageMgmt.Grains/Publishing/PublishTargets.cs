using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Which pods a publish goes to, at this moment. The source pod's sealed copy is no target.</summary>
internal sealed class PublishTargets(CatalogReader catalog)
{
    public async Task<Reply<IReadOnlyList<PodName>>> ChooseAsync(Version version, PublishRequest request)
    {
        if (request.Pods is not null && request.Labels.Count > 0)
        {
            return Reply.Refused<IReadOnlyList<PodName>>("publish.pods-and-labels", "The publish names pods and a label selector.", "Send one of the two.");
        }

        var pods = await ReadPodsAsync();
        return request.Pods is { } named ? ChooseNamed(version, named, pods) : Reply.Of<IReadOnlyList<PodName>>(
        [
            .. pods.Values.Where(p => p.State == PodState.Connected && p.Family == version.Family && p.Name != version.SourcePod
                && request.Labels.All(l => p.Labels.TryGetValue(l.Key, out var value) && value == l.Value)).Select(p => p.Name),
        ]);
    }

    /// <summary>As <see cref="ChooseAsync"/>, but every pod that is meant gets a row: with the reason where it would get nothing. Without names, pods of the
    /// family that are left out only because of their state have a row too.</summary>
    public async Task<IReadOnlyList<ForeseenTarget>> ForeseeAsync(Version version, PublishRequest request)
    {
        var pods = await ReadPodsAsync();
        return request.Pods is { } named
            ? [.. named.Distinct().Where(n => n != version.SourcePod).OrderBy(n => n.Value, StringComparer.Ordinal)
                .Select(n => new ForeseenTarget(n, Refuse(version, n, pods.GetValueOrDefault(n)), pods.GetValueOrDefault(n)?.Link))]
            :
            [
                .. pods.Values.Where(p => p.Family == version.Family && p.Name != version.SourcePod && p.State != PodState.Disconnected
                        && request.Labels.All(l => p.Labels.TryGetValue(l.Key, out var value) && value == l.Value)).OrderBy(p => p.Name.Value, StringComparer.Ordinal)
                    .Select(p => new ForeseenTarget(p.Name, p.State == PodState.Connected ? null : LeftOut(p), p.Link)),
            ];
    }

    private static Refusal? Refuse(Version version, PodName name, PodBody? pod) => pod switch
    {
        null => new Refusal("pod.unknown", $"There is no pod {name}.", "List the pods to see which exist."),
        _ when pod.Family != version.Family => new Refusal("publish.wrong-family", $"Pod {name} is of family {pod.Family}, the version of family {version.Family}.", "Leave the pod out."),
        { State: PodState.Connected or PodState.Unreachable } => null,
        _ => LeftOut(pod),
    };

    private static Refusal LeftOut(PodBody pod) => new($"pod.{pod.State.ToString().ToLowerInvariant()}", $"Pod {pod.Name} is {Words.Shown(pod.State)} and gets nothing new.",
        "Connect it, or leave it out.");

    private static Reply<IReadOnlyList<PodName>> ChooseNamed(Version version, IReadOnlyList<PodName> named, Dictionary<PodName, PodBody> pods)
    {
        var faults = new List<string>();
        foreach (var name in named.Distinct())
        {
            if (!pods.TryGetValue(name, out var pod))
            {
                faults.Add($"pod {name} is unknown");
            }
            else if (pod.Family != version.Family)
            {
                faults.Add($"pod {name} is of family {pod.Family}, the version of family {version.Family}");
            }
            else if (pod.State is not (PodState.Connected or PodState.Unreachable))
            {
                faults.Add($"pod {name} is {Words.Shown(pod.State)}");
            }
        }

        return faults.Count > 0
            ? Reply.Refused<IReadOnlyList<PodName>>("publish.bad-targets", $"{version.Id} cannot be published: {string.Join("; ", faults)}.", "Correct the list of pods.")
            : Reply.Of<IReadOnlyList<PodName>>([.. named.Distinct().Where(n => n != version.SourcePod)]);
    }

    private async Task<Dictionary<PodName, PodBody>> ReadPodsAsync()
    {
        var pods = new Dictionary<PodName, PodBody>();
        await foreach (var row in catalog.AllAsync(CatalogKind.Pod, CancellationToken.None))
        {
            var body = row.Read<PodBody>();
            pods[body.Name] = body;
        }

        return pods;
    }
}

/// <summary>A pod that a publish means.</summary>
/// <param name="Pod">Which.</param>
/// <param name="Refusal">Why it would get nothing, as far as the catalog knows.</param>
/// <param name="Link">The link over which it is reached.</param>
internal sealed record ForeseenTarget(PodName Pod, Refusal? Refusal, string? Link);
