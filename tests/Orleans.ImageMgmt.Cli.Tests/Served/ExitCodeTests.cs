using System.Text.Json;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: each exit code is reached for its reason, so that a script can build on it.</summary>
public sealed class ExitCodeTests(Estate estate) : IClassFixture<Estate>
{
    private Shell Shell => estate.Shell;

    [Fact]
    public async Task Each_exit_code_has_its_reason()
    {
        await estate.ConnectHeadOfficeAsync();
        await estate.ConnectAsync("branch-1");
        await estate.ConnectAsync("locked", "--set", "fault-plan=receive:refuse:cause=denied:times=999");
        (await Shell.ImgctlAsync("import", "Win10POS", "1.0", "--pod", "head-office", "--source", "win10pos.raw", "--wait")).With(ExitCodes.Well);

        await FailedAsync();
        await NotAllowedAsync();
        await NotFoundAsync();
        await RefusedAsync();
        await PartlyAsync();
    }

    private async Task FailedAsync()
    {
        var failed = (await Shell.ImgctlAsync("publish", "Win10POS", "1.0", "--pods", "locked", "--wait")).With(ExitCodes.Failed);
        Assert.Equal("Win10POS 1.0: publish Failed after N", MainJobTests.Normal(failed.Lines[^1]));
        Assert.Contains("locked: receive.denied:", failed.Error, StringComparison.Ordinal);
        BadInputTests.AssertNoTrace(failed);
    }

    private async Task NotAllowedAsync()
    {
        var made = (await Shell.ImgctlAsync("token", "create", "wallboard", "--role", "viewer", "--expires", "1h")).With(ExitCodes.Well);
        Shell.Variables["IMGCTL_TOKEN"] = made.Only;
        (await Shell.ImgctlAsync("pod", "list")).With(ExitCodes.Well);
        var forbidden = (await Shell.ImgctlAsync("publish", "Win10POS", "1.0")).With(ExitCodes.NotAllowed);
        Assert.StartsWith("imgctl: ", forbidden.Error, StringComparison.Ordinal);
        Assert.Contains("  code: ", forbidden.Error, StringComparison.Ordinal);
        Shell.Variables["IMGCTL_TOKEN"] = "imgmt_nonsense";
        (await Shell.ImgctlAsync("pod", "list")).With(ExitCodes.NotAllowed);
        Shell.Variables["IMGCTL_TOKEN"] = null;
        (await Shell.ImgctlAsync("token", "revoke", "wallboard", "--yes")).With(ExitCodes.Well);
        Shell.Variables["IMGCTL_TOKEN"] = made.Only;
        (await Shell.ImgctlAsync("pod", "list")).With(ExitCodes.NotAllowed);
        Shell.Variables["IMGCTL_TOKEN"] = null;
    }

    private async Task NotFoundAsync()
    {
        string[][] unknown = [["image", "show", "Nowhere"], ["version", "show", "Win10POS", "9.9"], ["pod", "show", "nowhere"], ["operation", "show", "nowhere"], ["watch", "nowhere"], ["publish", "Nowhere", "1.0"]];
        foreach (var args in unknown)
        {
            var ended = (await Shell.ImgctlAsync(args)).With(ExitCodes.NotFound);
            Assert.Empty(ended.Out);
            Assert.StartsWith("imgctl: ", ended.ErrorLines[0], StringComparison.Ordinal);
            BadInputTests.AssertNoTrace(ended);
        }
    }

    private async Task RefusedAsync()
    {
        var again = (await Shell.ImgctlAsync("import", "Win10POS", "1.0", "--pod", "head-office", "--source", "other.raw")).With(ExitCodes.Refused);
        Assert.Contains("  code: ", again.Error, StringComparison.Ordinal);
        var nobody = (await Shell.ImgctlAsync("publish", "Win10POS", "1.0", "--pods", "head-office")).With(ExitCodes.Refused);
        Assert.Contains("  code: publish.no-targets", nobody.Error, StringComparison.Ordinal);
    }

    private async Task PartlyAsync()
    {
        var partly = (await Shell.ImgctlAsync("publish", "Win10POS", "1.0", "--wait", "-o", "json")).With(ExitCodes.PartiallySucceeded);
        var operation = JsonSerializer.Deserialize<OperationResource>(partly.Out, ImageMgmtJson.Options)!;
        Assert.Equal((OperationState.PartiallySucceeded, 1, 1), (operation.State, operation.Targets!.Available, operation.Targets.Failed));
        Assert.Contains("branch-1: Available", partly.Error, StringComparison.Ordinal); // progress goes beside the result
        Assert.Contains($"imgctl operation retry {operation.Id} --wait", partly.Error, StringComparison.Ordinal);
        (await Shell.ImgctlAsync("watch", operation.Id, "--quiet")).With(ExitCodes.PartiallySucceeded);
    }

    [Fact]
    public async Task All_faults_of_a_request_are_listed()
    {
        var ended = (await Shell.ImgctlAsync("import", "no good name", "also bad", "--pod", "x y", "--source", "s", "--sha256", "abc", "--format", "floppy")).With(ExitCodes.Usage);
        Assert.True(ended.ErrorLines.Count(line => line.StartsWith("  - ", StringComparison.Ordinal)) >= 3, ended.Error);
        BadInputTests.AssertNoTrace(ended);
    }
}
