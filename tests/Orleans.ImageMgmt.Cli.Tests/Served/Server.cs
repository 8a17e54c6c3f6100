using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>The real server in a process of its own, on any free port, with its data in the shell's home: imgctl finds it there without any set-up.</summary>
internal sealed class Server : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);
    private readonly List<string> said = [];
    private readonly Process process;
    private readonly Task reading;

    private Server(Process process)
    {
        this.process = process;
        reading = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
    }

    public static async Task<Server> StartAsync(Shell shell, params string[] settings)
    {
        var server = new Server(shell.Start(Path.Combine(AppContext.BaseDirectory, "imgmt"), ["serve", "--data", shell.Variables["IMGMT_DATA"]!, .. settings.DefaultIfEmpty("Http:Listen=http://127.0.0.1:0").SelectMany(setting => new[] { "--set", setting })]));
        try
        {
            await Until(() => server.Said().Any(line => line.StartsWith("imgmt is ready", StringComparison.Ordinal)) || server.process.HasExited, server.ToString);
            Assert.False(server.process.HasExited, server.ToString());
            return server;
        }
        catch
        {
            await server.DisposeAsync(); // nobody else knows of it
            throw;
        }
    }

    /// <summary>The address and token that the server wrote for its own user.</summary>
    public static ImageMgmtHttpClient Client(Shell shell)
    {
        var data = shell.Variables["IMGMT_DATA"]!;
        return ImageMgmtHttpClient.Create(Endpoint(shell), File.ReadAllText(Path.Combine(data, "administrator.token")).Trim());
    }

    public static Uri Endpoint(Shell shell)
    {
        using var endpoint = JsonDocument.Parse(File.ReadAllText(Path.Combine(shell.Variables["IMGMT_DATA"]!, "endpoint.json")));
        return new Uri(endpoint.RootElement.GetProperty("url").GetString()!);
    }

    public static Task Until(Func<bool> holds, Func<string> what) => Until(() => Task.FromResult(holds()), what);

    public static async Task Until(Func<Task<bool>> holds, Func<string> what)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!await holds())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Limit, $"Not within {Limit.TotalSeconds:0} s: {what()}");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>A disk of random bytes and holes.</summary>
    public static string MakeDisk(string path, int mebibytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var random = new Random(mebibytes);
        var piece = new byte[1 << 20];
        using (var file = File.Create(path))
        {
            for (var i = 0; i < mebibytes; i++)
            {
                random.NextBytes(piece);
                file.Write(piece);
            }

            file.SetLength((mebibytes + 8L) << 20);
        }

        using var whole = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(whole));
    }

    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
        }

        await process.WaitForExitAsync();
        await reading;
        process.Dispose();
    }

    public static async Task SignalAsync(int processId, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", processId.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        Assert.Equal(0, kill.ExitCode);
    }

    public override string ToString() => $"--- server\n{string.Join('\n', Said().TakeLast(40))}";

    private List<string> Said()
    {
        lock (said)
        {
            return [.. said];
        }
    }

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (said)
            {
                said.Add(line);
            }
        }
    }
}
