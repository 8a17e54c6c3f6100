using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Lies in the root of a datastore and says whose it is.</summary>
internal sealed record DatastoreMarker(Guid Id, PodName Pod, DateTimeOffset CreatedAt);

/// <summary>Lies in a staging folder: who ordered it, and what the last receive that ended had moved.</summary>
internal sealed record StagingOrder(VersionId Version, Generation Generation, int Attempt, long BytesSent, long BytesReused = 0);

/// <summary>Lies beside a final copy.</summary>
internal sealed record FinalRecord(Receipt Receipt, ContentDescription Content);

/// <summary>Reads and writes the small files of a datastore. A write is durable when it returns, its name is not: flush the folder.</summary>
internal static class FilesystemRecords
{
    /// <summary>No record comes near; a larger file is not ours.</summary>
    private const int MaxLength = 1 << 20;

    private static readonly JsonSerializerOptions Options = new()
    {
        WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase, Converters = { new JsonStringEnumConverter() },

        // A file with parts missing is no record, however well-formed it is.
        RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true,
    };

    /// <summary>Null when it is missing, torn or not such a record.</summary>
    public static T? TryRead<T>(string path) where T : class
    {
        try
        {
            var file = new FileInfo(path);
            return file.Exists && file.Length <= MaxLength ? JsonSerializer.Deserialize<T>(File.ReadAllBytes(path), Options) : null;
        }
        catch (JsonException)
        {
            return null;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (DirectoryNotFoundException)
        {
            return null;
        }
    }

    public static void Write<T>(string path, T record) => WriteBytes(path, JsonSerializer.SerializeToUtf8Bytes(record, Options));

    public static void WriteBytes(string path, ReadOnlySpan<byte> bytes)
    {
        using var file = OpenForWriting(path, FileMode.Create);
        RandomAccess.Write(file, bytes, 0);
        RandomAccess.FlushToDisk(file);
    }

    /// <summary>Opens a file that may have been made read-only by a finalise that was cut.</summary>
    public static SafeFileHandle OpenForWriting(string path, FileMode mode)
    {
        if (File.Exists(path))
        {
            SetMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        return File.OpenHandle(path, mode, FileAccess.ReadWrite, FileShare.ReadWrite);
    }

    public static void SetMode(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, mode);
        }
    }

    /// <summary>Null when it is missing, torn or another one than expected.</summary>
    public static ContentManifest? TryReadManifest(string path, Digest? expected)
    {
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists || file.Length > ContentManifest.MaxEncodedLength)
            {
                return null;
            }

            var manifest = ContentManifest.Decode(File.ReadAllBytes(path));
            return expected is null || manifest.ComputeDigest() == expected ? manifest : null;
        }
        catch (InvalidDataException)
        {
            return null;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }
}
