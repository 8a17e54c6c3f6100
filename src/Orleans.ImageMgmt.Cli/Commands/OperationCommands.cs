using System.CommandLine;
using System.Globalization;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Operations: look, watch, cancel, retry, pause, resume.</summary>
internal static class OperationCommands
{
    public static Command Create(Wiring wiring) => wiring.Group("operation", "Imports, publishes, deletions and verifications: what runs and what has run.",
        List(wiring), Show(wiring), Watch(wiring), Retry(wiring), Cancel(wiring),
        Change(wiring, "pause", "Stops what runs at its next chunk; what is staged stays. Nothing begins until it is resumed.", (run, id, reason, stop) => run.Client.PauseOperationAsync(id, reason, stop)),
        Change(wiring, "resume", "Lets a paused operation go on.", (run, id, reason, stop) => run.Client.ResumeOperationAsync(id, reason, stop)));

    private static Command List(Wiring wiring)
    {
        var state = Asked.Word<OperationState>("--state", "Only operations in this state, such as running or failed.");
        var kind = Asked.Word<OperationKind>("--kind", "Only import, publish, delete or verify.");
        var image = wiring.Names.Images(new Option<string?>("--image") { Description = "Only operations about this image.", HelpName = "IMAGE" });
        var limit = Asked.Limit(50);
        return wiring.Verb("list", "Lists operations, newest first.", ["imgctl operation list", "imgctl operation list --state running", "imgctl operation list --image Win10POS --kind publish"], async (run, stop) =>
        {
            var filter = new OperationFilter { State = run.Get(state), Kind = run.Get(kind), Image = run.Get(image) };
            var operations = await run.Client.AllOperationsAsync(filter, stop).FirstAsync(run.Get(limit), run, stop);
            var now = run.Screen.Time.GetUtcNow();
            run.Printer.Many(operations, Waiting.NameOf, rows =>
            {
                var table = new Table(new("OPERATION"), new("KIND", 3), new("IMAGE", 1, 10), new("VERSION", 2, 6), new("STATE"), new("PODS", 5, IsNumber: true), new("TOOK", 6, IsNumber: true), new("AGE", 4, IsNumber: true), new("FAULT", 7, 14));
                foreach (var operation in rows)
                {
                    table.Add(operation.Id, Shown.State<OperationKind>(operation.Kind), operation.Image, operation.Version, Shown.State<OperationState>(operation.State),
                        operation.Targets is { All: > 0 } targets ? $"{targets.Available}/{targets.All}" : "",
                        operation.EndedAt is { } end ? Shown.Clock(end - operation.CreatedAt) : "", Shown.Age(operation.CreatedAt, now), operation.Fault?.Code);
                }

                return table;
            }, "There are no such operations.");
            return ExitCodes.Well;
        }, state, kind, image, limit);
    }

