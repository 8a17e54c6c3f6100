using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>A data directory whose catalog is to be carried away: held, so that no service starts on it, and copied, so that it stays what it is.</summary>
public sealed class EmbeddedSource : IAsyncDisposable
{
    /// <summary>Folder of the copy, inside the data directory, which is this process's alone; what a killed one left there is removed by the next.</summary>
    private const string CopyName = ".moving";

    private readonly DataDirectory directory;
    private readonly ILogger log;
    private readonly TimeProvider time;

    private EmbeddedSource(DataDirectory directory, ILogger log, TimeProvider time) => (this.directory, this.log, this.time) = (directory, log, time);

    /// <summary>The copy: databases of the newest schema.</summary>
    public string Folder => Path.Combine(directory.Path, CopyName);

    /// <exception cref="DataDirectoryInUseException">A service runs on it.</exception>
    /// <exception cref="StoreUnavailableException">It cannot be used.</exception>
    public static EmbeddedSource Take(string dataDirectory, bool allowRemote, ILogger log, TimeProvider time) => new(DataDirectory.Take(dataDirectory, allowRemote), log, time);

    /// <summary>Copies the databases as they are on disk, write-ahead logs included, and brings the copy to the newest schema.</summary>
    /// <exception cref="StoreSchemaException">They are of a newer program.</exception>
    /// <exception cref="StoreException">They cannot be read, or the copy cannot be written.</exception>
    public async Task CopyAsync(CancellationToken cancellationToken)
    {
        Remove();
        Directory.CreateDirectory(Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        DatabaseSnapshot.TakeAll(directory.Path, Folder, cancellationToken);
        foreach (var name in DatabaseSnapshot.Names)
        {
            DatabaseSnapshot.Check(Path.Combine(Folder, name));
        }

        await using (EmbeddedStore.Open(Folder, new DurableOptions { AllowNetworkFileSystem = true }, log, time)) // locked already, with the directory around it
        {
        }
    }

    public ValueTask DisposeAsync()
    {
        Remove();
        directory.Dispose();
        return ValueTask.CompletedTask;
    }

    private void Remove()
    {
        if (Directory.Exists(Folder))
        {
            Directory.Delete(Folder, recursive: true);
        }
    }
}
