using System.CommandLine;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary><c>imgmt restore</c>: a data directory out of a backup, on this machine or another.</summary>
internal static class RestoreCommand
{
    private const int Well = 0;
    private const int Refused = 2;

    public static Command Create()
    {
        var from = new Option<string>("--from") { Description = "The backup file, whichever kind of catalog it was made of.", Required = true };
        var data = ServeCommand.DataOption();
        var config = ServeCommand.ConfigOption();
        var set = ServeCommand.SetOption();
        var command = new Command(
            "restore", "Bring a backup back: into the PostgreSQL database that the configuration names, which must be empty, else into a data directory, which must not be there yet or be empty. Stop the old service first.")
        {
            from, data, config, set,
        };
        command.SetAction((parsed, stop) => RunAsync(
            parsed.GetValue(from)!, new SettingsRequest(parsed.GetValue(data)!) { File = parsed.GetValue(config), Assignments = parsed.GetValue(set) ?? [] }, stop));
        return command;
    }

    private static async Task<int> RunAsync(string from, SettingsRequest request, CancellationToken stop)
    {
        try
        {
            var settings = new HostSettings(Path.TrimEndingDirectorySeparator(Path.GetFullPath(request.DataFolder))) { Http = new HttpOptions() }.FillOrThrow(request);
            var by = new RequestedBy(Environment.UserName, "imgmt restore");
            if (settings.Cluster.IsOn)
            {
                var (made, place) = await RestoreToPostgresAsync(from, settings, by, TimeProvider.System, stop);
                await Console.Out.WriteLineAsync($"Restored the backup of {made.CreatedAt:yyyy-MM-dd HH:mm:ss} UTC into {place}. At the first start every pod is asked what it really holds. Tokens of then work again.");
                return Well;
            }

            var data = settings.DataDirectory;
            var manifest = await RestoreAsync(from, data, by, TimeProvider.System, stop);
            await Console.Out.WriteLineAsync($"Restored the backup of {manifest.CreatedAt:yyyy-MM-dd HH:mm:ss} UTC into {data}. At the first start every pod is asked what it really holds. Tokens of then work again; there is no administrator.token in the folder: who has none makes one, before the first start, with 'imgmt token reset --data {data}'.");
            return Well;
        }
        catch (Exception problem) when (problem is BackupException or StoreException or SettingsException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"imgmt: {problem.Message}{(problem is BackupException { Refusal.Hint: var hint } ? $" {hint}" : "")}");
            return Refused;
        }
    }

    /// <summary>Everything is made beside the directory and appears under its name when it is whole.</summary>
    internal static async Task<BackupManifest> RestoreAsync(string from, string data, RequestedBy by, TimeProvider time, CancellationToken stop)
    {
        if (File.Exists(data) || (Directory.Exists(data) && Directory.EnumerateFileSystemEntries(data).Any()))
        {
            throw new BackupException("restore.not-empty", $"{data} is not empty; a restore overwrites nothing.", "Name another directory, or move this one away.");
        }

        using var making = RestoringFolder.Take(data);
        var manifest = await BackupArchive.ExtractAsync(from, making.Path, stop);
        await RestoredStore.PrepareAsync(making.Path, manifest.CreatedAt, by, NullLogger.Instance, time, stop);
        making.Become(data);
        return manifest;
    }

    /// <summary>Unpacked into a temporary folder, made ready there as for a data directory, and put into the database in one transaction.</summary>
    /// <returns>What the backup says of itself, and the database.</returns>
    internal static async Task<(BackupManifest Manifest, string Place)> RestoreToPostgresAsync(
        string from, HostSettings settings, RequestedBy by, TimeProvider time, CancellationToken stop)
    {
        var connection = settings.Cluster.ReadConnectionString(settings.Trust.AllowGroupRead);
        var folder = Directory.CreateTempSubdirectory("imgmt-restore-").FullName; // for its user alone
        try
        {
            var manifest = await BackupArchive.ExtractAsync(from, folder, stop);
            await RestoredStore.PrepareAsync(folder, manifest.CreatedAt, by, NullLogger.Instance, time, stop);
            var origin = new MoveRecord { From = $"backup {Path.GetFileName(from)} of {manifest.CreatedAt:yyyy-MM-dd HH:mm:ss} UTC", MovedAt = time.GetUtcNow(), By = by.Actor };
            var outcome = await PostgresLoad.RunAsync(folder, connection, settings.Cluster.Name, origin, _ => { }, time, stop);
            return outcome.End == LoadEnd.Loaded
                ? (manifest, outcome.Place)
                : throw new BackupException(
                    "restore.not-empty",
                    $"{outcome.Place} holds a catalog already{(outcome.Earlier is { } earlier ? $", brought there from {earlier.From}" : "")}; a restore overwrites nothing.",
                    "Make an empty database with createdb, and name that.");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
