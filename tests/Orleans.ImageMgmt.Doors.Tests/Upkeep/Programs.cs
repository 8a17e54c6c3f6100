using System.Diagnostics;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Runs other programs to their end.</summary>
internal static class Programs
{
    /// <param name="program">Its name or path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">Null: as here; else nothing but this.</param>
    /// <param name="limit">Null: as for everything here.</param>
    /// <returns>Its exit code, and both of its outputs.</returns>
    public static async Task<(int Code, string Output)> RunAsync(
        string program, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment = null, TimeSpan? limit = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (environment is not null)
        {
            start.Environment.Clear();
            foreach (var (name, value) in environment)
            {
                start.Environment[name] = value;
            }
        }

        using var process = Process.Start(start)!;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(UpkeepServer.Stop);
        stop.CancelAfter(limit ?? UpkeepServer.Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(stop.Token);
            var errors = process.StandardError.ReadToEndAsync(stop.Token);
            await process.WaitForExitAsync(stop.Token);
            return (process.ExitCode, await output + await errors);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }
}
