namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: what takes something away asks the person in front of the terminal, and nothing happens without a yes.</summary>
public sealed class AskingTests : IDisposable
{
    private readonly Shell shell = new();

    public void Dispose() => shell.Dispose();

    [Fact]
    public async Task On_a_terminal_there_is_a_question_and_only_yes_is_a_yes()
    {
        (await shell.ImgctlAsync("context", "set", "lab", "--server", "http://127.0.0.1:7481")).With(0);
        foreach (var answer in new[] { "\n", "n\n", "maybe\n" })
        {
            var refused = (await OnTerminalAsync(answer)).With(ExitCodes.Usage);
            Assert.Contains("Remove context lab (http://127.0.0.1:7481)? [y/N]", refused.Out, StringComparison.Ordinal);
            Assert.Contains("imgctl: Nothing was changed.", refused.Out, StringComparison.Ordinal);
        }

        Assert.Equal("context/lab", (await shell.ImgctlAsync("context", "list", "-o", "name")).With(0).Only);
        Assert.Contains("Context lab is removed.", (await OnTerminalAsync("y\n")).With(0).Out, StringComparison.Ordinal);
        Assert.Empty((await shell.ImgctlAsync("context", "list", "-o", "name")).With(0).Out);
    }

    [Fact]
    public async Task Colours_are_for_terminals_that_want_them()
    {
        (await shell.ImgctlAsync("context", "set", "lab", "--server", "http://127.0.0.1:7481")).With(0);
        const string Dim = "\e[2m";
        Assert.Contains(Dim, (await ListOnTerminalAsync("")).Out, StringComparison.Ordinal);
        Assert.DoesNotContain(Dim, (await ListOnTerminalAsync("--no-color")).Out, StringComparison.Ordinal);
        Assert.DoesNotContain(Dim, (await shell.ImgctlAsync("context", "list")).With(0).Out, StringComparison.Ordinal);
        shell.Variables["NO_COLOR"] = "1";
        Assert.DoesNotContain(Dim, (await ListOnTerminalAsync("")).Out, StringComparison.Ordinal);
    }

    /// <summary><c>script</c> gives the command a terminal of its own and ends with its exit code.</summary>
    private Task<Ended> OnTerminalAsync(string typed) => shell.RunAsync("script", ["-qfec", $"'{Shell.Program}' context remove lab", "/dev/null"], typed);

    private async Task<Ended> ListOnTerminalAsync(string option) => (await shell.RunAsync("script", ["-qfec", $"'{Shell.Program}' context list {option}", "/dev/null"], "")).With(0);
}
