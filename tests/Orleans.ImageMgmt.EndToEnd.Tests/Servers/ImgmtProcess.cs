using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>The real program in a process of its own, with what it has printed so far. Disposing kills it.</summary>
internal sealed class ImgmtProcess : IAsyncDisposable
{
    private readonly Process process;
    private readonly Lock gate = new();
    private readonly List<string> lines = [];
    private readonly List<string> errors = [];
    private readonly Task output;
    private bool isDisposed;

    private ImgmtProcess(Process process)
    {
        this.process = process;
        output = Task.WhenAll(ReadAsync(process.StandardOutput, lines), ReadAsync(process.StandardError, errors));
    }

    public int Id => process.Id;

    public bool HasEnded => process.HasExited;

    public IReadOnlyList<string> Lines => Snapshot(lines);

    public IReadOnlyList<string> Errors => Snapshot(errors);

    public static ImgmtProcess Start(params IEnumerable<string> arguments)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "imgmt.dll");
        // Any free port: many servers run beside each other.
        string[] anyPort = arguments.First() == "serve" ? ["--set", "Http:Listen=http://127.0.0.1:0"] : [];
        var start = new ProcessStartInfo("dotnet", [program, .. arguments, .. anyPort]) { RedirectStandardOutput = true, RedirectStandardError = true };
        return new ImgmtProcess(Process.Start(start)!);
    }

    /// <summary>Waits until a line that begins so was printed, and returns it. Fails at once when the process ends without.</summary>
    public async Task<string> LineAsync(string beginning)
    {
        string? Found() => Lines.FirstOrDefault(line => line.StartsWith(beginning, StringComparison.Ordinal));
        await Until.TrueAsync(() => Found() is not null || output.IsCompleted, () => $"no line '{beginning}…'.\n{this}");
        return Found() ?? throw new InvalidOperationException($"The process ended without a line '{beginning}…'.\n{this}");
    }

    /// <summary>Waits for its end and for the last of its lines.</summary>
    public async Task<int> ExitAsync()
    {
        await Until.TrueAsync(() => process.HasExited && output.IsCompleted, () => $"the process still runs.\n{this}");
        return process.ExitCode;
    }

    public async Task KillAsync()
    {
        process.Kill();
        await ExitAsync();
    }

    public async Task TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, kill.ExitCode);
    }

    public async ValueTask DisposeAsync()
    {
        if (isDisposed)
        {
            return;
        }

        isDisposed = true;
        if (!process.HasExited)
        {
            process.Kill();
        }

        await process.WaitForExitAsync(CancellationToken.None);
        process.Dispose();
    }

    public override string ToString() => $"--- output of imgmt\n{string.Join('\n', Lines)}\n--- errors of imgmt\n{string.Join('\n', Errors.TakeLast(30))}";

    private async Task ReadAsync(StreamReader reader, List<string> into)
    {
        while (await reader.ReadLineAsync(CancellationToken.None) is { } line)
        {
            lock (gate)
            {
                into.Add(line);
            }
        }
    }

    private string[] Snapshot(List<string> list)
    {
        lock (gate)
        {
            return [.. list];
        }
    }
}
