using System.Diagnostics;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>How a program ended.</summary>
internal sealed record Ended(int Code, string Out, string Error)
{
    public string[] Lines => Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public string Only => Assert.Single(Lines);

    public Ended With(int code)
    {
        Assert.True(code == Code, $"exit code {Code} instead of {code}\n{Out}\n{Error}");
        return this;
    }
}

/// <summary>A person's shell with a home of its own: the real imgctl, and whatever else a test runs.</summary>
internal sealed class Shell : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    public Shell()
    {
        Variables = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["HOME"] = Home,
            ["XDG_CONFIG_HOME"] = Path.Combine(Home, "config"),
            ["XDG_DATA_HOME"] = null,
            ["IMGMT_DATA"] = Path.Combine(Home, "data"),
            ["IMGCTL_URL"] = null,
            ["IMGCTL_TOKEN"] = null,
            ["IMGCTL_CONTEXT"] = null,
            ["IMGCTL_COMPLETION_TIMEOUT"] = "60",
            ["NO_COLOR"] = null,
            ["COLUMNS"] = null,
            ["TERM"] = "xterm-256color",
        };
    }

    public static string Program { get; } = Path.Combine(AppContext.BaseDirectory, "imgctl");

    public string Home { get; } = Directory.CreateTempSubdirectory("imgctl-test-").FullName;

    public Dictionary<string, string?> Variables { get; }

    public string ContextPath => Path.Combine(Home, "config", "imgctl", "config.json");

    public Task<Ended> ImgctlAsync(params string[] args) => RunAsync(Program, args, "");

    public Task<Ended> ImgctlWithInputAsync(string input, params string[] args) => RunAsync(Program, args, input);

    public async Task<Ended> RunAsync(string program, IEnumerable<string> args, string input)
    {
        using var process = Start(program, args);
        using var limit = new CancellationTokenSource(Limit);
        var (output, error) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
        try
        {
            await process.StandardInput.WriteAsync(input);
        }
        catch (IOException)
        {
            // it ended without reading
        }

        process.StandardInput.Close();
        try
        {
            await process.WaitForExitAsync(limit.Token);
            return new Ended(process.ExitCode, await output, await error);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    public Process Start(string program, IEnumerable<string> args)
    {
        var start = new ProcessStartInfo(program, args)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Home,
        };
        foreach (var (name, value) in Variables)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
    }

    public void Dispose()
    {
        // Sealed copies are read-only folders.
        foreach (var folder in Directory.EnumerateDirectories(Home, "*", SearchOption.AllDirectories))
        {
            File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        Directory.Delete(Home, recursive: true);
    }
}
