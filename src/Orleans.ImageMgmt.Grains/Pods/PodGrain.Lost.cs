using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Copies that were final: looked at again, lost, made whole.</summary>
internal sealed partial class PodGrain
{
    /// <summary>Who asks asks again: a removal waits for its turn at the pod's queue like everything else.</summary>
    public async Task<Reply<CopyStanding>> DeleteCopyAsync(VersionId version, Generation generation)
    {
        await RefreshAsync();
        return records.Moving.Count >= Limits.QueuePerPod && !(await records.GetAsync(version)).IsMoving
            ? Reply.Refused<CopyStanding>(QueueFull)
            : await CommandAsync(version, new CopyCommand.Delete(generation), null, isNewWork: false);
    }

    public async Task<CopyStanding> CopyLostAsync(VersionId version, Generation generation, ConnectorFault fault)
    {
        await RefreshAsync();
        var copy = await records.GetAsync(version);
        if (copy.Generation == generation && Change(copy, new CopyCommand.Quarantine(fault), Now) is { } quarantined)
        {
            await StoreAsync([quarantined]);
            copy = quarantined.After;
            Poke();
        }

        return StandingOf(copy, null);
    }

    public async Task<Reply<OperationId>> VerifyCopyAsync(VersionId version, OperationId operation, RequestedBy by)
    {
        if (await operations.RefuseOtherAsync(operation, OperationBody.Verify, version, pod: Name) is { } taken)
        {
            return Reply.Refused<OperationId>(taken);
        }

        await RefreshAsync();
        var copy = await records.GetAsync(version);
        var decision = CopyMachine.Decide(copy, new CopyCommand.Verify(operation), Now, options.Retry);
        if ((decision.Refusal ?? (decision.Events.Count > 0 ? RefuseToLook() : null)) is { } refusal)
        {
            return Reply.Refused<OperationId>(refusal);
        }

        if (Change(copy, new CopyCommand.Verify(operation), Now) is { } wanted)
        {
            await StoreAsync([wanted], [Activity.Line(Now, by, "copy.verify-accepted", $"Verify the copy of {version} on pod {Name}", version, pod: Name, operation: operation)]);
            Poke();
        }

        return Reply.Of(operation);
    }

    public async Task ScrubAsync(VersionId version)
    {
        await RefreshAsync();
        if (Change(await records.GetAsync(version), new CopyCommand.Verify(null), Now) is { } begun)
        {
            await StoreAsync([begun]);
            Poke();
        }
    }

    public Task ScrubDueAsync(IReadOnlyList<VersionId> due, DateTimeOffset lookAgainAt)
    {
        scrubbing.Found(due, lookAgainAt);
        Poke();
        return Task.CompletedTask;
    }

    public async Task VersionToldAsync(VersionId version, long revision)
    {
        await RefreshAsync();
        if (Change(await records.GetAsync(version), new CopyCommand.Told(revision), Now) is { } told)
        {
            await StoreAsync([told]);
            Poke();
        }
    }

    /// <summary>Begins the next scrub that is due, one at a time and none while copies are made here. Returns when to look again.</summary>
    private async Task<DateTimeOffset?> ScrubNextAsync(DateTimeOffset now)
    {
        if (!options.Scrub.IsOn || Pod.State != PodState.Connected)
        {
            return null;
        }

        if (records.Moving.Any(c => c.HoldsSlot || c is { State: CopyState.Available, Check: { IsOpen: true, Operation: null } }))
        {
            return null; // the end of that pokes
        }

        if (options.Scrub.OpensAt(TimeZoneInfo.ConvertTime(now, Time.LocalTimeZone)) is var opens && opens > now)
        {
            return opens;
        }

        while (scrubbing.Take() is { } version)
        {
            var copy = await records.GetAsync(version);
            if (copy is { State: CopyState.Available, Receipt: { } receipt } && options.Scrub.DueAt(receipt) <= now && Change(copy, new CopyCommand.Verify(null), now) is { } begun)
            {
                await StoreAsync([begun]);
                return null;
            }
        }

        return scrubbing.Look(GrainFactory.GetPod(Name), Name, now);
    }

    /// <summary>Again and again until the version has stored it: the record says whether it has.</summary>
    private void TellVersion(Copy copy)
    {
        var (version, pod, standing) = (GrainFactory.GetVersion(copy.Version), GrainFactory.GetPod(Name), StandingOf(copy, null));
        reporter.Send(copy.Version.Value, async () =>
        {
            await version.CopyReportedAsync(standing);
            await pod.VersionToldAsync(standing.Version, standing.Revision);
        });
    }

    private Refusal? RefuseToLook() => Pod.State == PodState.Disconnected
        ? new Refusal("pod.disconnected", $"Pod {Name} is not connected.", "Connect it first.")
        : null;
}

/// <summary>One change of a copy that is about to be stored.</summary>
internal sealed record CopyChange(Copy Before, Copy After);

/// <summary>What the activity log says of a change.</summary>
internal static class CopyLines
{
    /// <summary>Null for what is only on its way.</summary>
    internal static Projection? Of(CopyChange change)
    {
        var (before, after) = (change.Before, change.After);
        var operation = before.Check is { IsOpen: true } open ? open.Operation : null;
        return after switch
        {
            { IsMoving: true } => null,
            { State: CopyState.Available, Receipt.Repair: { } repair } when before.State == CopyState.Quarantined => Line(after, operation, "copy.repaired",
                $"is whole again: {repair.BytesFetched} bytes in {repair.Chunks} chunks came from pod {repair.From}"),
            { State: CopyState.Quarantined } when before.IsRepairing && after is { IsRepairing: false, RetryAt: null } => Line(after, operation, "copy.repair-failed", $"stays Quarantined: {after.Fault}"),
            { Check: { IsOpen: false, Operation: not null } check } when before.Check is { IsOpen: true } && before.State == after.State => check.Fault is null
                ? Line(after, operation, "copy.verified", "was read back and is what its manifest says") : Line(after, operation, "copy.not-verified", $"could not be read back: {check.Fault}"),
            _ when before.State == after.State && IsUpkeep(before, after) => null,
            _ => Line(after, operation, "copy.state", $"is {Words.Shown(after.State)}{(after.Fault is null || after.State == CopyState.Available ? "" : $": {after.Fault}")}"),
        };
    }

    private static bool IsUpkeep(Copy before, Copy after) =>
        before.Check != after.Check || before.IsUntold != after.IsUntold || before.IsRepairing != after.IsRepairing || before.RetryAt != after.RetryAt
        || before.ClearAt != after.ClearAt;

    private static Projection.Append Line(Copy copy, OperationId? operation, string action, string what) =>
        Activity.Line(copy.ChangedAt, Activity.Service, action, $"{copy.Version} on pod {copy.Pod} {what}", copy.Version, pod: copy.Pod, operation: operation);
}
