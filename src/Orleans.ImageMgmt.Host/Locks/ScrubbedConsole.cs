using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Orleans.ImageMgmt.Host;

/// <summary>Writes lines as another formatter does, with every token in them made unreadable: somebody may put one into an address, and ASP.NET logs addresses.</summary>
/// <param name="services">Knows the other formatter, which is not there yet while this one is made.</param>
/// <param name="inner">The other one's name.</param>
internal sealed class ScrubbedConsole(IServiceProvider services, string inner) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "scrubbed";

    private readonly Lazy<ConsoleFormatter> formatter = new(() => services.GetServices<ConsoleFormatter>().First(f => f.Name == inner));

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        using var line = new StringWriter();
        formatter.Value.Write(logEntry, scopeProvider, line);
        textWriter.Write(Secrets.Scrub(line.ToString()));
    }
}
