using System.CommandLine;
using System.Text.RegularExpressions;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: help is complete: every command says what it does and shows an example that works.</summary>
public sealed partial class HelpTests
{
    private static readonly Screen Silent = new() { Out = TextWriter.Null, Error = TextWriter.Null, In = TextReader.Null };

    [Fact]
    public void Every_command_has_a_description_and_an_example_that_can_be_parsed()
    {
        var wiring = new Wiring(Silent, new Surroundings(_ => null));
        var root = Commands.Create(wiring, Silent);
        foreach (var command in All(root))
        {
            Assert.False(string.IsNullOrWhiteSpace(command.Description), command.Name);
            Assert.All(command.Options.Concat<Symbol>(command.Arguments), symbol => Assert.False(string.IsNullOrWhiteSpace(symbol.Description), $"{command.Name} {symbol.Name}"));
            Assert.NotEmpty(wiring.ExamplesOf(command));
            foreach (var example in wiring.ExamplesOf(command))
            {
                Assert.StartsWith("imgctl ", example, StringComparison.Ordinal);
                var line = Substitution().Replace(example, "substituted").Split([" | ", " > ", " < "], StringSplitOptions.None)[0];
                Assert.Empty(root.Parse(line["imgctl ".Length..]).Errors);
            }
        }
    }

    [Fact]
    public void Help_fits_the_width()
    {
        foreach (var width in new[] { 40, 80, 200 })
        {
            var output = new StringWriter();
            var screen = new Screen { Out = output, Error = TextWriter.Null, In = TextReader.Null, Width = () => width };
            var wiring = new Wiring(screen, new Surroundings(_ => null));
            var root = Commands.Create(wiring, screen);
            foreach (var command in All(root).Where(command => command is not RootCommand))
            {
                output.GetStringBuilder().Clear();
                new HelpWithExamples(wiring, screen).Write(command, output);
                var lines = output.ToString().Split('\n').TakeWhile(line => line != "Examples:").Where(line => line.StartsWith("      ", StringComparison.Ordinal));
                Assert.All(lines, line => Assert.True(line.Length <= Math.Max(width, 60), $"{width}: {line}"));
            }
        }
    }

    [Fact]
    public async Task The_exit_codes_are_in_the_help_and_in_the_README()
    {
        using var shell = new Shell();
        var help = (await shell.ImgctlAsync("--help")).With(0).Out;
        var readme = await File.ReadAllTextAsync(Path.Combine(Sources.Root, "src", "Orleans.ImageMgmt.Cli", "README.md"));
        foreach (var (code, meaning) in ExitCodes.All)
        {
            Assert.Contains($"  {code,-3}  {meaning}", help, StringComparison.Ordinal);
            Assert.Contains($"| {code} | {meaning} |", readme, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_noun_alone_shows_its_help_and_is_no_success()
    {
        using var shell = new Shell();
        var ended = (await shell.ImgctlAsync("pod")).With(2);
        Assert.Empty(ended.Out);
        Assert.Contains("imgctl pod COMMAND", ended.Error, StringComparison.Ordinal);
        Assert.Contains("disconnect", ended.Error, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"\$\([^)]*\)")]
    private static partial Regex Substitution();

    private static IEnumerable<Command> All(Command command) => command.Subcommands.SelectMany(All).Prepend(command);
}
