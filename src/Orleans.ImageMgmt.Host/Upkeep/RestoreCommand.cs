using System.CommandLine;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.ImageMgmt.Content;
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
        var from = new Option<string>("--from") { Description = "The backup file.", Required = true };
        var data = ServeCommand.DataOption();
        var command = new Command("restore", "Make a data directory out of a backup; it must not be there yet, or be empty. Stop the old service first.") { from, data };
        command.SetAction((parsed, stop) => RunAsync(parsed.GetValue(from)!, parsed.GetValue(data)!, stop));
        return command;
    }

    private static async Task<int> RunAsync(string from, string data, CancellationToken stop)
    {
        try
        {
            data = Path.TrimEndingDirectorySeparator(Path.GetFullPath(data));
            var manifest = await RestoreAsync(from, data, new RequestedBy(Environment.UserName, "imgmt restore"), TimeProvider.System, stop);
            await Console.Out.WriteLineAsync($"Restored the backup of {manifest.CreatedAt:yyyy-MM-dd HH:mm:ss} UTC into {data}. At the first start every pod is asked what it really holds. Tokens of then work again; there is no administrator.token in the folder: who has none makes one, before the first start, with 'imgmt token reset --data {data}'.");
            return Well;
        }
        catch (Exception problem) when (problem is BackupException or StoreException or IOException or UnauthorizedAccessException)
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

        var making = data + ".restoring";
        if (Directory.Exists(making))
        {
            Directory.Delete(making, recursive: true); // an earlier restore into the same directory was cut
        }

        try
        {
            Directory.CreateDirectory(making, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var manifest = await BackupArchive.ExtractAsync(from, making, stop);
            await RestoredStore.PrepareAsync(making, manifest.CreatedAt, by, NullLogger.Instance, time, stop);
            SparseFile.FlushFolder(making);
            if (Directory.Exists(data))
            {
                Directory.Delete(data);
            }

            Directory.Move(making, data);
            SparseFile.FlushFolder(Path.GetDirectoryName(data)!);
            return manifest;
        }
        finally
        {
            if (Directory.Exists(making))
            {
                Directory.Delete(making, recursive: true);
            }
        }
    }
}
