using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: what runs can be paused, resumed, stopped and tried again by hand, and an image and a pod can be taken out of use and back.</summary>
public sealed class OperationTests(Estate estate) : IClassFixture<Estate>
{
    private Shell Shell => estate.Shell;

    [Fact]
    public async Task Operations_images_and_pods_are_steered_by_hand()
    {
        await estate.ConnectHeadOfficeAsync();
        await estate.ConnectAsync("slow", "--set", "fault-plan=receive:slow=100KB/s");
        await estate.ConnectAsync("locked", "--set", "fault-plan=receive:refuse:cause=denied:times=1");
        (await Shell.ImgctlAsync("import", "Win10POS", "1.0", "--pod", "head-office", "--source", "win10pos.raw", "--wait")).With(0);

        await PauseAndResumeAsync();
        await CancelAsync();
        await RetryAsync();
        await DisableAndEnableAsync();
        await DeleteAsync();
        await DrainAndDisconnectAsync();
    }

    private async Task PauseAndResumeAsync()
    {
        (await Shell.ImgctlAsync("publish", "Win10POS", "1.0", "--pods", "slow", "--operation", "paused-once")).With(0);
        Assert.Equal("Operation paused-once is Paused.", (await Shell.ImgctlAsync("operation", "pause", "paused-once", "--reason", "lunch")).With(0).Only);
        Assert.Contains("Paused", (await Shell.ImgctlAsync("operation", "show", "paused-once")).With(0).Out, StringComparison.Ordinal);
        Assert.Equal(["operation/paused-once"], (await Shell.ImgctlAsync("operation", "list", "--state", "paused", "-o", "name")).With(0).Lines);
        Assert.Equal("Operation paused-once is Running.", (await Shell.ImgctlAsync("operation", "resume", "paused-once")).With(0).Only);
        (await Shell.ImgctlAsync("operation", "cancel", "paused-once", "--yes")).With(0);
        (await Shell.ImgctlAsync("watch", "paused-once")).With(ExitCodes.Failed);
        foreach (var verb in new[] { "pause", "resume" })
        {
            var late = (await Shell.ImgctlAsync("operation", verb, "paused-once")).With(ExitCodes.Refused);
            Assert.Contains("  code: operation.not-now", late.Error, StringComparison.Ordinal);
        }

        (await Shell.ImgctlAsync("operation", "pause", "nowhere")).With(ExitCodes.NotFound);
        Assert.Contains("lunch", (await Shell.ImgctlAsync("activity", "--operation", "paused-once")).With(0).Out, StringComparison.Ordinal);
    }

    private async Task CancelAsync()
    {
        Server.MakeDisk(Path.Combine(Shell.Home, "sources", "second.raw"), 2);
        (await Shell.ImgctlAsync("import", "Win10POS", "--step", "minor", "--pod", "head-office", "--source", "second.raw", "--wait")).With(0);
        (await Shell.ImgctlAsync("publish", "Win10POS", "1.1", "--pods", "slow", "--operation", "stopped")).With(0);
        var asked = (await Shell.ImgctlAsync("operation", "cancel", "stopped")).With(ExitCodes.Usage);
        Assert.Contains("Add --yes", asked.Error, StringComparison.Ordinal);
        Assert.Matches("^Operation stopped is (Running|Cancelled)\\.$", (await Shell.ImgctlAsync("operation", "cancel", "stopped", "--yes")).With(0).Only);
        var watched = (await Shell.ImgctlAsync("watch", "stopped")).With(ExitCodes.Failed);
        Assert.Equal("Win10POS 1.1: publish Cancelled after N", MainJobTests.Normal(watched.Lines[^1]));
    }

    private async Task RetryAsync()
    {
        (await Shell.ImgctlAsync("publish", "Win10POS", "1.0", "--pods", "locked", "--operation", "again", "--wait")).With(ExitCodes.Failed);
        var other = (await Shell.ImgctlAsync("operation", "retry", "again", "--pod", "slow")).With(ExitCodes.Refused);
        Assert.Contains("  code: operation.target-not-failed", other.Error, StringComparison.Ordinal);
        var retried = (await Shell.ImgctlAsync("operation", "retry", "again", "--pod", "locked", "--wait")).With(0);
        Assert.Equal("Win10POS 1.0: Available on N of N pods after N", MainJobTests.Normal(retried.Lines[^1]));
    }

    private async Task DisableAndEnableAsync()
    {
        Assert.Equal("Image Win10POS is Disabled.", (await Shell.ImgctlAsync("image", "disable", "Win10POS", "--reason", "audit")).With(0).Only);
        Assert.Equal(["image/Win10POS"], (await Shell.ImgctlAsync("image", "list", "--status", "disabled", "-o", "name")).With(0).Lines);
        Assert.Equal("Image Win10POS is Available.", (await Shell.ImgctlAsync("image", "enable", "Win10POS")).With(0).Only);
        (await Shell.ImgctlAsync("image", "disable", "Nowhere")).With(ExitCodes.NotFound);
        Assert.Contains("audit", (await Shell.ImgctlAsync("activity", "--image", "Win10POS")).With(0).Out, StringComparison.Ordinal);
    }

    private async Task DeleteAsync()
    {
        var asked = (await Shell.ImgctlAsync("image", "delete", "Win10POS")).With(ExitCodes.Usage);
        Assert.Equal("imgctl: Delete image Win10POS with 2 versions and all copies? Nobody is here to be asked.", asked.ErrorLines[0]);
        var deleted = (await Shell.ImgctlAsync("image", "delete", "Win10POS", "--yes", "--wait")).With(0);
        Assert.Equal("Win10POS: Deleted after N", MainJobTests.Normal(deleted.Lines[^1]));
        Assert.Empty((await Shell.ImgctlAsync("pod", "copies", "slow", "--state", "available", "-o", "name")).With(0).Out);
        (await Shell.ImgctlAsync("image", "delete", "Nowhere", "--yes")).With(ExitCodes.NotFound);
    }

    private async Task DrainAndDisconnectAsync()
    {
        Assert.Equal("Pod slow is Draining.", (await Shell.ImgctlAsync("pod", "drain", "slow", "--reason", "site closes")).With(0).Only);
        Assert.Contains("Disconnect pod slow?", (await Shell.ImgctlAsync("pod", "disconnect", "slow")).With(ExitCodes.Usage).Error, StringComparison.Ordinal);
        Assert.Equal("Pod slow is Disconnected.", (await Shell.ImgctlAsync("pod", "disconnect", "slow", "--yes")).With(0).Only);
        Assert.Contains("names no label", (await Shell.ImgctlAsync("pod", "label", "locked", "-")).With(ExitCodes.Usage).Error, StringComparison.Ordinal);
    }
}
