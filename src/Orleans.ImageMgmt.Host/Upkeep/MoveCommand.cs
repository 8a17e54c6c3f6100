using System.CommandLine;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary><c>imgmt move-to-postgres</c>: the catalog of a data directory goes into an empty PostgreSQL database, from where silos of a cluster go on with it.</summary>
internal static class MoveCommand
{
    private const int Well = 0;
    private const int Refused = 2;

    public static Command Create()
    {
        var data = ServeCommand.DataOption();
        var config = ServeCommand.ConfigOption();
        var set = ServeCommand.SetOption();
        var command = new Command(
            "move-to-postgres",
            "Move the catalog of a data directory into an empty PostgreSQL database, which the configuration names as Cluster:ConnectionString or Cluster:ConnectionFile. Stop the service first. May be repeated after a cut.")
        {
            data, config, set,
        };
        command.SetAction((parsed, stop) => RunAsync(
            parsed.GetValue(data)!, new SettingsRequest(parsed.GetValue(data)!) { File = parsed.GetValue(config), Assignments = parsed.GetValue(set) ?? [] }, stop));
        return command;
    }

    private static async Task<int> RunAsync(string data, SettingsRequest request, CancellationToken stop)
    {
        try
        {
            var settings = DatabaseOf(request, data);
            data = Path.TrimEndingDirectorySeparator(Path.GetFullPath(data));
            var outcome = await MoveAsync(data, settings, Console.Out.WriteLine, TimeProvider.System, stop);
            foreach (var sum in outcome.Sums)
            {
                await Console.Out.WriteLineAsync($"  {sum.Table,-8} {sum.Rows,9} rows  sha256 {sum.Sha256}");
            }

            await Console.Out.WriteLineAsync(
                $"{(outcome.End == LoadEnd.Loaded ? "Moved" : $"This catalog was moved already, on {outcome.Earlier!.MovedAt:yyyy-MM-dd HH:mm:ss} UTC, and was left as it is now: from")} {data} to {outcome.Place}. "
                + $"Start silos on it with Cluster:Name={settings.Cluster.Name}. The old database is untouched, and {MovedMark.FileName} beside it keeps it from being started; tokens work as before.");
            return Well;
        }
        catch (Exception problem) when (problem is BackupException or StoreException or SettingsException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"imgmt: {problem.Message}{(problem is BackupException { Refusal.Hint: var hint } ? $" {hint}" : "")}");
            return Refused;
        }
    }

    /// <summary>The settings of the cluster that the command is about.</summary>
    /// <exception cref="SettingsException">They are faulty, or name no database.</exception>
    internal static HostSettings DatabaseOf(SettingsRequest request, string data)
    {
        var settings = new HostSettings(data) { Http = new HttpOptions() }.FillOrThrow(request);
        return settings.Cluster.IsOn
            ? settings
            : throw new SettingsException("No database is named. Give the configuration of a silo with --config FILE, or --set Cluster:ConnectionFile=FILE; a file that holds Host=…;Database=…;Username=…;Password=… and is readable by this user alone.");
    }

    /// <summary>A copy of the databases is read, never the databases themselves; the directory stays locked until its note says where the catalog went.</summary>
    internal static async Task<LoadOutcome> MoveAsync(string data, HostSettings settings, Action<string> say, TimeProvider time, CancellationToken stop)
    {
        if (!File.Exists(Path.Combine(data, DatabaseSnapshot.StoreName)))
        {
            throw new BackupException("move.no-catalog", $"There is no catalog in {data}.", "Name the service's data directory with --data.");
        }

        await using var held = EmbeddedSource.Take(data, settings.Store.AllowNetworkFileSystem, NullLogger.Instance, time);
        say($"{data} is held: no service can start on it now");
        await held.CopyAsync(stop);
        say("copied");
        var origin = new MoveRecord { From = $"{data} on {Environment.MachineName}", MovedAt = time.GetUtcNow(), By = Environment.UserName };
        var outcome = await PostgresLoad.RunAsync(held.Folder, settings.Cluster.ReadConnectionString(settings.Trust.AllowGroupRead), settings.Cluster.Name, origin, say, time, stop);
        if (outcome.End == LoadEnd.NotEmpty)
        {
            throw new BackupException(
                "move.not-empty",
                $"{outcome.Place} holds a catalog already{(outcome.Earlier is { } earlier ? $", which was moved there from {earlier.From} on {earlier.MovedAt:yyyy-MM-dd}" : "")}; nothing was changed.",
                "Make an empty database with createdb, and name that.");
        }

        new MovedMark(outcome.Place, outcome.Earlier?.MovedAt ?? origin.MovedAt).Write(data);
        return outcome;
    }
}
