using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Host;

/// <summary>How log lines are written (section <c>Log</c>).</summary>
internal sealed class LogOptions
{
    /// <summary>Text for people, or one JSON object a line for collectors. Default: Text.</summary>
    public LogFormat Format { get; set; } = LogFormat.Text;

    /// <summary>Least severe lines of the service that are written. Default: Information.</summary>
    public LogLevel Level { get; set; } = LogLevel.Information;

    /// <summary>The same for Orleans, which says at Information what it is configured with. Default: Warning.</summary>
    public LogLevel OrleansLevel { get; set; } = LogLevel.Warning;

    /// <summary>The same for ASP.NET, which says at Information what every request does. Default: Warning.</summary>
    public LogLevel HttpLevel { get; set; } = LogLevel.Warning;

    /// <summary>The same for single categories by the beginning of their names, such as Log:Categories:Orleans.Runtime=Debug; the longest counts.
    /// Default: none.</summary>
    public Dictionary<string, LogLevel> Categories { get; set; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The newest lines that are kept in memory for the support bundle. Default: 2,000: some minutes of a service in trouble.</summary>
    public int KeptLines { get; set; } = 2_000;

    /// <summary>Every fault of these settings, in one sentence each; empty when they are good.</summary>
    public IReadOnlyList<string> Faults() => KeptLines is >= 0 and <= 100_000 ? [] : [$"{nameof(KeptLines)} is {KeptLines}; it must be from 0 to 100000."];
}

/// <summary>The form of log lines.</summary>
internal enum LogFormat
{
    Text,
    Json,
}
