using System.CommandLine;

namespace Orleans.ImageMgmt.Cli;

/// <summary>How results are written.</summary>
internal enum OutputFormat
{
    Table,
    Json,
    Yaml,
    Name,
}

/// <summary>Options that every command takes.</summary>
internal sealed class Globals
{
    /// <summary>Seconds that an answer may take. Default: 100.</summary>
    private const int DefaultTimeout = 100;

    private const int TimeoutLimit = 3600;

    public Option<string?> Url { get; } = new("--url") { Description = "Address of the server, such as https://imgmt.example.com.", HelpName = "URL", Recursive = true };

    public Option<string?> TokenFile { get; } = new("--token-file") { Description = "File whose first line is the token.", HelpName = "FILE", Recursive = true };

    public Option<string?> CaFile { get; } = new("--ca-file") { Description = "PEM file of the authority that signed the server's certificate.", HelpName = "FILE", Recursive = true };

    public Option<string?> Context { get; } = new("--context", "-c") { Description = "Use this context; see imgctl context.", HelpName = "NAME", Recursive = true };

    public Option<OutputFormat> Output { get; } = new("--output", "-o")
    {
        Description = "table for people, json or yaml (the API's records) for programs, name for KIND/NAME, one per line. [table]",
        HelpName = "table|json|yaml|name",
        Recursive = true,
    };

    public Option<bool> NoColor { get; } = new("--no-color") { Description = "No colours; NO_COLOR in the environment does the same.", Recursive = true };

    public Option<bool> Quiet { get; } = new("--quiet", "-q") { Description = "Print only what was asked for: no progress, no hints.", Recursive = true };

    public Option<bool> Verbose { get; } = new("--verbose") { Description = "Show what is behind an error.", Recursive = true };

    public Option<int> Timeout { get; } = new("--timeout")
    {
        Description = "Seconds to wait for each answer of the server, 1 to 3600. [100]",
        HelpName = "SECONDS",
        Recursive = true,
        DefaultValueFactory = _ => DefaultTimeout,
    };

    public Globals()
    {
        Output.CustomParser = result =>
        {
            var word = result.Tokens[^1].Value;
            if (Enum.TryParse<OutputFormat>(word, ignoreCase: true, out var format) && Enum.IsDefined(format) && !char.IsDigit(word[0]))
            {
                return format;
            }

            result.AddError($"'{word}' is no output format: table, json, yaml or name.");
            return default;
        };
        Timeout.Validators.Add(result =>
        {
            if (result.Errors.Any() || result.Tokens.Count == 0)
            {
                return;
            }

            if (!int.TryParse(result.Tokens[^1].Value, out var seconds) || seconds is < 1 or > TimeoutLimit)
            {
                result.AddError($"--timeout takes whole seconds, 1 to {TimeoutLimit}, not '{result.Tokens[^1].Value}'.");
            }
        });
        foreach (var file in new[] { TokenFile, CaFile })
        {
            file.Validators.Add(result => Wiring.RefuseEmptyPath(result, file.Name, file.HelpName));
        }

        Output.CompletionSources.Clear();
        Output.CompletionSources.Add("table", "json", "yaml", "name");
    }

    public IEnumerable<Option> All => [Output, Context, Url, TokenFile, CaFile, Timeout, Quiet, NoColor, Verbose];
}
