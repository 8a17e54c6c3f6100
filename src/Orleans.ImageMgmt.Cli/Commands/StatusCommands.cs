using System.CommandLine;
using System.Globalization;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>The service itself: how it is, a backup of it, a bundle for who helps.</summary>
internal static class StatusCommands
{
    public static Command Status(Wiring wiring) => wiring.Verb("status", "Shows how the service is, what is in it, and what is going on. Exit code 1 when it is not ready.",
        ["imgctl status", "imgctl status --output json"], async (run, stop) =>
        {
            var status = await run.Client.GetServerStatusAsync(stop);
            run.Printer.One(status, _ => "server/status", found => Fields(found, run));
            return status.IsReady ? ExitCodes.Well : ExitCodes.Failed;
        });

    private static IEnumerable<(string, string?)> Fields(ServerStatus status, Invocation run)
    {
        yield return ("Server", $"{run.KnownUrl?.GetLeftPart(UriPartial.Authority)} ({run.Connection.From})");
        yield return ("Ready", status.IsReady ? "yes" : "no");
        yield return ("Version", status.Version.Version);
        yield return ("Up since", $"{Shown.Time(status.StartedAt)} ({Shown.Age(status.StartedAt, run.Screen.Time.GetUtcNow())})");
        yield return ("Pods", Counts(status.Pods));
        yield return ("Images", Counts(status.Images));
        yield return ("Versions", Counts(status.Versions));
        yield return ("Copies", Counts(status.Copies));
        yield return ("Operations", Counts(status.Operations));
        foreach (var check in status.Checks)
        {
            yield return ($"  {check.Name}", $"{(check.IsWell ? "well" : "NOT WELL")}{(string.IsNullOrEmpty(check.Detail) ? "" : $": {check.Detail}")}");
        }
    }

    private static string Counts(IReadOnlyDictionary<string, long> counts) => counts.Values.Sum() == 0 ? "none" : string.Join(", ",
        counts.Where(count => count.Value > 0).OrderByDescending(count => count.Value).Select(count => string.Create(CultureInfo.InvariantCulture, $"{count.Value:N0} {Shown.State(count.Key)}")));

    public static Command Backup(Wiring wiring)
    {
        var name = new Option<string?>("--name") { Description = "A name for it; left out: the time.", HelpName = "NAME" };
        var reason = Asked.Reason();
        return wiring.Verb("backup", "Makes a backup of the service's database on the server's machine, while it runs.", ["imgctl backup", "imgctl backup --name before-upgrade"], async (run, stop) =>
        {
            var backup = await run.Client.CreateBackupAsync(new BackupRequest { Name = run.Get(name), Reason = run.Get(reason) }, stop);
            run.Printer.One(backup, made => $"backup/{made.Name}", made =>
                [("Backup", made.Name), ("Path", made.Path), ("Size", Shown.Bytes(made.LengthBytes)), ("SHA-256", made.Sha256), ("Created", Shown.Time(made.CreatedAt))]);
            return ExitCodes.Well;
        }, name, reason);
    }

    public static Command SupportBundle(Wiring wiring)
    {
        var file = new Option<string?>("--file", "-f") { Description = "Where to write it; left out: a new file in this folder.", HelpName = "FILE" };
        return wiring.Verb("support-bundle", "Fetches an archive for whoever helps you: versions, settings, states and logs, without secrets.", ["imgctl support-bundle", "imgctl support-bundle --file case-4711.zip"], async (run, stop) =>
        {
            var path = run.Get(file) ?? string.Create(CultureInfo.InvariantCulture, $"imgmt-support-{run.Screen.Time.GetUtcNow():yyyyMMdd-HHmmss}.zip");
            if (File.Exists(path) || Directory.Exists(path))
            {
                throw new CliProblem(ExitCodes.Refused, $"{path} exists.", "Name a new file with --file.");
            }

            var partial = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, $".{Path.GetFileName(path)}.{Environment.ProcessId}.part");
            await using var content = PrivateFile.Create(partial, mustBeNew: true);
            try
            {
                await run.Client.DownloadSupportBundleAsync(content, stop);
                await content.DisposeAsync();
                File.Move(partial, path);
            }
            finally
            {
                File.Delete(partial);
            }

            var size = new FileInfo(path).Length;
            run.Printer.Done(new { Path = Path.GetFullPath(path), LengthBytes = size }, made => $"file/{made.Path}", $"{path}, {Shown.Bytes(size)}. Look into it before you give it away.");
            return ExitCodes.Well;
        }, file);
    }
}
