using System.CommandLine;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Contexts: several servers, each under a name.</summary>
internal static class ContextCommands
{
    private const int NameLimit = 64;

    public static Command Create(Wiring wiring) => wiring.Group("context", "Servers that you work with, each under a name. On the server's own machine none is needed.",
        Set(wiring), List(wiring), Use(wiring), Show(wiring), Remove(wiring));

    private static Command Set(Wiring wiring)
    {
        var name = wiring.Names.Context(new Argument<string>("NAME") { Description = "The context's name, new or known." });
        var server = new Option<string?>("--server") { Description = "Address of the server.", HelpName = "URL" };
        var stdin = new Option<bool>("--token-stdin") { Description = "Read the token from standard input and keep it in the contexts' file." };
        var reference = new Option<string?>("--token-from") { Description = "Read the token from this file at every use, and keep only its path.", HelpName = "FILE" };
        var ca = new Option<string?>("--ca") { Description = "PEM file of the authority that signed the server's certificate.", HelpName = "FILE" };
        return wiring.Verb("set", "Adds a context, or changes one; what is not named stays. The first one becomes the current one.",
            [
                "imgctl context set prod --server https://imgmt.example.com --token-stdin < prod.token",
                "imgctl context set lab --server https://lab:7480 --ca lab-ca.pem --token-from ~/lab.token",
            ],
            (run, stop) =>
            {
                var file = ContextFile.Read(run.Around.ContextPath);
                var known = file.Contexts.GetValueOrDefault(CheckName(run.Get(name)));
                var url = run.Get(server) ?? run.Choice.Url ?? known?.Url ?? throw CliProblem.Usage($"Context {run.Get(name)} is new, so its server has to be named.", "Add --server URL.");
                var address = Connection.ParseUrl(url, "--server");
                if (run.Get(stdin) && run.Get(reference) is not null)
                {
                    throw CliProblem.Usage("--token-stdin and --token-from are two places for one token.", "Leave one of them out.");
                }

                if (run.Get(stdin) && run.Screen.CanAsk)
                {
                    run.Hint("Type or paste the token, then Enter:");
                }

                var token = run.Get(stdin) ? PrivateFile.TokenFrom(run.Screen.In, "Standard input") : null;
                var path = run.Get(reference) ?? run.Choice.TokenFile;
                var isNewPlace = known is not null && known.Url != address.GetLeftPart(UriPartial.Authority); // a token never moves to another server by itself
                var context = new ServerContext
                {
                    Url = address.GetLeftPart(UriPartial.Authority),
                    Token = token ?? (path is null && !isNewPlace ? known?.Token : null),
                    TokenFile = path is not null ? Path.GetFullPath(path) : token is null && !isNewPlace ? known?.TokenFile : null,
                    CaFile = (run.Get(ca) ?? run.Choice.CaFile) is { } pem ? Path.GetFullPath(pem) : known?.CaFile,
                };
                file.Contexts[run.Get(name)] = context;
                var current = file.Current ?? run.Get(name);
                (file with { Current = current }).Write(run.Around.ContextPath);
                run.Printer.Done(Open(run.Get(name), context, current), NameOf, $"Context {run.Get(name)} is {(known is null ? "added" : "changed")}{(current == run.Get(name) ? " and is the current one" : "")}.");
                if (context.Token is null && context.TokenFile is null)
                {
                    run.Hint($"It has no token yet; add one with: imgctl context set {run.Get(name)} --token-stdin");
                }

                return Task.FromResult(ExitCodes.Well);
            }, name, server, stdin, reference, ca);
    }

    private static Command List(Wiring wiring) => wiring.Verb("list", "Lists contexts.", ["imgctl context list"], (run, _) =>
    {
        var file = ContextFile.Read(run.Around.ContextPath);
        run.Printer.Many([.. file.Contexts.Select(context => Open(context.Key, context.Value, file.Current))], NameOf, rows =>
        {
            var table = new Table(new("CURRENT", 2), new("NAME", 0, 12), new("SERVER", 0, 16), new("TOKEN", 1, 10), new("CA", 3, 10));
            foreach (var context in rows)
            {
                table.Add(context.IsCurrent ? "*" : "", context.Name, context.Url, context.Token, context.CaFile);
            }

            return table;
        }, "There are no contexts; imgctl uses this machine's server. Add one with: imgctl context set NAME --server URL");
        return Task.FromResult(ExitCodes.Well);
    });

