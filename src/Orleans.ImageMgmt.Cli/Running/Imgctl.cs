using System.CommandLine;
using System.CommandLine.Invocation;

namespace Orleans.ImageMgmt.Cli;

/// <summary>The program: parse, run, and say how it ended.</summary>
internal static class Imgctl
{
    public static string Version { get; } = typeof(Imgctl).Assembly.GetName().Version is { } version ? $"{version.Major}.{version.Minor}.{version.Build}" : "0.0.0";

    public static async Task<int> RunAsync(string[] args, Screen screen, Surroundings around, Interrupts interrupts)
    {
        using (interrupts)
        {
            var wiring = new Wiring(screen, around);
            var root = Commands.Create(wiring, screen);
            var verbose = args.Contains("--verbose");
            try
            {
                return args is [CompletionCommand.Hidden, ..]
                    ? await CompletionCommand.AnswerAsync(wiring, root, args[1..], screen)
                    : await InvokeAsync(root, args, screen, wiring, interrupts.Token);
            }
            catch (IOException broken) when (IsBrokenPipe(broken))
            {
                return ExitCodes.Well; // whoever read our output has seen enough
            }
            catch (Exception exception)
            {
                return Fail(Failures.ToProblem(exception, wiring.Running?.KnownUrl), screen, verbose);
            }
        }
    }

    private static async Task<int> InvokeAsync(RootCommand root, string[] args, Screen screen, Wiring wiring, CancellationToken stop)
    {
        var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        var configuration = new InvocationConfiguration
        {
            Output = screen.Out,
            Error = screen.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null, // Ctrl-C is ours
        };
        if (parsed.Action is HelpWithExamples)
        {
            return await parsed.InvokeAsync(configuration, stop);
        }

        var command = parsed.CommandResult.Command;
        if (parsed.Action is null or ParseErrorAction && command.Action is null && parsed.UnmatchedTokens.Count == 0)
        {
            new HelpWithExamples(wiring, screen).Write(command, screen.Error);
            return ExitCodes.Usage;
        }

        return parsed.Errors.Count > 0 ? Fail(UsageErrors.Of(parsed), screen, verbose: false) : await parsed.InvokeAsync(configuration, stop);
    }

    private static int Fail(CliProblem problem, Screen screen, bool verbose)
    {
        foreach (var line in problem.Lines())
        {
            screen.Error.WriteLine(line);
        }

        if (verbose)
        {
            if (problem.TraceId is { } trace)
            {
                screen.Error.WriteLine($"  trace: {Plain.Line(trace)}");
            }

            for (var cause = problem.InnerException; cause is not null; cause = cause.InnerException)
            {
                screen.Error.WriteLine($"  behind it: {cause.GetType().Name}: {Plain.Line(cause.Message)}");
            }

            if (problem.Hint == Failures.ReportTo)
            {
                screen.Error.WriteLine(problem.InnerException?.StackTrace);
            }
        }

        return problem.ExitCode;
    }

    private static bool IsBrokenPipe(IOException exception) => exception.HResult == 32 || exception.Message.Contains("Broken pipe", StringComparison.Ordinal);
}
