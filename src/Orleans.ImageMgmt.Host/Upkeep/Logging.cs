using System.Collections.Concurrent;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Orleans.ImageMgmt.Host;

/// <summary>Where log lines go: to standard error, as text or JSON with UTC times, and the newest into memory.</summary>
internal static class Logging
{
    private const string UtcFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";

    /// <summary>Categories of Orleans that say at Warning, at every start, how this process is built and that the machine was busy: an operator cannot act on it.</summary>
    private static readonly string[] StartNotes = ["Orleans.Runtime.Silo", "Orleans.Runtime.Watchdog"];

    public static void AddImgmt(this ILoggingBuilder log, HostSettings settings)
    {
        var options = settings.Log;
        log.SetMinimumLevel(options.Level);
        log.AddFilter("Orleans", options.OrleansLevel);
        foreach (var category in StartNotes)
        {
            log.AddFilter(category, options.OrleansLevel == LogLevel.Warning ? LogLevel.Error : options.OrleansLevel);
        }

        log.AddFilter("Orleans.ImageMgmt", options.Level);
        log.AddFilter("Microsoft", options.HttpLevel);
        foreach (var (category, level) in options.Categories)
        {
            log.AddFilter(category, level);
        }

        log.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        if (options.Format == LogFormat.Json)
        {
            log.AddJsonConsole(format => (format.UseUtcTimestamp, format.TimestampFormat) = (true, UtcFormat.TrimEnd()));
        }
        else
        {
            log.AddSimpleConsole(format => (format.SingleLine, format.UseUtcTimestamp, format.TimestampFormat, format.ColorBehavior) = (true, true, UtcFormat, LoggerColorBehavior.Disabled));
        }

        log.Services.AddSingleton<ConsoleFormatter>(services =>
            new ScrubbedConsole(services, options.Format == LogFormat.Json ? ConsoleFormatterNames.Json : ConsoleFormatterNames.Simple));
        log.Services.Configure<ConsoleLoggerOptions>(console => console.FormatterName = ScrubbedConsole.FormatterName);
        log.Services.AddSingleton<ILoggerProvider>(_ => new RecentLinesProvider(settings.RecentLines, options.KeptLines));
    }
}

/// <summary>The newest log lines, without anything that looks like a secret.</summary>
internal sealed partial class RecentLines
{
    /// <summary>Characters of one line; the rest of a longer one is cut.</summary>
    private const int LineLimit = 4_096;

    private readonly ConcurrentQueue<string> lines = new();

    public IReadOnlyList<string> Snapshot() => [.. lines];

    public void Add(string line, int kept)
    {
        var clean = Scrub(line); // first: a secret that is cut in half is not known any more
        lines.Enqueue(clean.Length > LineLimit ? clean[..LineLimit] : clean);
        while (lines.Count > kept && lines.TryDequeue(out _))
        {
        }
    }

    /// <summary>Takes out tokens of this service wherever they stand, bearer tokens, and the values of what is called password, secret, token or key.</summary>
    internal static string Scrub(string text) => Assignment().Replace(Bearer().Replace(Secrets.Scrub(text), "$1" + EffectiveOption.Hidden), "$1" + EffectiveOption.Hidden);

    [GeneratedRegex(@"(?i)(\bBearer\s+)[A-Za-z0-9._~+/=-]+")]
    private static partial Regex Bearer();

    [GeneratedRegex("(?i)(\"?[A-Za-z0-9_.:-]*(?:password|passwd|secret|token|api-?key|private-?key)\"?\\s*[=:]\\s*)(\"[^\"]*\"|'[^']*'|[^\\s,;&}]+)")]
    private static partial Regex Assignment();
}

internal sealed class RecentLinesProvider(RecentLines lines, int kept) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) => new Line(lines, kept, categoryName);

    public void Dispose()
    {
    }

    private sealed class Line(RecentLines lines, int kept, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => kept > 0 && logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                var at = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
                lines.Add($"{at} {logLevel} {category}[{eventId.Id}] {formatter(state, exception)}{(exception is null ? "" : $" {exception.GetType().Name}: {exception.Message}")}", kept);
            }
        }
    }
}
