using System.Globalization;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Where a command writes, reads and how wide it may be: the process's own console, or a test's.</summary>
internal sealed class Screen
{
    public required TextWriter Out { get; init; }

    public required TextWriter Error { get; init; }

    public required TextReader In { get; init; }

    /// <summary>Results go to a person, who wants bars and colours.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>A person can be asked.</summary>
    public bool CanAsk { get; init; }

    /// <summary>Messages go to a person.</summary>
    public bool IsErrorTerminal { get; init; }

    /// <summary>Columns; without a terminal there is no edge to fit.</summary>
    public Func<int> Width { get; init; } = () => int.MaxValue;

    public Func<int> Height { get; init; } = () => int.MaxValue;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    public static Screen OfProcess()
    {
        var isDumb = Environment.GetEnvironmentVariable("TERM") is "dumb";
        var isTerminal = !Console.IsOutputRedirected && !isDumb;
        return new Screen
        {
            Out = Console.Out,
            Error = Console.Error,
            In = Console.In,
            IsTerminal = isTerminal,
            IsErrorTerminal = !Console.IsErrorRedirected && !isDumb,
            CanAsk = !Console.IsInputRedirected && !Console.IsErrorRedirected,
            Width = () => Columns() ?? (isTerminal ? Size(() => Console.WindowWidth, 80) : int.MaxValue),
            Height = () => isTerminal ? Size(() => Console.WindowHeight, 24) : int.MaxValue,
        };
    }

    private static int? Columns() =>
        int.TryParse(Environment.GetEnvironmentVariable("COLUMNS"), NumberStyles.None, CultureInfo.InvariantCulture, out var columns) && columns > 0 ? columns : null;

    /// <summary>A pseudo terminal may have no size.</summary>
    private static int Size(Func<int> ask, int otherwise)
    {
        try
        {
            return ask() is var size and > 0 ? size : otherwise;
        }
        catch (IOException)
        {
            return otherwise;
        }
    }
}
