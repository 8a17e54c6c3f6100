using System.CommandLine;
using System.CommandLine.Invocation;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Help of a command: what it does, how it is called, its options apart from those of every command, examples; for the program also its exit codes.</summary>
internal sealed class HelpWithExamples(Wiring wiring, Screen screen) : SynchronousCommandLineAction
{
    private const int WidestFirst = 34;
    private const int WidestText = 100;

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        Write(parseResult.CommandResult.Command, screen.Out);
        return ExitCodes.Well;
    }

    public void Write(Command command, TextWriter output)
    {
        foreach (var line in Lines(command, Math.Clamp(screen.Width(), 40, WidestText)))
        {
            output.WriteLine(line);
        }
    }

    private IEnumerable<string> Lines(Command command, int width)
    {
        foreach (var line in Wrap(command.Description ?? "", width))
        {
            yield return line;
        }

        yield return "";
        yield return "Usage:";
        yield return $"  {UsageOf(command)}";
        var sections = new (string Title, IEnumerable<(string First, string Second)> Rows)[]
        {
            ("Commands", command.Subcommands.Where(child => !child.Hidden).Select(child => (child.Name, FirstSentence(child.Description)))),
            ("Arguments", command.Arguments.Where(argument => !argument.Hidden).Select(argument => (argument.Name, argument.Description ?? ""))),
            ("Options", command.Options.Where(option => !option.Hidden && !option.Recursive && command is not RootCommand).Select(Row)),
            ("Options", command is RootCommand ? wiring.Globals.All.Select(Row).Append(("-h, --help", "Show this.")).Append(("--version", "Show the version of imgctl.")) : []),
            ("Exit codes", command is RootCommand ? ExitCodes.All.Select(code => (code.Code.ToString(System.Globalization.CultureInfo.InvariantCulture), code.Meaning)) : []),
        };
        foreach (var line in sections.SelectMany(section => Section(section.Title, [.. section.Rows], width)))
        {
            yield return line;
        }

        if (command is not RootCommand)
        {
            yield return "";
            foreach (var line in Wrap($"As for every command: {string.Join(", ", wiring.Globals.All.Select(option => Row(option).First))}; imgctl --help tells what they do.", width))
            {
                yield return line;
            }
        }

        if (wiring.ExamplesOf(command) is { Count: > 0 } examples)
        {
            yield return "";
            yield return "Examples:";
            foreach (var example in examples)
            {
                yield return $"  {example}";
            }
        }

        if (command.Subcommands.Any(child => !child.Hidden))
        {
            yield return "";
            yield return $"{PathOf(command)} COMMAND --help tells more.";
        }
    }

    private static IEnumerable<string> Section(string title, List<(string First, string Second)> rows, int width)
    {
        if (rows.Count == 0)
        {
            yield break;
        }

        yield return "";
        yield return $"{title}:";
        var first = Math.Min(WidestFirst, rows.Max(row => row.First.Length));
        foreach (var (left, right) in rows)
        {
            var lines = Wrap(right, Math.Max(16, width - first - 4)).ToList();
            var isLong = left.Length > first;
            if (isLong)
            {
                yield return $"  {left}";
            }

            for (var i = 0; i < lines.Count; i++)
            {
                yield return $"  {(i == 0 && !isLong ? left : "").PadRight(first)}  {lines[i]}".TrimEnd();
            }
        }
    }

    private static (string First, string Second) Row(Option option)
    {
        var names = string.Join(", ", option.Aliases.Append(option.Name).OrderBy(name => name.Length));
        var value = option.ValueType == typeof(bool) ? "" : $" {option.HelpName ?? option.Name.TrimStart('-').ToUpperInvariant()}";
        return (names + value, (option.Description ?? "") + (option.Required ? " Required." : ""));
    }

    private static string FirstSentence(string? text) => text?.Split(". ", 2)[0].TrimEnd('.') + ".";

    private static string UsageOf(Command command)
    {
        var words = new List<string> { PathOf(command) };
        words.AddRange(command.Arguments.Where(argument => !argument.Hidden).Select(argument => argument.Arity.MinimumNumberOfValues == 0 ? $"[{argument.Name}]" : argument.Name));
        words.AddRange(command.Options.Where(option => option.Required).Select(option => $"{option.Name} {option.HelpName ?? "VALUE"}"));
        words.Add(command.Subcommands.Count > 0 ? (command.Action is null ? "COMMAND" : "[COMMAND]") : "[options]");
        return string.Join(' ', words);
    }

    private static string PathOf(Command command)
    {
        var words = new List<string>();
        for (var at = command; at is not null; at = at.Parents.OfType<Command>().FirstOrDefault())
        {
            words.Insert(0, at is RootCommand ? "imgctl" : at.Name);
        }

        return string.Join(' ', words);
    }

    private static IEnumerable<string> Wrap(string text, int width)
    {
        var line = "";
        foreach (var word in text.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line;
                line = "";
            }

            line = line.Length == 0 ? word : $"{line} {word}";
        }

        yield return line;
    }
}
