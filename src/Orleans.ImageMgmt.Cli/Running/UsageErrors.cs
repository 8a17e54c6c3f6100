using System.CommandLine;

namespace Orleans.ImageMgmt.Cli;

/// <summary>A command line that cannot be used: every fault, the nearest word, and where help is.</summary>
internal static class UsageErrors
{
    /// <summary>Words that differ by more letters were not meant.</summary>
    private const int Nearest = 2;

    public static CliProblem Of(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var path = PathOf(parsed);
        var messages = parsed.Errors.Select(error => error.Message).Where(message => !message.StartsWith("Required command", StringComparison.Ordinal))
            .Select(message => Reworded(message.Replace("'", "\"", StringComparison.Ordinal))).Distinct().ToList();
        if (command.Subcommands.Count > 0 && command.Action is null && parsed.UnmatchedTokens is [var stray, ..])
        {
            var nearest = command.Subcommands.Where(child => !child.Hidden).Select(child => child.Name).Where(name => Distance(name, stray) <= Nearest || name.StartsWith(stray, StringComparison.Ordinal))
                .OrderBy(name => Distance(name, stray)).ToList();
            return CliProblem.Usage($"There is no command \"{path} {stray}\".", nearest.Count > 0 ? $"Did you mean {string.Join(" or ", nearest)}?" : $"{path} --help lists the commands.");
        }

        var hint = $"{path} --help shows how it is used.";
        return messages is [var only] ? CliProblem.Usage(only, hint) : new CliProblem(ExitCodes.Usage, $"{path} cannot be run like this:", hint) { Faults = messages };
    }

    /// <summary>The parser speaks of arguments and commands; a person wants to know what is missing.</summary>
    private static string Reworded(string message) => message.Split('"') switch
    {
        ["Required argument ", var argument, ..] => $"{argument} is missing.",
        ["Option ", var option, " is required."] => $"{option} is missing.",
        ["Required argument missing for option: ", var option, ..] => $"{option} wants a value.",
        ["Cannot parse argument ", var given, " for option ", var option, ..] => $"{option} takes a whole number, not \"{given}\".",
        ["Unrecognized command or argument ", var word, ..] => $"\"{word}\" is not understood here.",
        _ => message,
    };

    public static string PathOf(ParseResult parsed)
    {
        var names = new List<string>();
        for (System.CommandLine.Parsing.SymbolResult? at = parsed.CommandResult; at is not null; at = at.Parent)
        {
            if (at is System.CommandLine.Parsing.CommandResult { Command: var command })
            {
                names.Insert(0, command is RootCommand ? "imgctl" : command.Name);
            }
        }

        return string.Join(' ', names);
    }

    /// <summary>Letters to add, take away or change (Levenshtein's distance).</summary>
    internal static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
            }
        }

        return row[^1];
    }
}