    private static Command Use(Wiring wiring)
    {
        var name = wiring.Names.Context(new Argument<string>("NAME") { Description = "The context to use from now on." });
        return wiring.Verb("use", "Makes a context the current one.", ["imgctl context use prod"], (run, _) =>
        {
            var (file, context) = Find(run, run.Get(name));
            (file with { Current = run.Get(name) }).Write(run.Around.ContextPath);
            run.Printer.Done(Open(run.Get(name), context, run.Get(name)), NameOf, $"Now using {run.Get(name)} at {context.Url}.");
            return Task.FromResult(ExitCodes.Well);
        }, name);
    }

    private static Command Show(Wiring wiring)
    {
        var name = wiring.Names.Context(new Argument<string?>("NAME") { Description = "Which; left out: what would be used now.", Arity = ArgumentArity.ZeroOrOne });
        return wiring.Verb("show", "Shows a context, or which server would be asked now and why. Never a token.", ["imgctl context show", "imgctl context show prod"], (run, _) =>
        {
            if (run.Get(name) is { } wanted)
            {
                var (file, context) = Find(run, wanted);
                run.Printer.One(Open(wanted, context, file.Current), NameOf, open =>
                    [("Name", open.Name), ("Server", open.Url), ("Token", open.Token), ("CA", open.CaFile), ("Current", open.IsCurrent ? "yes" : "no")]);
                return Task.FromResult(ExitCodes.Well);
            }

            var chosen = run.Connection;
            run.Printer.One(new { Url = chosen.Url.GetLeftPart(UriPartial.Authority), chosen.From, HasToken = chosen.Token is not null, chosen.CaFile }, _ => "context/chosen", found =>
                [("Server", found.Url), ("Because of", found.From), ("Token", found.HasToken ? "yes" : "none"), ("CA", found.CaFile)]);
            return Task.FromResult(ExitCodes.Well);
        }, name);
    }

    private static Command Remove(Wiring wiring)
    {
        var name = wiring.Names.Context(new Argument<string>("NAME") { Description = "The context to remove." });
        var yes = Asked.Yes();
        return wiring.Verb("remove", "Removes a context with its token. The server notices nothing.", ["imgctl context remove lab --yes"], async (run, stop) =>
        {
            var (file, context) = Find(run, run.Get(name));
            await run.ConfirmAsync($"Remove context {run.Get(name)} ({context.Url})?", run.Get(yes), stop);
            file.Contexts.Remove(run.Get(name));
            (file.Current == run.Get(name) ? file with { Current = null } : file).Write(run.Around.ContextPath);
            run.Printer.Done(Open(run.Get(name), context, null), NameOf, $"Context {run.Get(name)} is removed.");
            return ExitCodes.Well;
        }, name, yes);
    }

    private static (ContextFile File, ServerContext Context) Find(Invocation run, string name)
    {
        var file = ContextFile.Read(run.Around.ContextPath);
        return file.Contexts.TryGetValue(name, out var context) ? (file, context)
            : throw new CliProblem(ExitCodes.NotFound, $"There is no context '{name}'.", file.Contexts.Count == 0 ? "Make one with: imgctl context set NAME --server URL" : $"There are: {string.Join(", ", file.Contexts.Keys)}.");
    }

    private static string CheckName(string name) => name.Length is > 0 and <= NameLimit && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.')
        ? name
        : throw CliProblem.Usage($"'{Plain.Line(name)}' is no name for a context.", $"1 to {NameLimit} letters, digits, '_', '-' or '.'.");

    private static string NameOf(OpenContext context) => $"context/{context.Name}";

    private static OpenContext Open(string name, ServerContext context, string? current) =>
        new(name, context.Url, context.Token is not null ? "kept here" : context.TokenFile ?? "none", context.CaFile, name == current);

    /// <summary>A context as it may be shown.</summary>
    private sealed record OpenContext(string Name, string Url, string Token, string? CaFile, bool IsCurrent);
}
