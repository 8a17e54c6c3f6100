namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: the tab key works in real shells. PowerShell comes from the tool manifest: <c>dotnet tool restore</c>, which tests/run.sh does.</summary>
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
    public async Task PowerShell_completes_commands_options_values_and_quoted_words()
    {
        (await shell.ImgctlAsync("context", "set", "prod", "--server", "https://imgmt.example.com")).With(0);
        await WriteScriptAsync("pwsh");
        string[] typed = ["imgctl pod disc", "imgctl publish Win10POS 1.0 --wa", "imgctl pod list --state conn", "imgctl completion ", "imgctl 'pod' disc", "imgctl status --context pr"];
        var questions = string.Join('\n', typed.Select(line => $"(TabExpansion2 -inputScript '{line.Replace("'", "''", StringComparison.Ordinal)}' -cursorColumn {line.Length}).CompletionMatches.CompletionText -join ' '"));
        await File.WriteAllTextAsync(Path.Combine(shell.Home, "questions.ps1"), $"Get-Content -Raw {shell.Home}/completion | Invoke-Expression\n{questions}\n");

        // The tool is found from the source tree, with the package folder of whoever runs the tests.
        shell.Variables["HOME"] = Environment.GetEnvironmentVariable("HOME");
        shell.Variables["XDG_DATA_HOME"] = shell.Variables["XDG_CACHE_HOME"] = shell.Home;
        var ended = (await shell.RunAsync("bash", ["-c", $"cd '{Sources.Root}' && dotnet tool run pwsh -- -NoProfile -NonInteractive -File '{shell.Home}/questions.ps1'"], "")).With(0);
        Assert.Equal(["disconnect", "--wait", "connecting connected", "bash zsh fish pwsh", "disconnect", "prod"], ended.Lines);
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
