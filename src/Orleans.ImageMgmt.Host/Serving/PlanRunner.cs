using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>
/// Applies a plan step by step. Each step's operation id comes from the plan, so a step asked again after a crash is the same operation and the
/// service goes on with it.
/// </summary>
internal sealed class PlanRunner(ImageMgmtClient client, Action<string> say)
{
    private static readonly RequestedBy By = new(Environment.UserName, "plan");

    /// <summary>Whether everything ended well.</summary>
    /// <exception cref="RefusedException">A step was refused.</exception>
    public async Task<bool> RunAsync(Plan plan, CancellationToken stop)
    {
        foreach (var pod in plan.Pods)
        {
            await client.ConnectPodAsync(pod.ToSpec(), By, cancellationToken: stop);
        }

        foreach (var pod in plan.Pods)
        {
            var connected = await client.WaitForPodAsync(pod.Name, stop);
            say($"pod {pod.Name} {Words.Shown(connected.State)}{(connected.Fault is null ? "" : $": {connected.Fault}")}");
        }

        var allWell = true;
        foreach (var import in plan.Imports)
        {
            allWell &= await ImportAsync(import, stop) && (!import.Publish || await PublishAsync(import, stop));
        }

        return allWell;
    }

    /// <summary>The id under which a plan imports, publishes or deletes a version: the same for the same version, within the length of an id.</summary>
    internal static OperationId OperationFor(string verb, VersionId version)
    {
        var digest = Digest.FromBytes(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(version.Value)));
        return new OperationId($"{verb}-{digest.Short()}");
    }

    private async Task<bool> ImportAsync(PlannedImport import, CancellationToken stop)
    {
        var request = new ImportRequest(OperationFor("import", import.Id), import.Image, import.Version, import.From, import.Pod,
            new SourceRef(import.Source, import.Sha256, import.Format), import.Description, By);
        await client.ImportAsync(request, stop);
        VersionStatus? shown = null;
        await foreach (var (version, _) in client.WatchImportAsync(import.Id, stop))
        {
            if (version.Status != shown)
            {
                say($"version {import.Id} {Words.Shown(version.Status)}{(version.Fault is null ? "" : $": {version.Fault}")}");
                shown = version.Status;
            }
        }

        return (await client.GetVersionAsync(import.Id, stop)).Content is not null;
    }

    private async Task<bool> PublishAsync(PlannedImport import, CancellationToken stop)
    {
        var operation = await client.PublishAsync(import.Id, new PublishRequest(OperationFor("publish", import.Id), import.Pods, new Dictionary<string, string>(), By), stop);
        var shown = new Dictionary<PodName, CopyState>();
        PublishView? last = null;
        await foreach (var view in client.WatchPublishAsync(operation, stop))
        {
            foreach (var target in view.Targets.Where(t => !shown.TryGetValue(t.Pod, out var state) || state != t.State))
            {
                shown[target.Pod] = target.State;
                say($"copy {import.Id} {target.Pod} {Words.Shown(target.State)}{(target.Fault is null || target.State == CopyState.Available ? "" : $": {target.Fault}")}");
            }

            last = view;
        }

        var version = await client.GetVersionAsync(import.Id, stop);
        say($"version {import.Id} {Words.Shown(version.Status)}");
        say($"operation {operation} {Words.Shown(last!.Publish.State)}");
        return last.Publish.State == OperationState.Succeeded;
    }
}
