using System.CommandLine;
using System.CommandLine.Completions;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>One candidate with what it is.</summary>
internal readonly record struct Suggestion(string Text, string About = "");

/// <summary>What could stand at the end of a command line. Names come from the server, which gets little time; trouble of any kind means no names.</summary>
internal sealed class Suggestions(Wiring wiring, RootCommand root)
{
    /// <summary>Names that are offered; nobody reads more.</summary>
    private const int NameLimit = 500;

    /// <param name="before">The complete words after <c>imgctl</c>.</param>
    /// <param name="word">The word that is being typed; may be empty.</param>
    public async Task<IReadOnlyList<Suggestion>> AtAsync(IReadOnlyList<string> before, string word)
    {
        var parsed = root.Parse(before, new ParserConfiguration { ResponseFileTokenReplacer = null });
        var command = parsed.CommandResult.Command;
        var options = Options(command).ToList();
        IReadOnlyList<Suggestion> found;
        if (before.Count > 0 && options.Find(option => IsNamed(option, before[^1])) is { } open && open.ValueType != typeof(bool))
        {
            found = await ValuesAsync(open, open.CompletionSources, parsed, word);
        }
        else if (word.StartsWith('-'))
        {
            found = [.. options.Where(option => Takes(option, parsed)).Select(option => new Suggestion(option.Name, option.Description ?? "")), new("--help", "Show help.")];
        }
        else
        {
            var children = parsed.UnmatchedTokens.Count == 0 && command.Subcommands.Count > 0 ? command.Subcommands.Where(child => !child.Hidden).Select(child => new Suggestion(child.Name, child.Description ?? "")) : [];
            var argument = command.Arguments.FirstOrDefault(argument => parsed.GetResult(argument) is not { Tokens.Count: > 0 } || argument.Arity.MaximumNumberOfValues > 1);
            found = [.. children, .. argument is null ? [] : await ValuesAsync(argument, argument.CompletionSources, parsed, word)];
        }

        return [.. found.Where(suggestion => suggestion.Text.StartsWith(word, StringComparison.Ordinal)).DistinctBy(suggestion => suggestion.Text).Take(NameLimit)];
    }

    /// <summary>The options of a command and of every command.</summary>
    private IEnumerable<Option> Options(Command command) => command.Options.Where(option => !option.Hidden && option is not System.CommandLine.Help.HelpOption)
        .Concat(wiring.Globals.All).Distinct();

    private static bool IsNamed(Option option, string word) => option.Name == word || option.Aliases.Contains(word);

    /// <summary>An option that was given is not offered again, unless it takes several values.</summary>
    private static bool Takes(Option option, ParseResult parsed) => option.Arity.MaximumNumberOfValues > 1 || parsed.GetResult(option) is null or { Implicit: true };

    private async Task<IReadOnlyList<Suggestion>> ValuesAsync(Symbol symbol, List<Func<CompletionContext, IEnumerable<CompletionItem>>> sources, ParseResult parsed, string word)
    {
        if (wiring.Names.SourceOf(symbol) is not null || wiring.Names.TakesContext(symbol))
        {
            // After a comma another name of a list begins.
            var comma = symbol is Option { ValueType.IsArray: true } ? word.LastIndexOf(',') + 1 : 0;
            var names = await NamesAsync(symbol, parsed, word[comma..]);
            return [.. names.Select(name => new Suggestion(word[..comma] + name))];
        }

        return [.. sources.SelectMany(source => source(CompletionContext.Empty)).Select(item => new Suggestion(item.InsertText ?? item.Label, item.Detail ?? ""))];
    }

    private async Task<IReadOnlyList<string>> NamesAsync(Symbol symbol, ParseResult parsed, string prefix)
    {
        var names = new List<string>();
        try
        {
            var run = wiring.Invoke(parsed);
            if (wiring.Names.TakesContext(symbol))
            {
                return [.. ContextFile.Read(run.Around.ContextPath).Contexts.Keys];
            }

            using var limit = new CancellationTokenSource(run.Around.CompletionPatience, run.Screen.Time);
            var client = Wire.Client(run.Connection, run.Around.CompletionPatience, run.Screen.Time);
            await foreach (var name in wiring.Names.SourceOf(symbol)!(parsed, client, limit.Token).WithCancellation(limit.Token))
            {
                if (name.StartsWith(prefix, StringComparison.Ordinal))
                {
                    names.Add(Plain.Line(name));
                }

                if (names.Count == NameLimit)
                {
                    break;
                }
            }
        }
        catch (Exception trouble) when (trouble is CliProblem or ProblemException or HttpRequestException or OperationCanceledException or IOException or TimeoutException or InvalidOperationException)
        {
            // A key was pressed, nothing was asked for: what is known is enough.
        }

        return names;
    }
}
