using System.Collections.Concurrent;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>The family <c>filesystem</c>: pods whose datastores are folders, on a local disk or on an NFS or SMB mount.</summary>
public sealed class FilesystemPods(TimeProvider time) : IConnectorFactory
{
    /// <summary>Markers seen since the process began, by datastore folder: a share that goes away under us is noticed.</summary>
    internal ConcurrentDictionary<string, Guid> Seen { get; } = new(StringComparer.Ordinal);

    internal TimeProvider Time => time;

    /// <summary>Free and total bytes of the file system that holds a folder. A seam: tests must not depend on the machine's disk.</summary>
    internal Func<string, (long Free, long Total)> RoomOf { get; init; } = static folder =>
    {
        var drive = new DriveInfo(folder);
        return (drive.AvailableFreeSpace, drive.TotalSize);
    };

    public string Family => "filesystem";

    public ConnectorCapabilities? AtSite { get; } = FilesystemConnector.CapabilitiesOf(canPrepare: true);

    public ConnectorResult<IPodConnector> Create(PodSpec spec)
    {
        var read = FilesystemSettings.Read(spec);
        return read is ConnectorResult<FilesystemSettings>.Done { Value: var settings }
            ? new ConnectorResult<IPodConnector>.Done(new FilesystemConnector(spec.Name, settings, this))
            : read.As<IPodConnector>();
    }
}
