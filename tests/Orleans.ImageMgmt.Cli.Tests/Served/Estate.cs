using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>A shell, a server, a source pod with a small disk, and what other pods a test connects.</summary>
public class Estate : IAsyncLifetime
{
    private Server? server;

    internal Shell Shell { get; } = new();

    /// <summary>What the server is started with besides its port.</summary>
    protected virtual IReadOnlyList<string> Settings => [];

    internal string DiskSha256 { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Folder("head-office"));
        DiskSha256 = Server.MakeDisk(Path.Combine(Shell.Home, "sources", "win10pos.raw"), 8);
        server = await StartAsync();
    }

    internal string Folder(string pod) => Path.Combine(Shell.Home, "pods", pod);

    internal async Task ConnectHeadOfficeAsync() => (await Shell.ImgctlAsync("pod", "connect", "head-office", "--datastore", Folder("head-office"),
        "--sources", Path.Combine(Shell.Home, "sources"), "--wait")).With(0);

    internal async Task ConnectAsync(string pod, params string[] more)
    {
        Directory.CreateDirectory(Folder(pod));
        (await Shell.ImgctlAsync(["pod", "connect", pod, "--datastore", Folder(pod), "--wait", .. more])).With(0);
    }

    /// <summary>Pods that exist in the server's memory alone; thousands of them cost nothing.</summary>
    internal async Task ConnectSimulatedAsync(int count, Func<int, Dictionary<string, string>> settings)
    {
        using var client = Server.Client(Shell);
        for (var i = 0; i < count; i++)
        {
            var name = $"sim-{i:00}";
            await client.ConnectPodAsync(name, new ConnectPodRequest { Family = "simulated", Settings = settings(i) });
        }

        foreach (var i in Enumerable.Range(0, count))
        {
            var state = PodState.Connecting;
            await Server.Until(async () => (state = (await client.GetPodAsync($"sim-{i:00}")).State) != PodState.Connecting, () => $"sim-{i:00} stays {state}");
            Assert.Equal(PodState.Connected, state);
        }
    }

    /// <summary>Kills the server as a power cut would, and starts it again on the same data. Its port is another one then.</summary>
    internal async Task RestartAsync()
    {
        await server!.KillAsync();
        await server.DisposeAsync();
        server = await StartAsync();
    }

    private Task<Server> StartAsync() => Server.StartAsync(Shell, ["Http:Listen=http://127.0.0.1:0", .. Settings]);

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (server is not null)
        {
            await server.DisposeAsync();
        }

        Shell.Dispose();
    }
}
