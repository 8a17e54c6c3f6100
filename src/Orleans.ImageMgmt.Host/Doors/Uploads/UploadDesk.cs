using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>Where uploads go: to the intake of the pod that their id names. Throws away what rests too long.</summary>
internal sealed class UploadDesk(IGrainFactory grains, CatalogReader catalog, ConnectorRegistry connectors, HttpOptions options, TimeProvider time, ILogger<UploadDesk> log) : BackgroundService
{
    /// <summary>Longest time between two looks for uploads that rest too long; shorter where they may rest less.</summary>
    private static readonly TimeSpan SweepLimit = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<PodName, (PodSpec Spec, ISourceIntake Intake)> intakes = new(); // one per pod

    public TimeSpan Idle => options.UploadIdle;

    /// <summary>An id says which pod it belongs to: a dot is in no pod's name.</summary>
    public static string NewId(PodName pod) => $"{pod}.{Guid.NewGuid():N}";

    public static PodName? PodOf(string upload) => upload.IndexOf('.', StringComparison.Ordinal) is > 0 and var dot && PodName.TryCreate(upload[..dot], out var pod) ? pod : null;

    /// <exception cref="RequestProblem">There is no such pod, or it takes no uploads.</exception>
    public async Task<ISourceIntake> IntakeOfAsync(PodName pod)
    {
        if ((await grains.GetPod(pod).GetAsync()).Pod is not { Spec: { } spec, State: not PodState.Disconnected })
        {
            throw RequestProblem.Of(new Refusal("pod.not-connected", $"Pod {pod} is not connected.", "Connect it, or choose another pod."));
        }

        if (intakes.TryGetValue(pod, out var known) && Same(known.Spec, spec))
        {
            return known.Intake;
        }

        // Faults are planned for the work of pods; an upload is none of it.
        var plain = spec with { Settings = spec.Settings.Where(s => !ConnectorRegistry.CommonKeys.Contains(s.Key)).ToDictionary() };
        var made = connectors.Create(plain);
        if (made is not ConnectorResult<IPodConnector>.Done(ISourceIntake intake))
        {
            if (made is ConnectorResult<IPodConnector>.Done(var other))
            {
                await other.DisposeAsync();
            }

            throw RequestProblem.Of(new Refusal("pod.takes-no-uploads", $"Pod {pod} of family {spec.Family} takes no uploads.", "Use a pod of family filesystem with a sources folder."));
        }

        // The one before is left to the collector: an upload may still run through it.
        intakes[pod] = (spec, intake);
        return intake;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var isFirst = true;
        using var timer = new PeriodicTimer(Idle / 2 < SweepLimit ? Idle / 2 : SweepLimit, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                // Once all pods, for uploads of the process before; then those that had uploads in this one.
                await SweepAsync(isFirst ? await PodsAsync(stoppingToken) : intakes.Keys, stoppingToken);
                isFirst = false;
            }
            catch (StoreException problem)
            {
                DoorLog.SweepPutOff(log, problem); // the pods cannot be listed now; an upload rests on
            }
        }
    }

    private async Task SweepAsync(IEnumerable<PodName> pods, CancellationToken stop)
    {
        foreach (var pod in pods)
        {
            try
            {
                await (await IntakeOfAsync(pod)).ExpireAsync(time.GetUtcNow() - Idle, stop);
            }
            catch (RequestProblem)
            {
                // A pod that takes no uploads has none that rest.
            }
            catch (Exception problem) when (!stop.IsCancellationRequested)
            {
                // Whatever one pod's storage throws, the others are looked through, and the service goes on.
                DoorLog.SweepFailed(log, pod.Value, problem);
            }
        }
    }

    private async Task<List<PodName>> PodsAsync(CancellationToken stop)
    {
        var pods = new List<PodName>(); // at most Limits.Pods
        CatalogCursor? after = null;
        do
        {
            var page = await catalog.ListPodsAsync(after, Limits.PageRows, stop);
            pods.AddRange(page.Rows.Select(row => row.Read<PodBody>().Name));
            after = page.Next;
        }
        while (after is not null);

        return pods;
    }

    private static bool Same(PodSpec a, PodSpec b) => a.Family == b.Family && a.Settings.Count == b.Settings.Count
        && a.Settings.All(s => b.Settings.TryGetValue(s.Key, out var value) && value == s.Value);
}
