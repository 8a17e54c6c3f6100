using System.Text.Json;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>The note in a data directory whose catalog has moved to PostgreSQL. A service on its old database does not start beside it.</summary>
/// <param name="To">Where the catalog is now; no password.</param>
/// <param name="MovedAt">When.</param>
public sealed record MovedMark(string To, DateTimeOffset MovedAt)
{
    public const string FileName = "moved-to-postgres.json";

    /// <summary>Bytes; a longer file is none of ours.</summary>
    private const int Limit = 16 << 10;

    /// <summary>The note of a directory, or null. One that cannot be read counts: what is in doubt must not be started.</summary>
    public static MovedMark? Find(string dataDirectory)
    {
        var path = Path.Combine(dataDirectory, FileName);
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            return (new FileInfo(path).Length <= Limit ? JsonSerializer.Deserialize<MovedMark>(File.ReadAllBytes(path), StateJson.Options) : null) ?? Unreadable;
        }
        catch (JsonException)
        {
            return Unreadable;
        }
    }

    /// <summary>Writes the note; it is whole and durable under its name when this returns.</summary>
    public void Write(string dataDirectory)
    {
        var path = Path.Combine(dataDirectory, FileName);
        var making = path + ".making";
        using (var file = new FileStream(making, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
        {
            JsonSerializer.Serialize(file, this, StateJson.Options);
            file.Flush(flushToDisk: true);
        }

        File.Move(making, path, overwrite: true);
        SparseFile.FlushFolder(dataDirectory);
    }

    /// <summary>Refuses a directory whose catalog is elsewhere.</summary>
    /// <exception cref="StoreUnavailableException">It has moved.</exception>
    public static void Check(string dataDirectory)
    {
        if (Find(dataDirectory) is { } mark)
        {
            throw new StoreUnavailableException(
                StoreUnavailableException.Moved,
                $"The catalog of {dataDirectory} has moved to {mark.To}{(mark == Unreadable ? "" : $" on {mark.MovedAt:yyyy-MM-dd}")}: give the configuration that names that database, as Cluster:ConnectionString or Cluster:ConnectionFile. To go back to what it was before the move, remove {FileName} from the folder; what happened since is then lost.");
        }
    }

    private static MovedMark Unreadable { get; } = new("PostgreSQL", default);
}
