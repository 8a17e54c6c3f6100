using System.CommandLine;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>One run of one command: its values, its screen, and the server once it is needed.</summary>
internal sealed class Invocation
{
    private readonly ParseResult parsed;
    private readonly Globals globals;
    private readonly List<string> after = [];
    private readonly Lazy<Connection> connection;
    private readonly Lazy<ImageMgmtHttpClient> client;

    public Invocation(ParseResult parsed, Globals globals, Screen screen, Surroundings around)
    {
        (this.parsed, this.globals, Screen, Around) = (parsed, globals, screen, around);
        Paint = new Paint(screen.IsTerminal && !parsed.GetValue(globals.NoColor) && !around.WantsNoColour);
        connection = new(() => Connection.Choose(Choice, around));
        client = new(() => Wire.Client(Connection, TimeSpan.FromSeconds(parsed.GetValue(globals.Timeout)), screen.Time));
    }

    public Screen Screen { get; }

    public Surroundings Around { get; }

    public Paint Paint { get; }

    public OutputFormat Format => parsed.GetValue(globals.Output);

    public bool IsQuiet => parsed.GetValue(globals.Quiet);

    public ConnectionChoice Choice => new(parsed.GetValue(globals.Url), parsed.GetValue(globals.TokenFile), parsed.GetValue(globals.CaFile), parsed.GetValue(globals.Context));

    public Connection Connection => connection.Value;

    /// <summary>The address, once one was chosen; for messages.</summary>
    public Uri? KnownUrl => connection.IsValueCreated ? connection.Value.Url : null;

    public ImageMgmtHttpClient Client => client.Value;

    public Printer Printer => new(Screen, Format, Paint, IsQuiet);

    public T? Get<T>(Option<T> option) => parsed.GetValue(option);

    /// <summary>Whether it stands in the command, and not only its default counts.</summary>
    public bool IsGiven(Option option) => parsed.GetResult(option) is { Implicit: false };

    /// <summary>The value of an argument; one that may be left out has a type that can be null.</summary>
    public T Get<T>(Argument<T> argument) => parsed.GetValue(argument)!;

    /// <summary>Something a person should know that is not the result.</summary>
    public void Hint(string line)
    {
        if (!IsQuiet)
        {
            Screen.Error.WriteLine(Plain.Line(line));
        }
    }

    /// <summary>A hint that belongs under the result.</summary>
    public void HintAfter(string line) => after.Add(line);

    public void TellRest() => after.ForEach(Hint);

    /// <summary>Asks before something is taken away; where nobody can be asked, <c>--yes</c> has to be given.</summary>
    public async Task ConfirmAsync(string question, bool isConfirmed, CancellationToken stop)
    {
        if (isConfirmed)
        {
            return;
        }

        if (!Screen.CanAsk)
        {
            throw CliProblem.Usage($"{question} Nobody is here to be asked.", "Add --yes when you mean it.");
        }

        await Screen.Error.WriteAsync(Plain.Line($"{question} [y/N] "));
        await Screen.Error.FlushAsync(CancellationToken.None);

        // A console's reader hears nothing of Ctrl-C, so it is left behind.
        var answer = await Task.Run(Screen.In.ReadLine, CancellationToken.None).WaitAsync(stop);
        if (answer?.Trim().ToUpperInvariant() is not ("Y" or "YES"))
        {
            throw CliProblem.Usage("Nothing was changed.");
        }
    }
}
