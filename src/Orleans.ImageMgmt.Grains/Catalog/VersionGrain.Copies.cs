using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>What pods say of this version's copies, and what they are told to remove.</summary>
internal sealed partial class VersionGrain
{
    public async Task CopyReportedAsync(CopyStanding standing)
    {
        if (standing.State is CopyState.Deleted && Version.Removing.Contains(standing.Pod))
        {
            gone.Add(standing.Pod);
            ComeBack(options.ReportLinger); // many come together, and are stored together
        }
        else if (WordOf(standing) is { } word)
        {
            await ApplyAsync(word, _ => []);
        }
        else if (standing.Role == CopyRole.Source && Version.Import is { } import && standing.Generation == Version.Generation)
        {
            await SourceReportedAsync(import, standing);
        }
        else if (standing is { Role: CopyRole.Source, State: CopyState.Deleted } && Version.Status == VersionStatus.Importing)
        {
            askedAt = null; // what an earlier import had left there is gone: this one's source can be sealed
            Poke();
        }
    }

    /// <summary>What a copy says of its own loss and of how it went on.</summary>
    private static VersionCommand? WordOf(CopyStanding standing) => (standing.State, standing.Role) switch
    {
        (CopyState.Quarantined, _) => new VersionCommand.CopyLost(standing.Pod, standing.Revision, standing.Generation),
        (CopyState.Available, CopyRole.Target) => new VersionCommand.CopyRestored(standing.Pod, standing.Revision, standing.Generation),
        (CopyState.Deleted, CopyRole.Target) => new VersionCommand.CopyLetGo(standing.Pod, standing.Revision, standing.Generation),
        _ => null,
    };

    private async Task SourceReportedAsync(OperationId import, CopyStanding standing)
    {
        switch (standing)
        {
            case { State: CopyState.Available, Content: { } content, Receipt: { } receipt }:
                await ApplyAsync(new VersionCommand.Prepared(import, content, receipt), now =>
                    [Activity.Line(now, Activity.Service, "import.succeeded", $"{Id} is in the catalog with content {content.ContentDigest}", Id, pod: standing.Pod, operation: import)]);
                break;
            case { State: CopyState.Deleted }:
                // Only a cancel makes the pod let go of an import's own copy: one that was cut before it was stored here ends now.
                await ApplyAsync(new VersionCommand.CancelImport(import), now =>
                    [Activity.Line(now, Activity.Service, "import.cancelled", $"{Id}: pod {standing.Pod} let go of it", Id, pod: standing.Pod, operation: import)]);
                break;
            case { State: CopyState.Failed, Fault: { } fault }:
                await ApplyAsync(new VersionCommand.PrepareFailed(import, fault), now =>
                    [Activity.Line(now, Activity.Service, "import.failed", $"{Id}: {fault}", Id, pod: standing.Pod, operation: import)]);
                break;
            default:
                break; // still at work
        }
    }

    private async Task CopyEnsuredAsync(Reply<CopyStanding> ensured)
    {
        if (ensured.IsDone)
        {
            await CopyReportedAsync(ensured.Value);
            return;
        }

        if (CopyMachine.MayPass(ensured.Refusal))
        {
            return; // asked again at the next drive
        }

        var fault = new ConnectorFault(FaultStage.Prepare, FaultCause.Denied, ensured.Refusal.Message, ensured.Refusal.Hint);
        await ApplyAsync(new VersionCommand.PrepareFailed(Version.Import!.Value, fault), now =>
            [Activity.Line(now, Activity.Service, "import.failed", $"{Id}: {fault}", Id, operation: Version.Import)]);
    }

    private async Task RemoveCopiesAsync(IReadOnlyList<PodName> pods)
    {
        foreach (var batch in pods.Chunk(options.EnsuresAtOnce))
        {
            await Task.WhenAll(batch.Select(RemoveCopyAsync));
        }
    }

    private async Task RemoveCopyAsync(PodName pod)
    {
        try
        {
            if (await GrainFactory.GetPod(pod).DeleteCopyAsync(Id, Version.Generation) is { IsDone: true } standing)
            {
                await CopyReportedAsync(standing.Value);
            }
        }
        catch (Exception problem)
        {
            DrivingLog.ReportLost(Log, pod.Value, problem); // one pod's grain that fails delays no other; it is asked again
        }
    }

    /// <summary>Stores the pods that have removed their copy, many in one write.</summary>
    private async Task FlushGoneAsync()
    {
        foreach (var pods in gone.Chunk(GoneAtOnce).ToList())
        {
            await ApplyAsync(pods.Select(p => new VersionCommand.CopyRemoved(p)), now =>
                [.. pods.Select(p => Activity.Line(now, Activity.Service, "copy.deleted", $"The copy of {Id} on pod {p} is gone", Id, pod: p))]);
            gone.ExceptWith(pods);
        }
    }
}
