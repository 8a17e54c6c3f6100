using System.CommandLine;
using System.CommandLine.Parsing;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Makes commands, and remembers the examples that their help shows.</summary>
internal sealed class Wiring(Screen screen, Surroundings around)
{
    private readonly Dictionary<Command, string[]> examples = [];

    public Globals Globals { get; } = new();

    public Names Names { get; } = new();

    /// <summary>The last invocation, for the message about what ended it.</summary>
    public Invocation? Running { get; private set; }

    public Command Verb(string name, string description, string[] shown, Func<Invocation, CancellationToken, Task<int>> run, params Symbol[] symbols)
    {
        var command = new Command(name, description);
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Argument argument:
                    argument.Validators.Add(result => RefuseEmptyPath(result, argument.Name, argument.Name));
                    command.Add(argument);
                    break;
                case Option option:
                    option.Validators.Add(result => RefuseEmptyPath(result, option.Name, option.HelpName));
                    command.Add(option);
                    break;
                case Command child:
                    command.Add(child);
                    break;
                default:
                    throw new NotSupportedException(symbol.GetType().Name);
            }
        }

        command.SetAction(async (parsed, stop) =>
        {
            Running = Invoke(parsed);
            var code = await run(Running, stop);
            Running.TellRest();
            return code;
        });
        examples[command] = shown;
        return command;
    }

    /// <summary>An empty path is a variable that was never set, and no file system says so in a sentence.</summary>
    public static void RefuseEmptyPath(SymbolResult result, string name, string? kind)
    {
        if (kind is "FILE" or "FOLDER" && result.Tokens.Any(token => token.Value.Length == 0))
        {
            result.AddError($"{name} wants the path of a {kind.ToLowerInvariant()}, not an empty text.");
        }
    }

    /// <summary>A noun: its help is what it does itself.</summary>
    public Command Group(string name, string description, params Command[] children)
    {
        var command = new Command(name, description);
        foreach (var child in children)
        {
            command.Add(child);
        }

        examples[command] = [.. children.SelectMany(child => ExamplesOf(child).Take(1))];
        return command;
    }

    public void Show(Command command, params string[] shown) => examples[command] = shown;

    public IReadOnlyList<string> ExamplesOf(Command command) => examples.GetValueOrDefault(command) ?? [];

    public Invocation Invoke(ParseResult parsed) => new(parsed, Globals, screen, around);
}
