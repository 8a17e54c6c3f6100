using System.Text.RegularExpressions;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: waiting survives what happens to servers and people, and looks right on a terminal.</summary>
public sealed partial class WaitingTests(Estate estate) : IClassFixture<Estate>
{
    private Shell Shell => estate.Shell;

    [Fact]
    public async Task A_killed_server_a_pressed_key_and_a_terminal()
    {
        await estate.ConnectHeadOfficeAsync();
        await estate.ConnectAsync("slow-1", "--set", "fault-plan=receive:slow=2MB/s");
        await estate.ConnectAsync("slow-2", "--set", "fault-plan=receive:slow=2MB/s");
        foreach (var version in new[] { "1.0", "1.1", "1.2", "1.3" })
        {
            Server.MakeDisk(Path.Combine(Shell.Home, "sources", $"{version}.raw"), SizeOf(version));
            (await Shell.ImgctlAsync("import", "Win10POS", version, "--pod", "head-office", "--source", $"{version}.raw", "--wait", "--quiet")).With(0);
        }

        await KilledServerAsync();
        await PressedKeyAsync();
        await TerminalAsync();
        await CutLineAsync();
    }

    /// <summary>In MiB, and every second takes two of them. What is cut in the middle has a longer middle: a busy machine comes late.</summary>
    private static int SizeOf(string version) => version switch
    {
        "1.1" => 12,
        "1.3" => 32,
        _ => 8 + version[2] - '0',
    };

    private async Task CutLineAsync()
    {
        await using var line = new BadLine(Server.Endpoint(Shell));
        var token = Path.Combine(Shell.Variables["IMGMT_DATA"]!, "administrator.token");
        var waiting = Shell.ImgctlAsync("publish", "Win10POS", "1.3", "--wait", "--operation", "over-a-bad-line", "--url", line.Url, "--token-file", token);
        await UntilReplicatingAsync("over-a-bad-line");
        var before = line.Tried;
        line.Cut(stayDown: false);
        await Server.Until(() => line.Tried > before, () => "imgctl does not connect again");
        line.Cut(stayDown: true);
        var down = line.Tried;
        await Server.Until(() => line.Tried > down + 2, () => "imgctl does not try again while the line is down");
        line.Mend();
        var ended = (await waiting).With(0);
        Assert.Equal("Win10POS 1.3: Available on N of N pods after N", MainJobTests.Normal(ended.Lines[^1]));
        Assert.Equal(ended.Lines.Distinct(), ended.Lines); // nothing is told twice because the stream began anew
    }

    private async Task KilledServerAsync()
    {
        var waiting = Shell.ImgctlAsync("publish", "Win10POS", "1.0", "--wait", "--operation", "through-a-kill");
        await UntilReplicatingAsync("through-a-kill");
        await estate.RestartAsync();
        var ended = (await waiting).With(0);
        Assert.Equal("Win10POS 1.0: Available on N of N pods after N", MainJobTests.Normal(ended.Lines[^1]));
        Assert.Equal(2, ended.Lines.Count(line => line.EndsWith(": Available", StringComparison.Ordinal)));
    }

    private async Task PressedKeyAsync()
    {
        using var watching = Shell.Start(Shell.Program, ["publish", "Win10POS", "1.1", "--wait", "--operation", "interrupted"]);
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        var error = watching.StandardError.ReadToEndAsync(limit.Token);
        for (string? line; (line = await watching.StandardOutput.ReadLineAsync(limit.Token)) is not null && !line.EndsWith(": Replicating", StringComparison.Ordinal);)
        {
            // The key is pressed when imgctl itself has shown that it watches, not when the server is at work.
        }

        await Server.SignalAsync(watching.Id, "INT");
        await watching.WaitForExitAsync(limit.Token);
        Assert.Equal(ExitCodes.Interrupted, watching.ExitCode);
        Assert.Equal("imgctl: Stopped watching; the operation goes on.\n  hint: Watch it again with: imgctl watch interrupted\n", await error);
        (await Shell.ImgctlAsync("watch", "interrupted")).With(0);
    }

    private async Task TerminalAsync()
    {
        Shell.Variables["COLUMNS"] = "100";
        var ended = (await Shell.RunAsync("script", ["-qfec", $"'{Shell.Program}' publish Win10POS 1.2 --wait", "/dev/null"], "")).With(0);
        var text = ControlSequence().Replace(ended.Out, "");
        Assert.Contains("\e[", ended.Out, StringComparison.Ordinal); // it is drawn in place
        Assert.Contains("\e[32m", ended.Out, StringComparison.Ordinal); // and in colour
        Assert.Matches(@"slow-1\s+Replicating\s+━+─+\s+\d+%\s+[\d.]+ [KM]iB/s", text);
        Assert.Matches(@"slow-2\s+Replicating\s+━+─+\s+\d+%\s+[\d.]+ [KM]iB/s", text);
        Assert.Matches(@"total\s+\d of 2\s+━*─+\s+\d+%", text);
        Assert.Matches(@"slow-1\s+Available\s+━{20,}\s+100%", text);
        Assert.Matches(@"Win10POS 1\.2: Available on 2 of 2 pods after \d+:\d\d\s*$", text);
        Shell.Variables["COLUMNS"] = null;
    }

    [Fact]
    public async Task Twenty_five_pods_are_folded_into_counts()
    {
        await estate.ConnectSimulatedAsync(26, i => i == 0 ? new() { ["source.disk"] = "length=64MiB,data=8MiB,seed=7" } : []);
        (await Shell.ImgctlAsync("import", "Folded", "1.0", "--pod", "sim-00", "--source", "disk", "--wait")).With(0);
        var ended = (await Shell.ImgctlAsync("publish", "Folded", "1.0", "--wait")).With(0);
        Assert.DoesNotContain("sim-", ended.Out, StringComparison.Ordinal);
        Assert.Contains("25 of 25 pods available", ended.Lines);
        Assert.Equal("Folded 1.0: Available on N of N pods after N", MainJobTests.Normal(ended.Lines[^1]));
        Assert.True(ended.Lines.Length <= 24, ended.Out);
    }

    private async Task UntilReplicatingAsync(string operation)
    {
        using var client = Server.Client(Shell);
        async Task<bool> ReplicatesAsync()
        {
            try
            {
                return (await client.ListTargetsAsync(operation)).Items.Any(target => target is { State: CopyState.Replicating, Progress.SentBytes: > 0 });
            }
            catch (ProblemException)
            {
                return false; // not accepted yet
            }
        }

        await Server.Until(ReplicatesAsync, () => $"operation {operation} moves no bytes");
    }

    [GeneratedRegex(@"\e\[[0-9;?]*[A-Za-z]|\r")]
    private static partial Regex ControlSequence();
}
