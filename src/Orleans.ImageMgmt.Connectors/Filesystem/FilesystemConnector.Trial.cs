using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

internal sealed partial class FilesystemConnector
{
    /// <summary>Looks at every datastore, and writes and removes a tiny file on each; claims none.</summary>
    private ConnectorResult<PodProbe> TryProbe()
    {
        var rooms = new List<DatastoreRoom>();
        foreach (var datastore in datastores)
        {
            if (TryOne(datastore) is { } trouble)
            {
                return trouble; // a person is asking: what is wrong with one datastore is wanted now, not after connecting
            }

            var (free, total) = datastore.Room();
            rooms.Add(new DatastoreRoom(datastore.Name, Math.Max(0, free - settings.Reserve), total));
        }

        return settings.Sources is { } sources && !Directory.Exists(sources)
            ? new ConnectorFault(FaultStage.Probe, FaultCause.Unreachable, $"The sources folder {sources} is not there.", "Mount the share or create the folder.")
            : new PodProbe(rooms);
    }

    private ConnectorFault? TryOne(Datastore datastore)
    {
        try
        {
            return datastore.Look(FaultStage.Probe);
        }
        catch (Exception trouble) when (FilesystemFaults.From(FaultStage.Probe, Pod, trouble) is not null)
        {
            return FilesystemFaults.From(FaultStage.Probe, Pod, trouble);
        }
    }
}
