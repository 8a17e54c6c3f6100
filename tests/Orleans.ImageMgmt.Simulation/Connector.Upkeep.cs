namespace Orleans.ImageMgmt.Simulation;

/// <summary>What happens to copies that were final: bad disks, read-backs, repairs.</summary>
internal sealed partial class Connector
{
    private readonly Dictionary<VersionId, Receipt> receipts = [];
    private readonly HashSet<VersionId> marked = [];

    /// <summary>A bad disk changes a chunk; the pod does not notice.</summary>
    internal void Damage(VersionId version)
    {
        var chunks = Finals[version];
        chunks[world.Chance.Next(chunks.Length)] ^= 1;
        DamagedAt[version] = world.Now;
        world.Say($"disk of {pod}", $"changes {version}");
    }

    private Receipt MakeFinal(Job job, ulong[] chunks)
    {
        Forget(job.Version);
        Finals[job.Version] = [.. chunks];
        world.Invariants.Touch(pod);
        return receipts[job.Version] = Proof(job, chunks);
    }

    private void Forget(VersionId version)
    {
        Finals.Remove(version);
        DamagedAt.Remove(version);
        receipts.Remove(version);
        marked.Remove(version);
    }

    private void Verify(Job job)
    {
        if (!Finals.TryGetValue(job.Version, out var chunks) || marked.Contains(job.Version))
        {
            Finish(job, new CopyCommand.Faulted(job.Attempt, Fault(FaultStage.Verify, FaultCause.SourceMissing)));
        }
        else if (DamagedAt.ContainsKey(job.Version))
        {
            marked.Add(job.Version);
            Finish(job, new CopyCommand.Faulted(job.Attempt, Fault(FaultStage.Verify, FaultCause.TargetCorrupt) with { Damage = new ContentDamage(1, 1 << 20, []) }));
        }
        else
        {
            Finish(job, new CopyCommand.Verified(job.Attempt, Proof(job, chunks)));
        }
    }

    /// <summary>A copy that was found damaged goes back to staging: its whole chunks stay, proved.</summary>
    private void TakeBackMarked(VersionId version, Bytes bytes)
    {
        if (!marked.Contains(version) || !Finals.TryGetValue(version, out var chunks))
        {
            return;
        }

        var staging = new Staging(chunks.Length);
        foreach (var chunk in Enumerable.Range(0, chunks.Length).Where(n => chunks[n] == bytes.Chunks[n]))
        {
            staging.Chunks[chunk] = chunks[chunk];
            staging.Proved.Add(chunk);
        }

        Forget(version);
        Staged[version] = staging;
    }

    private void Repair(Job job, CopyStep.Repair step, Bytes bytes)
    {
        TakeBackMarked(job.Version, bytes);
        if (Staged.TryGetValue(job.Version, out var whole) && whole.IsWhole)
        {
            Staged.Remove(job.Version);
            Finish(job, new CopyCommand.Repaired(job.Attempt, MakeFinal(job, whole.Chunks)));
            return;
        }

        if (Finals.TryGetValue(job.Version, out var there))
        {
            // Made final by an earlier try whose answer was lost: what counts is what lies there now.
            Finish(job, DamagedAt.ContainsKey(job.Version) ? new CopyCommand.Faulted(job.Attempt, Fault(FaultStage.Verify, FaultCause.TargetCorrupt)) : new CopyCommand.Repaired(job.Attempt, Proof(job, there)));
            if (DamagedAt.ContainsKey(job.Version))
            {
                marked.Add(job.Version);
            }

            return;
        }

        var from = RepairPlanner.Candidates(world.Store.Read<Version>(Keys.Version(job.Version))!, pod, step.Tries)
            .FirstOrDefault(p => world.Store.Read<Copy>(Keys.Copy(p, job.Version))?.State == CopyState.Available && world.Connectors[p.Value].Mood != Mood.Dead);
        if (from.Value is null)
        {
            Finish(job, new CopyCommand.Faulted(job.Attempt, Fault(FaultStage.Open, FaultCause.Unreachable)));
            return;
        }

        Receive(job, bytes, world.Connectors[from.Value]);
    }
}
