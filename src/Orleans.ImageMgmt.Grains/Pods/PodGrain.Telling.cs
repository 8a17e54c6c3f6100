using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Who hears how a copy stands.</summary>
internal sealed partial class PodGrain
{
    /// <summary>Those who want it now, and those who wanted it until this change.</summary>
    private List<OperationId> ListenersOf(Copy copy) =>
        [.. copy.WantedBy.Union(records.Moving.FirstOrDefault(c => c.Version == copy.Version)?.WantedBy ?? [])];

    private void Tell(Copy copy, IReadOnlyList<OperationId> operations)
    {
        if (copy.State is CopyState.Replicating or CopyState.Finalising or CopyState.Preparing)
        {
            return; // progress is asked for, not told
        }

        if (copy.Role == CopyRole.Source || copy.State == CopyState.Deleted)
        {
            var version = GrainFactory.GetVersion(copy.Version);
            var standing = StandingOf(copy, null);
            reporter.Send(copy.Version.Value, () => version.CopyReportedAsync(standing));
        }

        foreach (var operation in operations)
        {
            if (copy.IsMoving ? shardOf.TryGetValue((copy.Version, operation), out var shard) : shardOf.Remove((copy.Version, operation), out shard))
            {
                var listener = GrainFactory.GetShard(operation, shard);
                var standing = StandingOf(copy, operation);
                reporter.Send(operation.Value, () => listener.ReportAsync(standing));
            }
        }
    }
}
