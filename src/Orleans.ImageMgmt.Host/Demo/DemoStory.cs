using System.Diagnostics;
using System.Security.Cryptography;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host.Demo;

/// <summary>What the demo does, through the same client that frontends use.</summary>
internal sealed class DemoStory(ImageMgmtClient client, DemoFolder place, DemoScreen screen)
{
    public const string SourcePod = "on-prem-pod-4";
    public const int PodCount = 5;

    private const string FlakyPod = "flaky-pod-5";

    /// <summary>Breaks the line at a third, damages a chunk on its way, and claims once to be done when it is not.</summary>
    private const string FlakyPlan = "receive:refuse:after=30%:times=1; receive:corrupt:after=60%:times=1; receive:lie:times=1";

    private static readonly ImageName Image = new("Win10POS");
    private static readonly RequestedBy By = new(Environment.UserName, "demo", "shows the main job");

    public async Task<bool> RunAsync(IReadOnlyList<DemoSource> sources, CancellationToken stop)
    {
        await ConnectAsync(stop);
        var well = true;
        VersionName? from = null;
        foreach (var source in sources)
        {
            var version = new VersionId(Image, new VersionName(source.Version));
            well &= await ImportAsync(version, from, source, stop) && await PublishAsync(version, stop);
            from = version.Version;
        }

        screen.Say(well ? "Done: every pod holds every version, verified." : "Not everything went well; see above.");
        return well;
    }

    private async Task ConnectAsync(CancellationToken stop)
    {
        string[] names = ["on-prem-pod-1", "on-prem-pod-2", "on-prem-pod-3", SourcePod, FlakyPod];
        foreach (var name in names)
        {
            await client.ConnectPodAsync(place.Pod(name, name == FlakyPod ? FlakyPlan : null), By, cancellationToken: stop);
        }

        foreach (var name in names)
        {
            var pod = await client.WaitForPodAsync(new PodName(name), stop);
            screen.Say($"Pod {name}: {Words.Shown(pod.State)}{(name == SourcePod ? ", source pod" : name == FlakyPod ? ", flaky on purpose" : "")}");
        }
    }

    private async Task<bool> ImportAsync(VersionId id, VersionName? from, DemoSource source, CancellationToken stop)
    {
        var operation = PlanRunner.OperationFor("import", id);
        await client.ImportAsync(new ImportRequest(operation, Image, id.Version, from, new PodName(SourcePod),
            new SourceRef(Path.GetFileName(source.Path)), $"Golden image, version {id.Version}", By), stop);
        var watch = Stopwatch.StartNew();
        await screen.ShowImportAsync(id, client.WatchImportAsync(id, stop));
        var version = await client.GetVersionAsync(id, stop);
        screen.Say($"{Image} version {id.Version}: {Words.Shown(version.Status)} after {watch.Elapsed.TotalSeconds:0.0} s"
            + (version.Content is { } content ? $", {content.Length >> 20} MiB disk with {content.DataLength >> 20} MiB of data" : $" ({version.Fault})"));
        return version.Status == VersionStatus.DeploymentComplete;
    }

    private async Task<bool> PublishAsync(VersionId id, CancellationToken stop)
    {
        var watch = Stopwatch.StartNew();
        var operation = await client.PublishAsync(id, new PublishRequest(PlanRunner.OperationFor("publish", id), null, new Dictionary<string, string>(), By), stop);
        var last = await screen.ShowPublishAsync(id, client.WatchPublishAsync(operation, stop));
        var seconds = watch.Elapsed.TotalSeconds;
        var version = await client.GetVersionAsync(id, stop);
        var sent = last.Targets.Sum(t => t.Receipt?.BytesSent ?? 0);
        screen.Say($"{Image} version {id.Version}: {Words.Shown(version.Status)} on {last.Targets.Count(t => t.Outcome == TargetOutcome.Available)} of {last.Targets.Count} target pods "
            + $"after {seconds:0.0} s, {sent >> 20} MiB sent by the tries that finished");
        foreach (var target in last.Targets.Where(t => t.Outcome != TargetOutcome.Available))
        {
            screen.Say($"  {target.Pod}: {target.Outcome} {target.Fault}");
        }

        return version.Status == VersionStatus.Available && await AuditAsync(version, last, stop);
    }

    /// <summary>Reads every copy once more with a plain hash over the whole file, apart from the engine.</summary>
    private async Task<bool> AuditAsync(Domain.Version version, PublishView publish, CancellationToken stop)
    {
        screen.Say("SHA-256 of each pod's disk, read from first to last byte:");
        var well = true;
        var receipts = publish.Targets.Select(t => t.Receipt!).Prepend(version.SourceReceipt!).OrderBy(r => r.Pod.Value, StringComparer.Ordinal);
        foreach (var receipt in receipts)
        {
            var path = Path.Combine(place.Root, receipt.Pod.Value, receipt.Datastore, receipt.Location);
            await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20, FileOptions.SequentialScan);
            var digest = Digest.FromBytes(await SHA256.HashDataAsync(file, stop));
            well &= digest == version.Content!.ContentDigest;
            screen.Say($"  {receipt.Pod,-14} {digest}{(digest == version.Content!.ContentDigest ? "" : "  DIFFERENT")}");
        }

        return well;
    }
}
