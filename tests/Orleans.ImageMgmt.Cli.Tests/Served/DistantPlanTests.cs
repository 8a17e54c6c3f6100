using System.Diagnostics;
using System.Text.Json;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: where a source lies behind a link, a plan says beforehand what travels as blocks. Method: the source pod's folder is taken away from the service and
/// served by a block server of its own; the next version differs by a few blocks of random bytes, which do not pack.</summary>
public sealed class DistantPlanTests(Estate estate) : IClassFixture<Estate>
{
    private const int Block = 4_096;
    private const int ChangedBlocks = 300;

    private Shell Shell => estate.Shell;

    [Fact]
    public async Task The_plan_for_a_distant_source_is_a_bound_that_the_publish_keeps()
    {
        await estate.ConnectHeadOfficeAsync();
        await estate.ConnectAsync("branch-1");
        (await Shell.ImgctlAsync("import", "Win10POS", "1.0", "--pod", "head-office", "--source", "win10pos.raw", "--wait", "--quiet")).With(0);
        (await Shell.ImgctlAsync("publish", "Win10POS", "1.0", "--wait", "--quiet")).With(0);
        await PatchAsync();
        (await Shell.ImgctlAsync("import", "Win10POS", "1.1", "--pod", "head-office", "--source", "patched.raw", "--wait", "--quiet")).With(0);

        using var blocks = await MoveAwayAsync();
        try
        {
            var told = (await Shell.ImgctlAsync("publish", "Win10POS", "1.1", "--pods", "branch-1", "--plan", "-o", "json")).With(0).Out;
            var plan = JsonSerializer.Deserialize<List<PodPlanResource>>(told, ImageMgmtJson.Options)!.Single();
            Assert.True(plan.ByBlocks, told);
            Assert.InRange(plan.SendBytes!.Value, ChangedBlocks * Block, (ChangedBlocks * Block) + (8 * (2_048 + 64)));
            (await Shell.ImgctlAsync("publish", "Win10POS", "1.1", "--pods", "branch-1", "--wait", "--quiet")).With(0);

            using var client = Server.Client(Shell);
            var receipt = (await client.GetCopyAsync("Win10POS", "1.1", "branch-1")).Receipt!;
            Assert.InRange(receipt.SentBytes, plan.SendBytes.Value * 9 / 10, plan.SendBytes.Value);
        }
        finally
        {
            blocks.Kill();
            await blocks.WaitForExitAsync(CancellationToken.None);
        }
    }

    /// <summary>Blocks here and there, in every chunk of the disk.</summary>
    private async Task PatchAsync()
    {
        var disk = await File.ReadAllBytesAsync(Path.Combine(Shell.Home, "sources", "win10pos.raw"), TestContext.Current.CancellationToken);
        var random = new Random(4);
        foreach (var block in Enumerable.Range(0, 8 << 8).OrderBy(_ => random.Next()).Take(ChangedBlocks))
        {
            random.NextBytes(disk.AsSpan(block * Block, Block));
        }

        await File.WriteAllBytesAsync(Path.Combine(Shell.Home, "sources", "patched.raw"), disk, TestContext.Current.CancellationToken);
    }

    /// <summary>The head office is another machine from now on: the service sees an empty folder there.</summary>
    private async Task<Process> MoveAwayAsync()
    {
        var (program, elsewhere, keys, pods) = (Path.Combine(AppContext.BaseDirectory, "imgmt"), Path.Combine(Shell.Home, "elsewhere"), Path.Combine(Shell.Home, "keys"), Path.Combine(Shell.Home, "pods.json"));
        (await Shell.RunAsync(program, ["trust", "issue-blocks", "--data", Shell.Variables["IMGMT_DATA"]!, "--name", "head-office", "--out", keys], "")).With(0);
        Directory.Move(estate.Folder("head-office"), elsewhere);
        Directory.CreateDirectory(estate.Folder("head-office"));
        await File.WriteAllTextAsync(pods, JsonSerializer.Serialize(new { pods = new[] { new { name = "head-office", settings = new Dictionary<string, string> { ["datastore.ds1"] = elsewhere } } } }));
        string[] settings = ["Blocks:Listen=127.0.0.1:0", $"Trust:Authority={keys}/ca.crt", $"Trust:Certificate={keys}/blocks.crt", $"Trust:Key={keys}/blocks.key"];
        var blocks = Shell.Start(program, ["blocks", "--data", Path.Combine(Shell.Home, "blocks-data"), "--pods", pods, .. settings.SelectMany(setting => new[] { "--set", setting })]);
        const string serves = "imgmt serves blocks of 1 pods at ";
        string? line;
        while ((line = await blocks.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken)) is not null && !line.StartsWith(serves, StringComparison.Ordinal))
        {
            // what it says before
        }

        Assert.NotNull(line);
        (await Shell.ImgctlAsync("pod", "connect", "head-office", "--datastore", estate.Folder("head-office"), "--sources", Path.Combine(Shell.Home, "sources"), "--set", $"blocks-url={line[serves.Length..]}", "--wait")).With(0);
        return blocks;
    }
}
