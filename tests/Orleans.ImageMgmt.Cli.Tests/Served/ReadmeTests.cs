using System.Text.RegularExpressions;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: what README prints under "Use it" is what a reader gets. Its commands are run as they stand, in one shell, against the real server on
/// its default address (in a network of the test's own, so that nobody else has that port), and its output is found in the real one.</summary>
public sealed partial class ReadmeTests
{
    private const string Mark = "=#=#= ";

    [Fact]
    public async Task The_commands_of_README_print_what_README_shows()
    {
        var steps = Steps();
        Assert.True(steps.Count > 15, $"README shows {steps.Count} commands only");
        using var shell = new Shell();
        shell.Variables["IMGMT_DATA"] = null;
        shell.Variables["TERM"] = "dumb";
        shell.Variables["PATH"] = $"{AppContext.BaseDirectory}:{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin";
        var script = Path.Combine(shell.Home, "session.sh");
        await File.WriteAllTextAsync(script, Script(steps), TestContext.Current.CancellationToken);

        var ended = await shell.RunAsync("unshare", ["--net", "--map-root-user", "bash", script], "");

        Assert.True(ended.Code == 0, $"exit code {ended.Code}\n{ended.Out}\n{ended.Error}");
        var printed = ended.Out.Split(Mark, StringSplitOptions.None)[1..];
        Assert.Equal(steps.Count, printed.Length);
        for (var i = 0; i < steps.Count; i++)
        {
            var lines = printed[i].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Normal).ToList();
            Assert.True(lines[0] == "0", $"`{steps[i].Command}` ended with exit code {lines[0]}\n{printed[i]}\n{ended.Error}");
            foreach (var shown in steps[i].Shown)
            {
                Assert.True(lines.Remove(Normal(shown)), $"`{steps[i].Command}` did not print `{shown}` but\n{printed[i]}");
            }
        }
    }

    /// <summary>The commands in order, each behind its mark and with its exit code; the server is started before and stopped after them.</summary>
    private static string Script(IReadOnlyList<Step> steps) => $$"""
        ip link set lo up || exit 90
        : > server.out
        imgmt serve >> server.out 2> server.err & server=$!
        grep -q -m1 '^imgmt is ready' < <(tail -n +1 -f --pid="$server" server.out) || { cat server.err; exit 91; }
        {{string.Join('\n', steps.Select(step => $"out=$({{ {step.Command}\n}} 2>&1); code=$?; {Kept(step.Command)}printf '%s%s\\n%s\\n' '{Mark}' \"$code\" \"$out\""))}}
        kill "$server" && wait "$server"
        exit 0
        """;

    /// <summary>A variable that a command sets has to be there for the next ones: a substitution's shell forgets it.</summary>
    private static string Kept(string command) => Assignment().IsMatch(command) ? $"{command}; " : "";

    private static List<Step> Steps()
    {
        var section = File.ReadAllText(Path.Combine(Sources.Root, "README.md")).Split("\n## Use it\n")[1].Split("\n## ")[0];
        List<Step> steps = [];
        foreach (Match block in Console().Matches(section))
        {
            foreach (var line in block.Groups["lines"].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                if (line.StartsWith("$ ", StringComparison.Ordinal))
                {
                    steps.Add(new Step(line[2..], []));
                }
                else
                {
                    steps[^1].Shown.Add(line);
                }
            }
        }

        return steps;
    }

    /// <summary>What differs from run to run, and the blanks of a table, made equal.</summary>
    private static string Normal(string line)
    {
        var text = Hex().Replace(line, "DIGEST");
        text = Moment().Replace(text, "MOMENT");
        text = Size().Replace(text, "SIZE");
        text = Span().Replace(text, "SPAN");
        return Blanks().Replace(text, " ").Trim();
    }

    private sealed record Step(string Command, List<string> Shown);

    [GeneratedRegex("```console\n(?<lines>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Console();

    [GeneratedRegex("^[A-Z]+=")]
    private static partial Regex Assignment();

    [GeneratedRegex("[0-9a-f]{64}")]
    private static partial Regex Hex();

    [GeneratedRegex(@"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")]
    private static partial Regex Moment();

    [GeneratedRegex(@"\d+(\.\d+)? (B|KiB|MiB|GiB)\b")]
    private static partial Regex Size();

    [GeneratedRegex(@"\b(\d+:\d\d|\d+s)\b")]
    private static partial Regex Span();

    [GeneratedRegex(@" {2,}")]
    private static partial Regex Blanks();
}