    private static Command Show(Wiring wiring)
    {
        var id = wiring.Names.Operation();
        return wiring.Verb("show", "Shows an operation and how each of its pods stands.", ["imgctl operation show 0198c1d2e3f4"], async (run, stop) =>
        {
            var operation = await run.Client.GetOperationAsync(run.Get(id), stop);
            run.Printer.One(operation, Waiting.NameOf, Fields);
            if (run.Format != OutputFormat.Table)
            {
                return ExitCodes.Well;
            }

            var table = new Table(new("POD", 0, 12), new("STATE"), new("DONE", 2, IsNumber: true), new("TRIES", 4, IsNumber: true), new("RATE", 3, IsNumber: true), new("FAULT", 1, 20));
            await foreach (var target in run.Client.AllTargetsAsync(operation.Id, stop))
            {
                table.Add(target.Pod, Picture.StateOf(target), string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(Picture.ShareOf(target) * 100):0}%"), $"{target.Tries}",
                    target.Outcome == TargetOutcome.Open ? Shown.Rate(target.Progress?.BytesPerSecond) : "", target.Outcome == TargetOutcome.Available || target.Fault is null ? "" : Picture.Sentence(target.Fault));
            }

            if (table.Count > 0)
            {
                await run.Screen.Out.WriteLineAsync();
                run.Printer.Write(table);
            }

            return ExitCodes.Well;
        }, id);
    }

    private static IEnumerable<(string, string?)> Fields(OperationResource operation)
    {
        yield return ("Operation", operation.Id);
        yield return ("Kind", Shown.State<OperationKind>(operation.Kind));
        yield return ("State", Shown.State<OperationState>(operation.State));
        yield return ("Image", operation.Image);
        yield return ("Version", operation.Version);
        yield return ("Pods", operation.Targets is { All: > 0 } ? LineProgress.Counts(new Picture(operation, [])) : null);
        yield return ("Fault", operation.Fault is null ? null : Picture.Sentence(operation.Fault));
        yield return ("Progress", operation is { IsEnded: false, Progress: { TotalBytes: > 0 } progress }
            ? $"{Shown.Bytes(progress.DoneBytes)} of {Shown.Bytes(progress.TotalBytes)} {Shown.Rate(progress.BytesPerSecond)}".TrimEnd() : null);
        yield return ("On the wire", operation is { IsEnded: false, Progress.TravelledBytes: > 0 and var travelled } ? $"{Shown.Bytes(travelled)} in the tries that run now" : null);
        yield return ("Allows", operation.Allows is { Count: > 0 } verbs ? string.Join(", ", verbs.Select(verb => Shown.State<OperationVerb>(verb).ToLowerInvariant())) : null);
        yield return ("Created", Shown.Time(operation.CreatedAt));
        yield return ("Ended", Shown.Time(operation.EndedAt));
        yield return ("Took", operation.EndedAt is { } end ? Shown.Clock(end - operation.CreatedAt) : null);
    }

    private static Command Watch(Wiring wiring)
    {
        var id = wiring.Names.Operation();
        return wiring.Verb("watch", "The same as imgctl watch.", ["imgctl operation watch 0198c1d2e3f4"], (run, stop) => Waiting.WatchAsync(run, run.Get(id), stop), id);
    }

    private static Command Retry(Wiring wiring)
    {
        var (id, reason, wait) = (wiring.Names.Operation(), Asked.Reason(), Asked.Wait());
        var pod = wiring.Names.Pods(new Option<string?>("--pod", "-p") { Description = "Only this pod; left out: everything that failed.", HelpName = "POD" });
        return wiring.Verb("retry", "Tries again what failed.", ["imgctl operation retry 0198c1d2e3f4 --wait", "imgctl operation retry 0198c1d2e3f4 --pod branch-7"], async (run, stop) =>
        {
            var retried = await run.Client.RetryOperationAsync(run.Get(id), new RetryRequest { Pod = run.Get(pod), Reason = run.Get(reason) }, stop);
            return await Waiting.FollowAsync(run, retried, $"Trying again: operation {retried.Id} is {Shown.State<OperationState>(retried.State)}.", run.Get(wait), stop);
        }, id, pod, reason, wait);
    }

    private static Command Cancel(Wiring wiring)
    {
        var (id, reason, yes) = (wiring.Names.Operation(), Asked.Reason(), Asked.Yes());
        return wiring.Verb("cancel", "Stops what has not finished. Copies that are available stay.", ["imgctl operation cancel 0198c1d2e3f4 --reason \"wrong image\" --yes"], async (run, stop) =>
        {
            await run.ConfirmAsync($"Cancel operation {run.Get(id)}? What has not finished is stopped and its staged bytes are removed.", run.Get(yes), stop);
            var cancelled = await run.Client.CancelOperationAsync(run.Get(id), run.Get(reason), stop);
            run.Printer.Done(cancelled, Waiting.NameOf, $"Operation {cancelled.Id} is {Shown.State<OperationState>(cancelled.State)}.");
            return ExitCodes.Well;
        }, id, reason, yes);
    }

    private static Command Change(Wiring wiring, string verb, string description, Func<Invocation, string, string?, CancellationToken, Task<OperationResource>> act)
    {
        var (id, reason) = (wiring.Names.Operation(), Asked.Reason());
        return wiring.Verb(verb, description, [$"imgctl operation {verb} 0198c1d2e3f4"], async (run, stop) =>
        {
            var changed = await act(run, run.Get(id), run.Get(reason), stop);
            run.Printer.Done(changed, Waiting.NameOf, $"Operation {changed.Id} is {Shown.State<OperationState>(changed.State)}.");
            return ExitCodes.Well;
        }, id, reason);
    }
}
