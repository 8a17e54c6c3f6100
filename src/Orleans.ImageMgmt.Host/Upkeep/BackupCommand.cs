using System.CommandLine;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary><c>imgmt backup</c>: a backup of the catalog, embedded or in PostgreSQL, whether services run on it or not. Both kinds of catalog make the same file.</summary>
internal static class BackupCommand
{
    private const int Well = 0;
    private const int Refused = 2;

    public static Command Create()
    {
        var to = new Option<string>("--to") { Description = $"The backup file to make, such as monday{BackupArchive.Extension}; it must not be there yet.", Required = true };
        var data = ServeCommand.DataOption();
        var config = ServeCommand.ConfigOption();
        var set = ServeCommand.SetOption();
        var command = new Command("backup", "Make a backup of the catalog while everything goes on: of the PostgreSQL database that the configuration names, else of the data directory.") { to, data, config, set };
        command.SetAction((parsed, stop) => RunAsync(
            parsed.GetValue(to)!, new SettingsRequest(parsed.GetValue(data)!) { File = parsed.GetValue(config), Assignments = parsed.GetValue(set) ?? [] }, stop));
        return command;
    }

    private static async Task<int> RunAsync(string to, SettingsRequest request, CancellationToken stop)
    {
        try
        {
            to = Path.GetFullPath(to);
            var settings = new HostSettings(Path.GetFullPath(request.DataFolder)) { Http = new HttpOptions() }.FillOrThrow(request);
            var what = await MakeAsync(to, settings, TimeProvider.System, stop);
            await Console.Out.WriteLineAsync($"Backup {to} made, {new FileInfo(to).Length} bytes, of {what}. It was read back.");
            return Well;
        }
        catch (Exception problem) when (problem is BackupException or StoreException or SettingsException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"imgmt: {problem.Message}{(problem is BackupException { Refusal.Hint: var hint } ? $" {hint}" : "")}");
            return Refused;
        }
    }

    /// <summary>Everything is made beside the file, which appears under its name when it is whole.</summary>
    /// <returns>What was backed up, in words.</returns>
    /// <exception cref="BackupException">It cannot be made; nothing is left behind.</exception>
    internal static async Task<string> MakeAsync(string to, HostSettings settings, TimeProvider time, CancellationToken stop)
    {
        if (File.Exists(to) || Directory.Exists(to))
        {
            throw new BackupException("backup.exists", $"{to} is there already; a backup overwrites nothing.", "Choose another name.");
        }

        var folder = Path.GetDirectoryName(to)!;
        if (!Directory.Exists(folder))
        {
            throw new BackupException("backup.no-folder", $"There is no folder {folder}.", "Make it, or name another one.");
        }

        var making = Path.Combine(folder, $".{Path.GetFileName(to)}.{Guid.NewGuid():N}");
        var now = time.GetUtcNow();
        try
        {
            Directory.CreateDirectory(making, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var what = await CopyAsync(making, settings, time, stop);
            var whole = Path.Combine(making, "whole");
            await BackupArchive.WriteAsync(making, whole, now, stop);
            File.Move(whole, to, overwrite: false);
            SparseFile.FlushFolder(folder);
            return what;
        }
        finally
        {
            if (Directory.Exists(making))
            {
                Directory.Delete(making, recursive: true);
            }
        }
    }

    private static async Task<string> CopyAsync(string making, HostSettings settings, TimeProvider time, CancellationToken stop)
    {
        if (settings.Cluster.IsOn)
        {
            var sums = await PostgresSnapshot.TakeAsync(settings.Cluster.ReadConnectionString(settings.Trust.AllowGroupRead), settings.Cluster.Name, making, time, stop);
            return $"the PostgreSQL database of the configuration, {sums.Sum(sum => sum.Rows)} rows";
        }

        if (!File.Exists(Path.Combine(settings.DataDirectory, DatabaseSnapshot.StoreName)))
        {
            throw new BackupException("backup.no-catalog", $"There is no catalog in {settings.DataDirectory}.", "Name the service's data directory with --data, or its configuration with --config.");
        }

        MovedMark.Check(settings.DataDirectory); // what lies there is a past that nobody wants to come back to
        await Task.Run(() => DatabaseSnapshot.TakeAll(settings.DataDirectory, making, stop), stop);
        return $"the catalog in {settings.DataDirectory}";
    }
}
