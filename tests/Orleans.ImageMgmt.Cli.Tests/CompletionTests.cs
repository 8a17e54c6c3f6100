namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: the tab key works in real shells. PowerShell's script is only looked at: it is not to be had on the test machines.</summary>
public sealed class CompletionTests : IDisposable
{
    private readonly Shell shell = new();

    public CompletionTests() => shell.Variables["PATH"] = $"{AppContext.BaseDirectory}:{Environment.GetEnvironmentVariable("PATH")}";

    public void Dispose() => shell.Dispose();

    [Fact]
    public async Task Bash_completes_commands_options_and_values()
    {
        Assert.Equal(["disconnect"], await InBashAsync("pod", "disc"));
        Assert.Equal(["--wait"], await InBashAsync("publish", "Win10POS", "1.0", "--wa"));
        Assert.Equal(["connecting", "connected"], await InBashAsync("pod", "list", "--state", "conn"));
        Assert.Equal(["bash", "zsh", "fish", "pwsh"], await InBashAsync("completion", ""));
        Assert.Equal(["json"], await InBashAsync("pod", "list", "-o", "j"));
    }

    [Fact]
    public async Task Fish_completes_with_descriptions()
    {
        await WriteScriptAsync("fish");
        var ended = (await shell.RunAsync("fish", ["--no-config", "-c", "source ./completion; complete -C 'imgctl pod dis'"], "")).With(0);
        Assert.Equal("disconnect\tEnds the work with a pod. Its record stays; connect brings it back.", ended.Only);
    }

    [Fact]
    public async Task Zsh_completes_on_a_terminal()
    {
        await WriteScriptAsync("zsh");
        const string Keys = "autoload -Uz compinit; compinit -u -D; source ./completion\nimgctl pod disc\t\x01print -r -- completed: \nexit\n";
        var ended = await shell.RunAsync("script", ["-qfec", "zsh -f -i", "/dev/null"], Keys);
        Assert.Contains("completed: imgctl pod disconnect", ended.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PowerShell_gets_a_script_that_asks_the_same_question()
    {
        var script = (await shell.ImgctlAsync("completion", "pwsh")).With(0).Out;
        Assert.Contains("Register-ArgumentCompleter -Native -CommandName imgctl", script, StringComparison.Ordinal);
        Assert.Contains("__complete", script, StringComparison.Ordinal);
        Assert.Equal(script.Count(c => c == '{'), script.Count(c => c == '}'));
        Assert.Equal(script.Count(c => c == '('), script.Count(c => c == ')'));
    }

    [Fact]
    public async Task Without_a_server_there_are_no_names_and_no_complaints()
    {
        string[][] questions = [["publish", ""], ["publish", "Win10POS", ""], ["pod", "show", ""], ["watch", ""], ["import", "x", "1.0", "--pod", ""], ["--context", "x", "pod", "show", ""], ["nonsense", ""], ["--url", "nonsense", "pod", "show", ""]];
        foreach (var words in questions)
        {
            var ended = (await shell.ImgctlAsync(["__complete", .. words])).With(0);
            Assert.Empty(ended.Out);
            Assert.Empty(ended.Error);
        }
    }

    [Fact]
    public async Task Contexts_are_completed_from_their_file()
    {
        (await shell.ImgctlAsync("context", "set", "prod", "--server", "https://imgmt.example.com")).With(0);
        (await shell.ImgctlAsync("context", "set", "pre-prod", "--server", "https://pre.example.com")).With(0);
        Assert.Equal(["pre-prod", "prod"], await InBashAsync("context", "use", "p"));
        Assert.Equal(["prod"], await InBashAsync("status", "--context", "pro"));
    }

    [Fact]
    public async Task What_was_given_is_not_offered_again()
    {
        var offered = (await shell.ImgctlAsync("__complete", "publish", "Win10POS", "1.0", "--wait", "--")).With(0).Lines.Select(line => line.Split('\t')[0]).ToList();
        Assert.DoesNotContain("--wait", offered);
        Assert.Contains("--label", offered);
        Assert.Contains("--output", offered);
    }

    /// <summary>What bash's completion function answers for these words behind <c>imgctl</c>.</summary>
    private async Task<string[]> InBashAsync(params string[] words)
    {
        await WriteScriptAsync("bash");
        var quoted = string.Join(' ', words.Prepend("imgctl").Select(word => $"'{word}'"));
        var ended = (await shell.RunAsync("bash", ["--norc", "-c", $"source ./completion; COMP_WORDS=({quoted}); COMP_CWORD={words.Length}; _imgctl; printf '%s\\n' \"${{COMPREPLY[@]}}\""], "")).With(0);
        Assert.Empty(ended.Error);
        return ended.Lines;
    }

    private async Task WriteScriptAsync(string name) =>
        await File.WriteAllTextAsync(Path.Combine(shell.Home, "completion"), (await shell.ImgctlAsync("completion", name)).With(0).Out);
}
