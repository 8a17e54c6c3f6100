namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: whatever is typed, the answer is a sentence, never a stack trace, and nothing was done.</summary>
public sealed class BadInputTests : IDisposable
{
    private readonly Shell shell = new();

    public void Dispose() => shell.Dispose();

    public static TheoryData<int, string, string[]> Bad => new()
    {
        { 2, "There is no command \"imgctl publsh\".", ["publsh", "Win10POS", "1.0"] },
        { 2, "imgctl publish cannot be run like this:", ["publish"] },
        { 2, "VERSION is missing.", ["publish", "Win10POS"] },
        { 2, "\"extra\" is not understood here.", ["publish", "Win10POS", "1.0", "extra"] },
        { 2, "\"--nonsense\" is not understood here.", ["publish", "Win10POS", "1.0", "--nonsense"] },
        { 2, "\"xml\" is no output format", ["pod", "list", "--output", "xml"] },
        { 2, "\"1\" is no output format", ["pod", "list", "-o", "1"] },
        { 2, "--output wants a value.", ["pod", "list", "--output"] },
        { 2, "\"happy\" is none of: connecting,", ["pod", "list", "--state", "happy"] },
        { 2, "--limit takes a number of rows", ["pod", "list", "--limit", "-5"] },
        { 2, "--limit takes a number of rows", ["pod", "list", "--limit", "99999999999999999999"] },
        { 2, "--timeout takes whole seconds", ["status", "--timeout", "0"] },
        { 2, "--label takes KEY=VALUE, not 'eu'.", ["publish", "Win10POS", "1.0", "--label", "eu"] },
        { 2, "--label cannot be used like this:", ["publish", "Win10POS", "1.0", "--label", "a=1,a=2,b"] },
        { 2, "--pods and --label both choose the pods.", ["publish", "Win10POS", "1.0", "--label", "a=1", "--pods", "p"] },
        { 2, "--datastore takes the full path of a folder", ["pod", "connect", "p", "--datastore", "relative/folder"] },
        { 2, "--url is no address of a server: 'nonsense'.", ["status", "--url", "nonsense"] },
        { 2, "--url is no address of a server", ["status", "--url", "http://user:secret@host/"] },
        { 2, "--url is no address of a server", ["status", "--url", "file:///etc/passwd"] },
        { 2, "--url and --context name two servers.", ["status", "--url", "http://127.0.0.1:1", "--context", "x"] },
        { 5, "There is no context 'x'", ["status", "--context", "x"] },
        { 5, "The token file /no/such/file does not exist.", ["status", "--url", "http://127.0.0.1:1", "--token-file", "/no/such/file"] },
        { 2, "holds no token.", ["status", "--url", "http://127.0.0.1:1", "--token-file", "/dev/null"] },
        { 2, "The certificate file /no/such/ca.pem cannot be used", ["status", "--url", "https://127.0.0.1:1", "--ca-file", "/no/such/ca.pem"] },
        { 3, "No server was found", ["status"] },
        { 3, "The server at http://127.0.0.1:1 does not answer: connection refused.", ["status", "--url", "http://127.0.0.1:1"] },
        { 3, "does not answer: the name is unknown.", ["status", "--url", "http://no-such-host.invalid"] },
        { 2, "/ is a folder.", ["upload", "/", "--pod", "p", "--url", "http://127.0.0.1:1"] },
        { 5, "no-such-disk.raw", ["upload", "no-such-disk.raw", "--pod", "p", "--url", "http://127.0.0.1:1"] },
        { 2, "/dev/null is empty or no ordinary file.", ["upload", "/dev/null", "--pod", "p", "--url", "http://127.0.0.1:1"] },
        { 2, "--expires takes 12h, 90d, a date", ["token", "create", "ci", "--role", "viewer", "--expires", "soon"] },
        { 2, "--role is missing.", ["token", "create", "ci"] },
        { 2, "Cancel operation x?", ["operation", "cancel", "x", "--url", "http://127.0.0.1:1"] },
        { 2, "--expires takes 12h, 90d, a date", ["token", "create", "ci", "--role", "viewer", "--expires", "1/2/2027"] },
        { 2, "--expires takes 12h, 90d, a date", ["token", "create", "ci", "--role", "viewer", "--expires", "9999-12-31"] },
        { 5, "/no/such/folder/ci.token", ["token", "create", "ci", "--role", "viewer", "--file", "/no/such/folder/ci.token", "--url", "http://127.0.0.1:1"] },
        { 2, "--pods names no pod.", ["publish", "Win10POS", "1.0", "--pods", "", "--url", "http://127.0.0.1:1"] },
        { 2, "--pods names no pod.", ["publish", "Win10POS", "1.0", "--pods", " , ", "--url", "http://127.0.0.1:1"] },
        { 2, "'..' is no name of a version.", ["version", "delete", "Win10POS", "..", "--yes", "--url", "http://127.0.0.1:1"] },
        { 2, "'.' is no name of an image.", ["image", "disable", ".", "--url", "http://127.0.0.1:1"] },
        { 2, "The name of the pod is empty.", ["pod", "drain", "", "--url", "http://127.0.0.1:1"] },
        { 2, "--token-file wants the path of a file", ["status", "--token-file", ""] },
        { 2, "--file wants the path of a file", ["support-bundle", "--file", ""] },
        { 2, "FILE wants the path of a file", ["upload", "", "--pod", "p"] },
        { 2, "--slots takes a whole number, not \"abc\".", ["pod", "connect", "p", "--slots", "abc"] },
        { 2, "--limit takes a number of rows", ["pod", "list", "--limit", "abc"] },
        { 2, "There is no completion for 'tcsh'.", ["completion", "tcsh"] },
        { 2, "'a b' is no name for a context.", ["context", "set", "a b", "--server", "http://127.0.0.1:1"] },
        { 2, "Context lab is new, so its server has to be named.", ["context", "set", "lab"] },
        { 2, "\"@/etc/passwd\" is not understood here.", ["publish", "a", "b", "@/etc/passwd"] },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public async Task Bad_input_ends_in_a_sentence(int code, string sentence, string[] args)
    {
        var ended = (await shell.ImgctlAsync(args)).With(code);
        Assert.Empty(ended.Out);
        Assert.StartsWith("imgctl: ", ended.ErrorLines[0], StringComparison.Ordinal);
        Assert.Contains(sentence, ended.ErrorLines[0], StringComparison.Ordinal);
        AssertNoTrace(ended);
    }

    [Fact]
    public async Task All_mistakes_of_a_command_line_are_told_at_once()
    {
        var ended = (await shell.ImgctlAsync("import", "--format")).With(2);
        Assert.Equal(
            [
                "imgctl: imgctl import cannot be run like this:",
                "  - --format wants a value.",
                "  - --pod is missing.",
                "  - --source is missing.",
                "  - IMAGE is missing.",
                "  hint: imgctl import --help shows how it is used.",
            ], ended.ErrorLines.Order(StringComparer.Ordinal).OrderBy(line => line.StartsWith("imgctl", StringComparison.Ordinal) ? 0 : line.StartsWith("  -", StringComparison.Ordinal) ? 1 : 2));
    }

    [Fact]
    public async Task A_word_that_is_nearly_right_is_suggested()
    {
        Assert.Contains("Did you mean publish?", (await shell.ImgctlAsync("publsh")).With(2).Error, StringComparison.Ordinal);
        Assert.Contains("Did you mean disconnect?", (await shell.ImgctlAsync("pod", "disconect", "x")).With(2).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_nobody_foresaw_is_one_sentence_that_says_where_to_report_it()
    {
        var problem = Failures.ToProblem(new InvalidOperationException("The moon is full."), null);
        Assert.Equal(ExitCodes.Failed, problem.ExitCode);
        Assert.Equal(
            [
                "imgctl: Something went wrong that nobody foresaw: The moon is full.",
                $"  hint: {Failures.ReportTo}",
                "  code: InvalidOperationException",
            ], problem.Lines());
    }

    [Fact]
    public async Task A_reader_that_has_seen_enough_is_no_error()
    {
        var ended = (await shell.RunAsync("/bin/bash", ["-c", $"set -o pipefail; '{Shell.Program}' completion bash | head -1"], "")).With(0);
        Assert.Equal("# imgctl completion for bash", ended.Only);
        Assert.Empty(ended.Error);
    }

    internal static void AssertNoTrace(Ended ended)
    {
        Assert.DoesNotContain("   at ", ended.Out + ended.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", ended.Out + ended.Error, StringComparison.Ordinal);
    }
}
