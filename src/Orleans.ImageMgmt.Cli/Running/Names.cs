using System.CommandLine;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Asks for names of one kind that could stand at some place of the command line. The parse result holds the words before it.</summary>
internal delegate IAsyncEnumerable<string> NameSource(ParseResult parsed, ImageMgmtHttpClient client, CancellationToken cancellationToken);

/// <summary>Which arguments and options take names that the server or the contexts know. Only shell completion uses it.</summary>
internal sealed class Names
{
    private readonly Dictionary<Symbol, NameSource> sources = [];
    private readonly HashSet<Symbol> contexts = [];

    public NameSource? SourceOf(Symbol symbol) => sources.GetValueOrDefault(symbol);

    public bool TakesContext(Symbol symbol) => contexts.Contains(symbol);

    public T Context<T>(T symbol)
        where T : Symbol
    {
        contexts.Add(symbol);
        return symbol;
    }

    public Argument<string> Image(string description = "The image's name.") => With(new Argument<string>("IMAGE") { Description = description },
        (_, client, stop) => client.AllImagesAsync(null, stop).Select(image => image.Name));

    public Argument<string> Version(Argument<string> image) => With(new Argument<string>("VERSION") { Description = "The version's name, such as 1.0." },
        (parsed, client, stop) => parsed.GetValue(image) is { } name ? client.AllVersionsAsync(name, null, stop).Select(version => version.Version) : None());

    public Argument<string> Pod() => With(new Argument<string>("POD") { Description = "The pod's name." }, Pods);

    public Argument<string> Operation() => With(new Argument<string>("OPERATION") { Description = "The operation's id." },
        (_, client, stop) => client.AllOperationsAsync(null, stop).Select(operation => operation.Id));

    public Argument<string> Token() => With(new Argument<string>("TOKEN") { Description = "The token's name." }, (_, client, stop) => client.AllTokensAsync(stop).Select(token => token.Name));

    public Option<T> Pods<T>(Option<T> option) => With(option, Pods);

    public Option<T> Images<T>(Option<T> option) => With(option, (_, client, stop) => client.AllImagesAsync(null, stop).Select(image => image.Name));

    public Option<T> Sources<T>(Option<T> option, Option<string> pod) => With(option,
        (parsed, client, stop) => parsed.GetValue(pod) is { } name ? client.AllSourcesAsync(name, stop).Select(source => source.Path) : None());

    private static IAsyncEnumerable<string> Pods(ParseResult parsed, ImageMgmtHttpClient client, CancellationToken stop) => client.AllPodsAsync(null, stop).Select(pod => pod.Name);

    private static IAsyncEnumerable<string> None() => AsyncEnumerable.Empty<string>();

    private T With<T>(T symbol, NameSource source)
        where T : Symbol
    {
        sources[symbol] = source;
        return symbol;
    }
}
