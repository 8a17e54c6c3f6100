using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests;

/// <summary>The real program in a process of its own, and all that it prints. Disposing kills it.</summary>
internal sealed class ImgmtProgram : IAsyncDisposable
{
    private readonly Process process;
    private readonly StringBuilder output = new();
    private readonly Task reading;

    private ImgmtProgram(Process process)
    {
        this.process = process;
        reading = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
    }

    public string Output
    {
        get
        {
            lock (output)
            {
                return output.ToString();
            }
        }
    }

    public int Id => process.Id;

    public static ImgmtProgram Start(params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "imgmt.dll"), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        return new ImgmtProgram(Process.Start(start)!);
    }

    /// <summary>Starts a server in a folder and returns where it is, once it says so.</summary>
    public static async Task<(ImgmtProgram Program, Uri Address, string Token)> ServeAsync(string data, params IEnumerable<string> settings)
    {
        var program = Start(["serve", "--data", data, "--set", "Http:Listen=http://127.0.0.1:0", .. settings.SelectMany(s => (string[])["--set", s])]);
        await Until.TrueAsync(() => Task.FromResult(program.Output.Contains("imgmt is ready", StringComparison.Ordinal) || program.process.HasExited), "the server is ready");
        Assert.False(program.process.HasExited, program.Output);
        var url = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(data, "endpoint.json"), DoorsHost.Stop)).RootElement.GetProperty("url").GetString()!;
        return (program, new Uri(url), (await File.ReadAllTextAsync(Path.Combine(data, "administrator.token"), DoorsHost.Stop)).Trim());
    }

    public async Task<int> ExitAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(DoorsHost.Stop);
        limit.CancelAfter(DoorsHost.Limit);
        await process.WaitForExitAsync(limit.Token);
        await reading;
        return process.ExitCode;
    }

    public async Task TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(DoorsHost.Stop);
        await ExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
        }

        await process.WaitForExitAsync(CancellationToken.None);
        process.Dispose();
    }

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (output)
            {
                output.Append(line).Append('\n');
            }
        }
    }
}
