using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Orleans.ImageMgmt.Host.Demo;

/// <summary>Runs a program of the machine with an explicit argument list, a time limit, and nothing of the user's locale or clock.</summary>
internal static class GoldenDiskProgram
{
    /// <summary>For work on local files.</summary>
    public static readonly TimeSpan LocalLimit = TimeSpan.FromSeconds(30);

    /// <summary>For the package lists and downloads.</summary>
    public static readonly TimeSpan NetworkLimit = TimeSpan.FromSeconds(90);

    private const int MostOutput = 1 << 20;

    /// <summary>Runs the program to its end and returns what it printed.</summary>
    /// <exception cref="GoldenDiskException">It cannot be started, took too long, or failed: its last line on stderr is in the sentence.</exception>
    public static async Task<string> RunAsync(
        string program, IReadOnlyList<string> arguments, TimeSpan limit, CancellationToken cancel, string? folder = null, string? firstPath = null)
    {
        using var process = Start(program, arguments, folder, firstPath);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        stop.CancelAfter(limit);
        try
        {
            var errors = ReadAsync(process.StandardError, stop.Token);
            var output = await ReadAsync(process.StandardOutput, stop.Token);
            var complaint = await errors;
            await process.WaitForExitAsync(stop.Token);
            if (process.ExitCode != 0)
            {
                throw new GoldenDiskException($"{program} failed with exit code {process.ExitCode}: {LastLine(complaint)}");
            }

            return output;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new GoldenDiskException($"{program} did not end within {limit.TotalSeconds.ToString("0", CultureInfo.InvariantCulture)} s");
        }
        finally
        {
            End(process);
        }
    }

    /// <summary>Starts the program; the caller reads its output and must call <see cref="End"/>.</summary>
    public static Process Start(string program, IReadOnlyList<string> arguments, string? folder, string? firstPath)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? "",
        };
        start.Environment["LC_ALL"] = "C";
        start.Environment["TZ"] = "UTC";
        start.Environment["DEBIAN_FRONTEND"] = "noninteractive";
        start.Environment["SOURCE_DATE_EPOCH"] = GoldenDisk.Epoch.ToString(CultureInfo.InvariantCulture);
        if (firstPath is not null)
        {
            start.Environment["PATH"] = $"{firstPath}:{Environment.GetEnvironmentVariable("PATH")}";
        }

        try
        {
            return Process.Start(start) ?? throw new GoldenDiskException($"{program} could not be started");
        }
        catch (Win32Exception e)
        {
            throw new GoldenDiskException($"{program} could not be started: {e.Message}");
        }
    }

    public static void End(Process process)
    {
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
        }
    }

    private static async Task<string> ReadAsync(StreamReader reader, CancellationToken cancel)
    {
        var text = new System.Text.StringBuilder();
        while (await reader.ReadLineAsync(cancel) is { } line)
        {
            if (text.Length < MostOutput)
            {
                text.Append(line).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string LastLine(string text) =>
        text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is [.., var last] ? last : "it said nothing";
}
