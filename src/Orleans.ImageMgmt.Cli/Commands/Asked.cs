using System.CommandLine;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Options that several commands take, made anew for each, and how their values are read.</summary>
internal static class Asked
{
    /// <summary>Rows of a list that are fetched when the command line says nothing.</summary>
    private const int DefaultRows = 1_000;

    private const int MostRows = 100_000;

    public static Option<bool> Wait() => new("--wait", "-w") { Description = "Watch until it has ended; the exit code tells how." };

    public static Option<string?> Reason() => new("--reason") { Description = "Why, for the activity log.", HelpName = "TEXT" };

    public static Option<bool> Yes() => new("--yes", "-y") { Description = "Do not ask." };

    public static Option<string?> OperationId() => new("--operation")
    {
        Description = "Id for the operation: letters, digits, _ and -. The same id again is the same operation, so that a pipeline may repeat itself.",
        HelpName = "ID",
    };

    public static Option<int> Limit(int otherwise = DefaultRows)
    {
        var option = new Option<int>("--limit") { Description = $"Most rows to show, 1 to {MostRows}. [{otherwise}]", HelpName = "ROWS", DefaultValueFactory = _ => otherwise };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && (!int.TryParse(result.Tokens[^1].Value, out var rows) || rows is < 1 or > MostRows))
            {
                result.AddError($"--limit takes a number of rows, 1 to {MostRows}, not '{result.Tokens[^1].Value}'.");
            }
        });
        return option;
    }

    public static Option<string[]> Labels(string name, string description) => new(name, "-l") { Description = description, HelpName = "KEY=VALUE" };

    /// <summary>An option whose value is a word of the wire, such as a state.</summary>
    public static Option<T?> Word<T>(string name, string description, params string[] aliases)
        where T : struct, Enum
    {
        var words = Enum.GetNames<T>().Select(word => char.ToLowerInvariant(word[0]) + word[1..]).ToArray();
        var option = new Option<T?>(name, aliases)
        {
            Description = description,
            HelpName = name.TrimStart('-').ToUpperInvariant(),
            CustomParser = result =>
            {
                var given = result.Tokens[^1].Value.Replace("-", "", StringComparison.Ordinal);
                if (given.Length > 0 && char.IsLetter(given[0]) && Enum.TryParse<T>(given, ignoreCase: true, out var value) && Enum.IsDefined(value))
                {
                    return value;
                }

                result.AddError($"'{result.Tokens[^1].Value}' is none of: {string.Join(", ", words)}.");
                return null;
            },
        };
        option.CompletionSources.Clear();
        option.CompletionSources.Add(words);
        return option;
    }

    /// <summary><c>a=b,c=d</c> and repeated options become pairs; all mistakes at once.</summary>
    public static Dictionary<string, string> Pairs(IEnumerable<string>? given, string option, bool splitsAtComma = true)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        var faults = new List<string>();
        foreach (var text in (given ?? []).SelectMany(text => splitsAtComma ? text.Split(',') : [text]))
        {
            var parts = text.Split('=', 2);
            if (parts.Length < 2 || parts[0].Length == 0)
            {
                faults.Add($"{option} takes KEY=VALUE, not '{text}'.");
            }
            else if (!pairs.TryAdd(parts[0], parts[1]))
            {
                faults.Add($"{option} names '{parts[0]}' twice.");
            }
        }

        return faults switch
        {
            [] => pairs,
            [var only] => throw CliProblem.Usage(only),
            _ => throw new CliProblem(ExitCodes.Usage, $"{option} cannot be used like this:") { Faults = faults },
        };
    }

    /// <summary>The first rows of a list, and a word when there are more.</summary>
    public static async Task<IReadOnlyList<T>> FirstAsync<T>(this IAsyncEnumerable<T> rows, int limit, Invocation run, CancellationToken stop)
    {
        var first = new List<T>();
        await foreach (var row in rows.WithCancellation(stop))
        {
            if (first.Count == limit)
            {
                run.HintAfter($"There are more than {limit}; --limit shows more of them.");
                break;
            }

            first.Add(row);
        }

        return first;
    }
}
