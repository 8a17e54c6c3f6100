using System.Text.Json;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Content.Formats;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Turns what the system throws into what the contract says (rule 1).</summary>
internal static class FilesystemFaults
{
    /// <summary>Null for what is no matter of the world: a bug goes on as an exception.</summary>
    public static ConnectorFault? From(FaultStage stage, PodName pod, Exception trouble) => trouble switch
    {
        DiskFormatException format => new ConnectorFault(
            stage, FaultCause.SourceUnusable, $"{format.Message} (offset {format.Offset}, {format.Code})", "Export the image again as raw, qcow2, VMDK, VHDX, ISO or OVA, and import that."),
        SourceChangedException => new ConnectorFault(
            stage, FaultCause.SourceChanged, trouble.Message, "Shut the machine down or stop whoever writes to the file, then import again."),
        SourceCorruptException => new ConnectorFault(
            stage, FaultCause.SourceCorrupt, trouble.Message, "Verify the copy on the sending pod; another pod's copy can serve instead."),
        SourceUnreadableException => stage == FaultStage.Prepare
            ? new ConnectorFault(stage, FaultCause.InputOutput, trouble.Message, "Check the disk or share that holds the sources.")
            : new ConnectorFault(stage, FaultCause.Unreachable, trouble.Message, "Nothing to do: the call is made again and goes on from what is staged."),
        TargetCorruptException => new ConnectorFault(stage, FaultCause.TargetCorrupt, trouble.Message, "Check the datastore's disks; the chunks are sent again."),
        TimeoutException => new ConnectorFault(stage, FaultCause.TimedOut, trouble.Message, "Nothing to do: the call is made again and goes on from what is staged."),
        IOException or UnauthorizedAccessException => FromSystem(stage, pod, trouble),
        JsonException => new ConnectorFault(stage, FaultCause.InputOutput, $"A record on pod {pod} cannot be read: {trouble.Message}", "Look at the datastore's disk."),
        _ => null,
    };

    private static ConnectorFault FromSystem(FaultStage stage, PodName pod, Exception trouble)
    {
        var (cause, next) = IoTroubles.Classify(trouble) switch
        {
            IoTrouble.NoRoom => (FaultCause.NoRoom, "Free room on the datastore; the transfer goes on by itself when there is room."),
            IoTrouble.ReadOnly => (FaultCause.ReadOnly, "Mount the datastore for writing; the transfer goes on by itself."),
            IoTrouble.Denied => (FaultCause.Denied, "Give the service's user the right to write to the datastore."),
            IoTrouble.Missing => (FaultCause.Unreachable, "Check that the datastore's folder is there and its share is mounted."),
            IoTrouble.Device or IoTrouble.Other => (FaultCause.InputOutput, "Look at the system's log for errors of the disk or share."),
            var other => throw new NotSupportedException(other.ToString()),
        };
        return new ConnectorFault(stage, cause, $"Pod {pod}: {trouble.Message}", next);
    }
}
