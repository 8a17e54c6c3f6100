using System.Globalization;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Faults that every connector words in the same way, so that people read one sentence for one thing (rule 15).</summary>
public static class ConnectorFaults
{
    public static ConnectorFault Stale(FaultStage stage, CopyOrder order, Generation seen) => new(
        stage,
        FaultCause.Stale,
        $"{order.Version}: the call carries generation {order.Generation}, and generation {seen} has already been seen here.",
        "Nothing to do: a newer order for this version is under way.");

    /// <param name="stage">Where.</param>
    /// <param name="datastore">Which one came closest.</param>
    /// <param name="needed">Bytes still to be written.</param>
    /// <param name="reserve">Bytes that are left free for others.</param>
    /// <param name="free">Bytes free now.</param>
    public static ConnectorFault NoRoom(FaultStage stage, string datastore, long needed, long reserve, long free) => new(
        stage,
        FaultCause.NoRoom,
        string.Create(CultureInfo.InvariantCulture, $"Datastore '{datastore}' has {free} bytes free; {needed} bytes are still to be written and {reserve} bytes stay in reserve."),
        "Free room on the datastore or add a larger one; the transfer goes on by itself when there is room.");

    public static ConnectorFault Cancelled(FaultStage stage, string what) => new(
        stage, FaultCause.Cancelled, $"{what} was stopped because somebody asked.", "Make the call again to go on from what is staged, or delete to remove it.");

    public static ConnectorFault Unsupported(FaultStage stage, string connector, string what) => new(
        stage, FaultCause.Unsupported, $"{connector} {what}.", "Choose a pod whose connector declares this ability.");

    /// <summary>There is no final copy to open or verify.</summary>
    public static ConnectorFault NoCopy(FaultStage stage, VersionId version, PodName pod) => new(
        stage, FaultCause.SourceMissing, $"Pod {pod} holds no final copy of {version}.", "Publish the version to this pod again.");

    /// <summary>Finalise found nothing staged: the bytes were lost or never came.</summary>
    public static ConnectorFault NothingStaged(VersionId version, PodName pod) => new(
        FaultStage.Finalise, FaultCause.TargetCorrupt, $"Pod {pod} holds no staged bytes of {version}.", "The bytes are sent again.");

    /// <summary>The library already holds something else under this version's name.</summary>
    public static ConnectorFault OtherContent(FaultStage stage, VersionId version, Digest held, Digest wanted) => new(
        stage,
        FaultCause.DigestMismatch,
        $"The library already holds {version} with content {held.Short()}, and {wanted.Short()} was ordered.",
        "Delete the copy on this pod, then publish again.");

    /// <param name="stage">Where.</param>
    /// <param name="version">Which version.</param>
    /// <param name="chunks">The chunks whose bytes are wrong or missing, in order; perhaps not all of them.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="chunkSize">Bytes per chunk.</param>
    public static ConnectorFault TargetCorrupt(FaultStage stage, VersionId version, IReadOnlyCollection<int> chunks, int count, int chunkSize)
    {
        var shown = string.Join(", ", chunks.Take(ShownChunks));
        var more = count > ShownChunks ? $" and {count - ShownChunks} more" : "";
        return new ConnectorFault(
            stage,
            FaultCause.TargetCorrupt,
            $"{version}: {count} chunk(s) read back from the datastore are not what the manifest says: {shown}{more}.",
            stage == FaultStage.Verify ? "The copy is no longer offered; these chunks are fetched again from another pod that holds the version." : "Only these chunks are sent again.")
        {
            Damage = new ContentDamage(count, chunkSize, [.. chunks.Take(ContentDamage.NamedLimit)]),
        };
    }

    public static ConnectorFault SourceMismatch(FaultStage stage, string path, Digest expected, Digest found) => new(
        stage,
        FaultCause.DigestMismatch,
        $"'{path}' has the digest {found}; {expected} was expected.",
        "Check that the right file was named and that it arrived undamaged, then import again.");

    /// <summary>Chunks named in one sentence; the rest is counted.</summary>
    private const int ShownChunks = 8;
}
