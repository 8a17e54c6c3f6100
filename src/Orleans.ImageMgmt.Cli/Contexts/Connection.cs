using System.Text.Json;

namespace Orleans.ImageMgmt.Cli;

/// <summary>What the command line says about the server.</summary>
internal sealed record ConnectionChoice(string? Url, string? TokenFile, string? CaFile, string? Context);

/// <summary>Where the server is and who asks.</summary>
/// <param name="Url">The server's address.</param>
/// <param name="Token">The token; null: none was found, and the server will say so.</param>
/// <param name="CaFile">Authority of the server's certificate.</param>
/// <param name="From">Where this comes from, for messages.</param>
/// <param name="EndpointFile">The local server's own file: asked again when the server has moved to another port.</param>
internal sealed record Connection(Uri Url, string? Token, string? CaFile, string From, string? EndpointFile = null)
{
    /// <summary>
    /// Chooses the server: <c>--url</c>, <c>--context</c>, <c>IMGCTL_URL</c>, <c>IMGCTL_CONTEXT</c>, the current context, the server of this machine.
    /// A token belongs to the place it stands beside: <c>--token-file</c> and <c>IMGCTL_TOKEN</c> go to whatever was chosen; the token of a context or of
    /// this machine's server is never sent to another address.
    /// </summary>
    public static Connection Choose(ConnectionChoice choice, Surroundings around)
    {
        if (choice is { Url: not null, Context: not null })
        {
            throw CliProblem.Usage("--url and --context name two servers.", "Leave one of them out.");
        }

        var token = choice.TokenFile is { } file ? PrivateFile.ReadToken(file) : around.Token;
        if (choice.Url is not null)
        {
            return At(choice.Url, "--url", token, choice.CaFile, around);
        }

        if (choice.Context is not null)
        {
            return Of(choice.Context, token, choice.CaFile, around);
        }

        if (around.Url is not null)
        {
            return At(around.Url, "IMGCTL_URL", token, choice.CaFile, around);
        }

        return (around.Context ?? ContextFile.Read(around.ContextPath).Current) is { } current
            ? Of(current, token, choice.CaFile, around)
            : OfThisMachine(token, choice.CaFile, around);
    }

    public static Uri ParseUrl(string url, string whose) =>
        Uri.TryCreate(url, UriKind.Absolute, out var parsed) && parsed.Scheme is "http" or "https" && parsed.UserInfo.Length == 0 && parsed.Query.Length == 0 && parsed.AbsolutePath == "/"
            ? parsed
            : throw CliProblem.Usage($"{whose} is no address of a server: '{Plain.Line(url)}'.", "It looks like http://127.0.0.1:7480 or https://imgmt.example.com: no path, no user.");

    /// <summary>The address that the local server wrote last; null: none.</summary>
    public static Uri? ReadEndpoint(string path) => ReadEndpointFile(path)?.Url is { } url && Uri.TryCreate(url, UriKind.Absolute, out var parsed) ? parsed : null;

    private static Connection At(string url, string whose, string? token, string? caFile, Surroundings around)
    {
        var parsed = ParseUrl(url, whose);
        if (token is null && LocalOrNull(around) is { } local && local.Url == parsed)
        {
            return local with { From = whose, CaFile = caFile ?? local.CaFile, EndpointFile = null };
        }

        return new Connection(parsed, token, caFile, whose);
    }

    private static Connection Of(string name, string? token, string? caFile, Surroundings around)
    {
        var contexts = ContextFile.Read(around.ContextPath).Contexts;
        if (!contexts.TryGetValue(name, out var context))
        {
            throw new CliProblem(ExitCodes.NotFound, $"There is no context '{name}' in {around.ContextPath}.",
                contexts.Count == 0 ? "Make one with: imgctl context set NAME --server URL" : $"There are: {string.Join(", ", contexts.Keys)}.");
        }

        var own = token ?? context.Token ?? (context.TokenFile is { } file ? PrivateFile.ReadToken(file) : null);
        return new Connection(ParseUrl(context.Url, $"The url of context {name}"), own, caFile ?? context.CaFile, $"context {name}");
    }

    private static Connection OfThisMachine(string? token, string? caFile, Surroundings around)
    {
        var path = Path.Combine(around.DataFolder, "endpoint.json");
        if (ReadEndpointFile(path) is not { Url: { } url } endpoint)
        {
            throw new CliProblem(ExitCodes.NotReachable, $"No server was found: none is named, and none has been started on this machine with the data folder {around.DataFolder}.",
                "Start one with: imgmt serve. Or name one with --url, or with: imgctl context set NAME --server URL");
        }

        return new Connection(ParseUrl(url, $"The url in {path}"), token ?? PrivateFile.ReadToken(Path.Combine(around.DataFolder, "administrator.token")),
            caFile ?? endpoint.CaFile, "this machine's server", path);
    }

    private static Connection? LocalOrNull(Surroundings around)
    {
        try
        {
            return OfThisMachine(null, null, around);
        }
        catch (CliProblem)
        {
            return null;
        }
    }

    private static EndpointFileContent? ReadEndpointFile(string path)
    {
        try
        {
            return File.Exists(path) ? JsonSerializer.Deserialize<EndpointFileContent>(File.ReadAllBytes(path), JsonSerializerOptions.Web) : null;
        }
        catch (Exception problem) when (problem is IOException or JsonException)
        {
            return null; // being replaced by a server that starts
        }
        catch (UnauthorizedAccessException problem)
        {
            throw new CliProblem(ExitCodes.NotAllowed, $"The server of this machine belongs to another user: {path} cannot be read.",
                "Run imgctl as that user, or use --url with a token of your own.", inner: problem);
        }
    }

    private sealed record EndpointFileContent(string? Url, string? CaFile);
}
