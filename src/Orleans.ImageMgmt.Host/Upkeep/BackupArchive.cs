using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>What a backup says of itself.</summary>
internal sealed record BackupManifest
{
    public const int KnownFormat = 1;

    public required int Format { get; init; }

    public required string Product { get; init; }

    public required string Version { get; init; }

    public required int StoreSchema { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required IReadOnlyList<BackupFile> Files { get; init; }

    /// <summary>What is inside, for people.</summary>
    public IReadOnlyList<string> Contains { get; init; } =
    [
        "every record, list and line of the activity log",
        "reminders",
        "tokens as hashes: a token that was given out works again after a restore",
    ];

    /// <summary>What is not, and where it comes from after a restore.</summary>
    public IReadOnlyList<string> Leaves { get; init; } =
    [
        "bytes of images: they are on the pods, which are asked what they hold at the first start after a restore",
        "keys and certificates of this machine (folder trust): made anew at the first start, or given as files",
        "the configuration file and the file with the first administrator's token",
    ];
}

/// <summary>One file of a backup.</summary>
internal sealed record BackupFile(string Name, long LengthBytes, string Sha256);

/// <summary>Why a backup cannot be made or used.</summary>
internal sealed class BackupException(string code, string message, string hint, Exception? cause = null) : Exception(message, cause)
{
    public Refusal Refusal { get; } = new(code, message, hint);
}

/// <summary>One backup as a file: a zip with a manifest and the databases, each with its digest.</summary>
internal static class BackupArchive
{
    public const string Extension = ".imgmt-backup";

    private const string ManifestName = "manifest.json";
    private const int ManifestLimit = 1 << 20;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>Packs the databases of a folder. The file is durable, private to its user and read back when this returns.</summary>
    public static async Task WriteAsync(string folder, string path, DateTimeOffset now, CancellationToken stop)
    {
        var schema = DatabaseSnapshot.Names.Max(name => DatabaseSnapshot.Check(Path.Combine(folder, name)));
        var files = new List<BackupFile>();
        foreach (var name in DatabaseSnapshot.Names)
        {
            await using var file = File.OpenRead(Path.Combine(folder, name));
            files.Add(new BackupFile(name, file.Length, Convert.ToHexStringLower(await SHA256.HashDataAsync(file, stop))));
        }

        var manifest = new BackupManifest
        {
            Format = BackupManifest.KnownFormat, Product = "ImageMgmt", Version = ProgramVersion.Current.Version, StoreSchema = schema, CreatedAt = now, Files = files,
        };
        await using (var target = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite, Options = FileOptions.Asynchronous,
        }))
        {
            await using (var zip = await ZipArchive.CreateAsync(target, ZipArchiveMode.Create, leaveOpen: true, entryNameEncoding: null, stop))
            {
                await using (var entry = await zip.CreateEntry(ManifestName).OpenAsync(stop))
                {
                    await JsonSerializer.SerializeAsync(entry, manifest, Json, stop);
                }

                foreach (var name in DatabaseSnapshot.Names)
                {
                    await using var file = File.OpenRead(Path.Combine(folder, name));
                    await using var entry = await zip.CreateEntry(name, CompressionLevel.Fastest).OpenAsync(stop);
                    await file.CopyToAsync(entry, stop);
                }
            }

            await MakeDurableAsync(target, stop);
        }

        await ReadAsync(path, (_, _) => Stream.Null, stop);
    }

    /// <summary>Unpacks a backup into a folder that is there and empty, checking every byte.</summary>
    /// <exception cref="BackupException">It is damaged, no backup, or of a newer program.</exception>
    public static async Task<BackupManifest> ExtractAsync(string path, string folder, CancellationToken stop)
    {
        var manifest = await ReadAsync(path, (name, _) => new FileStream(Path.Combine(folder, name), new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }), stop);
        foreach (var name in DatabaseSnapshot.Names)
        {
            try
            {
                DatabaseSnapshot.Check(Path.Combine(folder, name));
            }
            catch (StoreCorruptException damage)
            {
                throw Damaged(path, damage.Message, damage);
            }
        }

        return manifest;
    }

    private static async Task<BackupManifest> ReadAsync(string path, Func<string, long, Stream> open, CancellationToken stop)
    {
        try
        {
            await using var zip = await ZipFile.OpenReadAsync(path, stop);
            var manifest = await ReadManifestAsync(zip, path, stop);
            foreach (var name in DatabaseSnapshot.Names)
            {
                var said = manifest.Files.SingleOrDefault(f => f.Name == name) ?? throw Damaged(path, $"its manifest does not name {name}");
                var entry = zip.GetEntry(name) ?? throw Damaged(path, $"{name} is missing");
                await using var target = open(name, said.LengthBytes);
                await CopyAsync(entry, said, target, path, stop);
                if (target is FileStream file)
                {
                    await MakeDurableAsync(file, stop);
                }
            }

            return manifest;
        }
        catch (Exception damage) when (damage is InvalidDataException or JsonException or EndOfStreamException or InvalidOperationException)
        {
            throw Damaged(path, damage.Message.TrimEnd('.'), damage);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new BackupException("backup.unreadable", $"The backup {path} cannot be read: {problem.Message}", "Check the file's name and whether this user may read it.", problem);
        }
    }

    private static async Task<BackupManifest> ReadManifestAsync(ZipArchive zip, string path, CancellationToken stop)
    {
        var entry = zip.GetEntry(ManifestName) ?? throw Damaged(path, "it has no manifest");
        if (entry.Length > ManifestLimit)
        {
            throw Damaged(path, "its manifest is larger than any of ours");
        }

        await using var stream = await entry.OpenAsync(stop);
        var manifest = await JsonSerializer.DeserializeAsync<BackupManifest>(stream, Json, stop) ?? throw Damaged(path, "its manifest is empty");
        return manifest.Format <= BackupManifest.KnownFormat && manifest.StoreSchema <= EmbeddedStore.NewestSchema
            ? manifest
            : throw new BackupException(
                "backup.newer",
                $"The backup {path} was made by version {manifest.Version} (format {manifest.Format}, schema {manifest.StoreSchema}); this program knows format {BackupManifest.KnownFormat} and schema {EmbeddedStore.NewestSchema}.",
                "Restore it with the program version that made it, or a newer one.");
    }

    private static async Task CopyAsync(ZipArchiveEntry entry, BackupFile said, Stream target, string path, CancellationToken stop)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await using var source = await entry.OpenAsync(stop);
        var buffer = new byte[1 << 16];
        var length = 0L;
        while (await source.ReadAsync(buffer, stop) is > 0 and var read)
        {
            length += read;
            if (length > said.LengthBytes)
            {
                throw Damaged(path, $"{said.Name} is longer than its manifest says");
            }

            hash.AppendData(buffer, 0, read);
            await target.WriteAsync(buffer.AsMemory(0, read), stop);
        }

        if (length != said.LengthBytes || Convert.ToHexStringLower(hash.GetHashAndReset()) != said.Sha256)
        {
            throw Damaged(path, $"{said.Name} is not what its manifest says");
        }
    }

    private static async Task MakeDurableAsync(FileStream file, CancellationToken stop)
    {
        await file.FlushAsync(stop);
        RandomAccess.FlushToDisk(file.SafeFileHandle);
    }

    private static BackupException Damaged(string path, string why, Exception? cause = null) =>
        new("backup.damaged", $"The file {path} is no backup, or it is damaged: {why}.", "Take another backup; this one cannot be used.", cause);
}
