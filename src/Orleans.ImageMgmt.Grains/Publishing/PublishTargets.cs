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
