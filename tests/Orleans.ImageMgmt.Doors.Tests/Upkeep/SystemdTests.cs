using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Goal: the unit is one that systemd takes, shuts the service in, and hears from the service itself when it is ready.</summary>
public sealed class SystemdTests
{
    /// <summary>Of 10, lower is tighter; what systemd-analyze calls OK ends at 4.</summary>
    private const string ExposureLimitTimesTen = "20";

    [Fact]
    public async Task The_unit_is_valid_and_shuts_the_service_in()
    {
        using var folder = new TemporaryFolder();
        var unit = Path.Combine(folder.Path, "imgmt.service");
        var text = await File.ReadAllTextAsync(Path.Combine(Sources.Root, "eng", "systemd", "imgmt.service"), UpkeepServer.Stop);
        Assert.Contains("ExecStart=/opt/imgmt/imgmt serve ", text, StringComparison.Ordinal);
        await File.WriteAllTextAsync(unit, text.Replace("/opt/imgmt/imgmt", Path.Combine(AppContext.BaseDirectory, "imgmt"), StringComparison.Ordinal), UpkeepServer.Stop);

        var verified = await Programs.RunAsync("systemd-analyze", ["verify", "--man=no", unit]);
        var judged = await Programs.RunAsync("systemd-analyze", ["security", "--offline=yes", $"--threshold={ExposureLimitTimesTen}", "--no-pager", unit]);

        Assert.Equal((0, ""), (verified.Code, verified.Output.Trim()));
        Assert.True(judged.Code == 0, judged.Output);
    }

    [Fact]
    public async Task The_service_tells_systemd_when_it_is_ready_and_when_it_ends()
    {
        using var folder = new TemporaryFolder();
        using var systemd = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        systemd.Bind(new UnixDomainSocketEndPoint(Path.Combine(folder.Path, "notify")));
        systemd.ReceiveTimeout = (int)UpkeepServer.Limit.TotalMilliseconds;

        // The host library looks for a parent of that name: a shell under the name of systemd starts the program and hands the signal on.
        var parent = Path.Combine(folder.Path, "systemd");
        File.Copy("/bin/sh", parent);
        var program = Path.Combine(AppContext.BaseDirectory, "imgmt.dll");
        const string Script = "trap 'kill -TERM $child' TERM; dotnet \"$@\" & child=$!; wait $child; wait $child";
        await using var server = ServerProcess.Start(parent, ["-c", Script, "systemd", program], Path.Combine(folder.Path, "data"), [], [], start =>
            start.Environment["NOTIFY_SOCKET"] = Path.Combine(folder.Path, "notify"));

        await server.ReadyAsync();
        Assert.Contains("READY=1", Receive(systemd), StringComparison.Ordinal);
        await server.TerminateAsync();
        Assert.Contains("STOPPING=1", Receive(systemd), StringComparison.Ordinal);
    }

    private static string Receive(Socket socket)
    {
        var buffer = new byte[1_024];
        return Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer));
    }
}
