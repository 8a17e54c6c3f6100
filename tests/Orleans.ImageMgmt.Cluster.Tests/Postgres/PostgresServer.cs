using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Npgsql;
using Xunit;

namespace Orleans.ImageMgmt.Testing;

/// <summary>A real PostgreSQL server of its own, on loopback, with fsync on; its folder goes away with it.</summary>
public sealed class PostgresServer : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private readonly string folder = Path.Combine(Path.GetTempPath(), $"imagemgmt-pg-{Guid.NewGuid():N}");
    private readonly int port = FreePort();
    private int databases;

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(folder);
        if (IsRoot)
        {
            await RunAsync("chown", "postgres", folder);
        }

        await AsServerAsync("initdb", "-D", Data, "-U", "imgmt", "-A", "trust", "--no-locale", "-E", "UTF8");
        await StartAsync();
    }

    /// <summary>Id of the server's first process; the others are its children.</summary>
    public int Pid => int.Parse(File.ReadLines(Path.Combine(Data, "postmaster.pid")).First(), CultureInfo.InvariantCulture);

    /// <summary>Connection string of a new, empty database.</summary>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"db{Interlocked.Increment(ref databases)}");
        await ExecuteAsync(To("postgres"), $"CREATE DATABASE {name}");
        return To(name);
    }

    public static async Task ExecuteAsync(string database, string sql)
    {
        await using var connection = new NpgsqlConnection(database + ";Pooling=false");
        await connection.OpenAsync();
#pragma warning disable CA2100 // Texts of tests.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>SIGKILL, as a machine that loses its server: nothing is written back.</summary>
    public async Task KillAsync()
    {
        using var server = Process.GetProcessById(Pid);
        server.Kill();
        await server.WaitForExitAsync().WaitAsync(Limit, TimeProvider.System);
    }

    /// <summary>As an administrator stops it: connections are ended, everything is written back.</summary>
    public Task StopAsync() => AsServerAsync("pg_ctl", "-D", Data, "-m", "fast", "-w", "stop");

    /// <summary>SIGKILL of the server and of all its processes, as a machine that loses power without losing its disk.</summary>
    /// <returns>Processes killed.</returns>
    public async Task<int> KillAllAsync()
    {
        var pid = int.Parse(File.ReadLines(Path.Combine(Data, "postmaster.pid")).First(), CultureInfo.InvariantCulture);
        List<Process> family = [Process.GetProcessById(pid), .. Process.GetProcesses().Where(process => ParentOf(process.Id) == pid)];
        foreach (var process in family)
        {
            process.Kill();
        }

        foreach (var process in family)
        {
            using (process)
            {
                await process.WaitForExitAsync().WaitAsync(Limit, TimeProvider.System);
            }
        }

        return family.Count;
    }

    public Task StartAsync() => AsServerAsync(
        "pg_ctl", "-D", Data, "-w", "-t", "60", "-l", Path.Combine(folder, "server.log"), "-o",
        string.Create(CultureInfo.InvariantCulture, $"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c max_connections=200"), "start");

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        if (File.Exists(Path.Combine(Data, "postmaster.pid")))
        {
            await AsServerAsync("pg_ctl", "-D", Data, "-m", "immediate", "-w", "stop");
        }

        Directory.Delete(folder, recursive: true);
    }

    private string Data => Path.Combine(folder, "data");

    /// <summary>The fourth word of a process's line, counted behind its name, which may hold spaces; 0 when it is gone.</summary>
    private static int ParentOf(int pid)
    {
        try
        {
            var line = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
            return int.Parse(line[(line.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static bool IsRoot => Environment.UserName == "root";

    private string To(string database) =>
        string.Create(CultureInfo.InvariantCulture, $"Host=127.0.0.1;Port={port};Username=imgmt;Database={database}");

    /// <summary>PostgreSQL refuses to run as root: then it runs as the user that its package made.</summary>
    private static Task AsServerAsync(string program, params string[] arguments)
    {
        var path = Directory.Exists("/usr/lib/postgresql")
            ? Directory.EnumerateDirectories("/usr/lib/postgresql").OrderByDescending(d => d, StringComparer.Ordinal).Select(d => Path.Combine(d, "bin", program)).FirstOrDefault(File.Exists) ?? program
            : program;
        return IsRoot ? RunAsync("runuser", ["-u", "postgres", "--", path, .. arguments]) : RunAsync(path, arguments);
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        // Output goes nowhere: the server inherits it and would keep a pipe open for as long as it lives.
        var start = new ProcessStartInfo("sh", ["-c", "exec \"$@\" >/dev/null 2>&1 </dev/null", "sh", program, .. arguments]) { WorkingDirectory = "/" };
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync().WaitAsync(Limit, TimeProvider.System);
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
