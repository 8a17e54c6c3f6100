namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: which server is asked, and with whose token, is what the documents say; tokens stay where they belong.</summary>
public sealed class ContextTests : IDisposable
{
    private readonly Shell shell = new();

    public void Dispose() => shell.Dispose();

    [Fact]
    public async Task Contexts_are_set_listed_used_and_removed()
    {
        (await shell.ImgctlWithInputAsync("secret-of-prod\n", "context", "set", "prod", "--server", "https://imgmt.example.com", "--token-stdin")).With(0);
        var lab = (await shell.ImgctlAsync("context", "set", "lab", "--server", "http://127.0.0.1:7481")).With(0);
        Assert.Equal("Context lab is added.", lab.Only);
        Assert.Contains("It has no token yet", lab.Error, StringComparison.Ordinal);

        var list = (await shell.ImgctlAsync("context", "list")).With(0);
        Assert.Equal(["CURRENT  NAME  SERVER                     TOKEN", "         lab   http://127.0.0.1:7481      none", "*        prod  https://imgmt.example.com  kept here"], list.Lines);

        (await shell.ImgctlAsync("context", "use", "lab")).With(0);
        Assert.Contains("context lab", (await shell.ImgctlAsync("context", "show")).With(0).Out, StringComparison.Ordinal);
        Assert.Equal(["context/lab", "context/prod"], (await shell.ImgctlAsync("context", "list", "-o", "name")).With(0).Lines);

        Assert.Contains("--yes", (await shell.ImgctlAsync("context", "remove", "lab")).With(2).Error, StringComparison.Ordinal);
        (await shell.ImgctlAsync("context", "remove", "lab", "--yes")).With(0);
        Assert.Contains("There is no context 'lab'", (await shell.ImgctlAsync("context", "use", "lab")).With(5).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_file_is_for_its_owner_alone_and_no_output_holds_a_token()
    {
        (await shell.ImgctlWithInputAsync("secret-of-prod\n", "context", "set", "prod", "--server", "https://imgmt.example.com", "--token-stdin")).With(0);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(shell.ContextPath));
        Assert.Contains("secret-of-prod", await File.ReadAllTextAsync(shell.ContextPath), StringComparison.Ordinal);
        string[][] looks = [["context", "list"], ["context", "list", "-o", "json"], ["context", "show"], ["context", "show", "prod", "-o", "yaml"], ["status", "--verbose", "--timeout", "1"]];
        foreach (var args in looks)
        {
            var ended = await shell.ImgctlAsync(args);
            Assert.DoesNotContain("secret-of-prod", ended.Out + ended.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_file_that_others_can_read_is_not_used()
    {
        (await shell.ImgctlAsync("context", "set", "prod", "--server", "https://imgmt.example.com")).With(0);
        File.SetUnixFileMode(shell.ContextPath, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        var ended = (await shell.ImgctlAsync("status")).With(2);
        Assert.Equal($"imgctl: The file {shell.ContextPath} may hold tokens and can be read or changed by other users.", ended.ErrorLines[0]);
        Assert.Equal($"  hint: chmod 600 {shell.ContextPath}", ended.ErrorLines[1]);
    }

    [Theory]
    [InlineData("{", "cannot be read: line 1")]
    [InlineData("null", "is empty")]
    [InlineData("{\"servers\": {}}", "cannot be read: line 1")]
    [InlineData("{\"contexts\": {\"a\": {}}}", "cannot be read: line 1")]
    [InlineData("{\"contexts\": {\"a\": null}}", "says nothing of context 'a'")]
    public async Task A_damaged_file_is_told_in_a_sentence(string content, string sentence)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(shell.ContextPath)!);
        await File.WriteAllTextAsync(shell.ContextPath, content);
        File.SetUnixFileMode(shell.ContextPath, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var ended = (await shell.ImgctlAsync("context", "list")).With(2);
        Assert.Contains(sentence, ended.ErrorLines[0], StringComparison.Ordinal);
        BadInputTests.AssertNoTrace(ended);
    }

    [Fact]
    public async Task A_token_does_not_move_with_a_context_to_another_server()
    {
        (await shell.ImgctlWithInputAsync("secret-of-prod\n", "context", "set", "prod", "--server", "https://imgmt.example.com", "--token-stdin")).With(0);
        (await shell.ImgctlAsync("context", "set", "prod", "--server", "https://elsewhere.example.com")).With(0);
        Assert.DoesNotContain("secret-of-prod", await File.ReadAllTextAsync(shell.ContextPath), StringComparison.Ordinal);
    }

    [Fact]
    public void The_server_is_chosen_by_option_then_environment_then_context_then_machine()
    {
        Directory.CreateDirectory(Path.Combine(shell.Home, "data"));
        File.WriteAllText(Path.Combine(shell.Home, "data", "endpoint.json"), """{"url": "http://127.0.0.1:7999", "processId": 1}""");
        File.WriteAllText(Path.Combine(shell.Home, "data", "administrator.token"), "token-of-machine\n");
        AssertChosen(new(null, null, null, null), "http://127.0.0.1:7999/", "token-of-machine", "this machine's server");

        var file = new ContextFile { Current = "prod" };
        file.Contexts["prod"] = new ServerContext { Url = "https://prod.example.com", Token = "token-of-prod" };
        file.Contexts["lab"] = new ServerContext { Url = "https://lab.example.com", Token = "token-of-lab" };
        file.Write(shell.ContextPath);
        AssertChosen(new(null, null, null, null), "https://prod.example.com/", "token-of-prod", "context prod");
        AssertChosen(new(null, null, null, "lab"), "https://lab.example.com/", "token-of-lab", "context lab");

        shell.Variables["IMGCTL_CONTEXT"] = "lab";
        AssertChosen(new(null, null, null, null), "https://lab.example.com/", "token-of-lab", "context lab");
        shell.Variables["IMGCTL_URL"] = "https://env.example.com";
        AssertChosen(new(null, null, null, null), "https://env.example.com/", null, "IMGCTL_URL");
        AssertChosen(new(null, null, null, "prod"), "https://prod.example.com/", "token-of-prod", "context prod");
        shell.Variables["IMGCTL_TOKEN"] = "token-of-env";
        AssertChosen(new("https://option.example.com", null, null, null), "https://option.example.com/", "token-of-env", "--url");

        var own = Path.Combine(shell.Home, "own.token");
        File.WriteAllText(own, "token-of-file\n");
        AssertChosen(new("https://option.example.com", own, null, null), "https://option.example.com/", "token-of-file", "--url");
        shell.Variables["IMGCTL_TOKEN"] = null;
        AssertChosen(new("https://option.example.com", null, null, null), "https://option.example.com/", null, "--url");
        AssertChosen(new("http://127.0.0.1:7999", null, null, null), "http://127.0.0.1:7999/", "token-of-machine", "--url");
    }

    private void AssertChosen(ConnectionChoice choice, string url, string? token, string from)
    {
        var chosen = Connection.Choose(choice, new Surroundings(shell.Variables.GetValueOrDefault));
        Assert.Equal((url, token, from), (chosen.Url.ToString(), chosen.Token, chosen.From));
    }
}
