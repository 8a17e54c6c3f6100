using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>What <c>--wait</c> and <c>imgctl watch</c> do: show an operation until it ends, and end with its exit code.</summary>
internal static class Waiting
{
    /// <summary>After an operation was accepted: watch it, or say how.</summary>
    public static async Task<int> FollowAsync(Invocation run, OperationResource accepted, string sentence, bool wait, CancellationToken stop)
    {
        if (wait)
        {
            return await WatchAsync(run, accepted.Id, stop, accepted);
        }

        if (!run.Printer.Structured(accepted, [NameOf(accepted)]))
        {
            if (run.IsQuiet)
            {
                await run.Screen.Out.WriteLineAsync(accepted.Id);
                return ExitCodes.Well;
            }

            await run.Screen.Out.WriteLineAsync(Plain.Line(sentence));
            run.Hint($"Watch it with: imgctl watch {accepted.Id}");
        }

        return ExitCodes.Well;
    }

    /// <param name="run">The invocation.</param>
    /// <param name="id">The operation.</param>
    /// <param name="stop">Ctrl-C.</param>
    /// <param name="accepted">The operation as it was accepted: a server that goes away right after that is waited for. Null: it has to answer once.</param>
    public static async Task<int> WatchAsync(Invocation run, string id, CancellationToken stop, OperationResource? accepted = null)
    {
        try
        {
            var last = await ShowAsync(run, id, accepted, stop) ?? throw new InvalidOperationException($"Operation {id} was never seen.");
            return Tell(run, last);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            throw new CliProblem(ExitCodes.Interrupted, "Stopped watching; the operation goes on.", $"Watch it again with: imgctl watch {id}");
        }
    }

    public static string NameOf(OperationResource operation) => $"operation/{operation.Id}";

    private static async Task<Picture?> ShowAsync(Invocation run, string id, OperationResource? accepted, CancellationToken stop)
    {
        var isForPeople = run.Format == OutputFormat.Table;
        var isLive = isForPeople && run.Screen.IsTerminal && !run.IsQuiet;
        var pictures = new Watcher(run.Client, run.Screen.Time).WatchAsync(id, accepted, everyChange: !isLive, stop);
        if (isLive)
        {
            return await LiveProgress.ShowAsync(pictures, run.Screen, run.Paint);
        }

        // Where the result is for a program, progress goes beside it.
        var output = isForPeople ? run.Screen.Out : run.Screen.Error;
        var lines = new LineProgress(run.IsQuiet ? _ => { } : line =>
        {
            output.WriteLine(line);
            output.Flush();
        });
        Picture? last = null;
        await foreach (var picture in pictures)
        {
            lines.Update(picture);
            last = picture;
        }

        return last;
    }

    private static int Tell(Invocation run, Picture last)
    {
        var isStructured = run.Printer.Structured(last.Operation, [NameOf(last.Operation)]);
        if (!isStructured && !run.IsQuiet)
        {
            var summary = Plain.Line(last.Summary());
            run.Screen.Out.WriteLine(last.ExitCode == ExitCodes.Well ? summary : run.Paint.Bad(summary));
        }

        if (last.ExitCode != ExitCodes.Well)
        {
            foreach (var failure in last.Failures())
            {
                run.Screen.Error.WriteLine($"  {Plain.Line(failure)}");
            }

            if (last.Operation.State is OperationState.Failed or OperationState.PartiallySucceeded && last.Operation.Kind == OperationKind.Publish)
            {
                run.Hint($"Try the failed pods again with: imgctl operation retry {last.Operation.Id} --wait");
            }
        }

        return last.ExitCode;
    }
}
