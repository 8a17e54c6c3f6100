using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>
/// Goal: a pod on another machine is a source like any other, whichever side dies. Method: two real processes with folders of their own; the service
/// cannot reach the files that it publishes, only the block server beside them.
/// </summary>
[Collection("servers")]
public sealed class NetworkTests(ITestOutputHelper output)
{
    private const int Mebibytes = 128;
    private const string Slow = "receive:slow=24MB/s";

    [Fact]
    public async Task A_publish_from_another_machine_survives_the_death_of_either_side()
    {
        using var estate = new Estate();
        estate.AddPod("east", Slow);
        estate.AddPod("west", Slow);
        var chunks = estate.AddVersion("1.0", Mebibytes, seed: 11, publish: false);
        await using (var importing = estate.Serve())
        {
            Assert.True(await importing.ExitAsync() == 0, importing.ToString());
        }

        // The other machine: its own folder, its own certificate of the service's authority, no catalog.
        var keys = Path.Combine(estate.Root, "keys");
        await using (var issuing = ImgmtProcess.Start("trust", "issue-blocks", "--data", estate.DataFolder, "--name", "site-1", "--out", keys))
        {
            Assert.True(await issuing.ExitAsync() == 0, issuing.ToString());
        }

        var plan = estate.MoveSourceAway();
        var server = await BlocksAsync(estate, plan, keys, "127.0.0.1:0");
        try
        {
            var address = new Uri((await server.LineAsync("imgmt serves blocks of 1 pods at "))["imgmt serves blocks of 1 pods at ".Length..]);
            estate.SetBlockServer(address);
            estate.PublishAll();
            await using (var first = estate.Serve())
            {
                await Until.TrueAsync(() => estate.Ledger.Staged >= chunks / 2 || first.HasEnded, () => $"half of one copy is staged.\n{first}");
                Assert.False(first.HasEnded, first.ToString());
                await first.KillAsync();
            }

            estate.AssertNoHalfCopyIsInSight();
            var staged = estate.Ledger.Staged;
            await using var second = estate.Serve("ImageMgmt:Retry:FirstDelay=100ms");
            await Until.TrueAsync(() => estate.Ledger.Staged >= staged + (chunks / 4) || second.HasEnded, () => $"it goes on.\n{second}");
            Assert.False(second.HasEnded, second.ToString());
            await server.KillAsync();
            await server.DisposeAsync();
            server = await BlocksAsync(estate, plan, keys, address.Authority);
            Assert.True(await second.ExitAsync() == 0, $"{second}\n{server}");

            estate.AssertHolds("1.0", "east", "west");
            estate.AssertNothingIsLeftBehind("east", "west");
            Assert.False(File.Exists(estate.FileOf(Estate.SourcePod, "1.0")), "The service could have read the files themselves.");
            output.WriteLine($"{estate.Ledger.Requested} chunks asked for {chunks * 2} needed; {staged} were staged when the service was killed");
            estate.Ledger.AssertNothingWasSentTwice(chunks * 2, kills: 2, transfers: 2);
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    private static async Task<ImgmtProcess> BlocksAsync(Estate estate, string plan, string keys, string listen)
    {
        string[] settings =
        [
            $"Blocks:Listen={listen}", $"Trust:Authority={Path.Combine(keys, "ca.crt")}", $"Trust:Certificate={Path.Combine(keys, "blocks.crt")}", $"Trust:Key={Path.Combine(keys, "blocks.key")}",
        ];
        var server = ImgmtProcess.Start(["blocks", "--data", Path.Combine(estate.Root, "elsewhere-data"), "--pods", plan, .. settings.SelectMany(setting => new[] { "--set", setting })]);
        await server.LineAsync("imgmt serves blocks of ");
        return server;
    }
}
