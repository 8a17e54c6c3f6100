using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>The real program in a process of its own, on a port of its own. Disposing kills it.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private readonly Process process;
    private readonly string data;
    private readonly Lock gate = new();
    private readonly List<string> lines = [];
    private readonly List<string> errors = [];
    private readonly Task output;

    private ServerProcess(Process process, string data, Uri address)
    {
        (this.process, this.data) = (process, data);
        Http = new HttpClient { BaseAddress = address, Timeout = UpkeepServer.Limit };
        output = Task.WhenAll(ReadAsync(process.StandardOutput, lines), ReadAsync(process.StandardError, errors));
    }

    public HttpClient Http { get; }

    public IReadOnlyList<string> Errors => Snapshot(errors);

    public static ServerProcess Start(string data, IReadOnlyList<string> settings, params IReadOnlyList<string> arguments) =>
        Start("dotnet", [Path.Combine(AppContext.BaseDirectory, "imgmt.dll")], data, settings, arguments, _ => { });

    public static ServerProcess Start(
        string program, IReadOnlyList<string> first, string data, IReadOnlyList<string> settings, IReadOnlyList<string> arguments, Action<ProcessStartInfo> change)
    {
        var address = new Uri($"http://127.0.0.1:{FreePort()}");
        string[] sets = [$"Http:Listen={address.GetLeftPart(UriPartial.Authority)}", .. settings];
        var start = new ProcessStartInfo(program, [.. first, "serve", "--data", data, .. sets.SelectMany(s => new[] { "--set", s }), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        change(start);
        return new ServerProcess(Process.Start(start)!, data, address);
    }

    /// <summary>Waits until it can take work, and takes the administrator's token for later requests.</summary>
    public async Task ReadyAsync()
    {
        await UpkeepServer.UntilAsync(() => Task.FromResult(Snapshot(lines).Any(l => l.StartsWith("imgmt is ready", StringComparison.Ordinal)) || output.IsCompleted), "it is not ready.");
        Assert.False(output.IsCompleted, ToString());
        var token = Path.Combine(data, "administrator.token");
        if (File.Exists(token))
        {
            Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync(token, UpkeepServer.Stop)).Trim());
        }

        Assert.Equal(HttpStatusCode.OK, (await Http.GetAsync(Routes.Readiness, UpkeepServer.Stop)).StatusCode);
    }

    /// <summary>Asks it to end, and waits until it has, well.</summary>
    public async Task TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(UpkeepServer.Stop);
        await process.WaitForExitAsync(UpkeepServer.Stop).WaitAsync(UpkeepServer.Limit, TimeProvider.System, UpkeepServer.Stop);
        await output;
        Assert.True(process.ExitCode == 0, ToString());
    }

    public async Task KillAsync()
    {
        process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync(UpkeepServer.Stop);
        await output;
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
        }

        await process.WaitForExitAsync(CancellationToken.None);
        await output;
        process.Dispose();
        Http.Dispose();
    }

    public override string ToString() => $"--- output of imgmt\n{string.Join('\n', Snapshot(lines))}\n--- errors of imgmt\n{string.Join('\n', Errors.TakeLast(30))}";

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

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
