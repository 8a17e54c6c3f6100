using System.CommandLine;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>The main job: import, publish, watch.</summary>
internal static class MainJobCommands
{
    public static Command Import(Wiring wiring)
    {
        var image = wiring.Names.Image("The image's name, new or known.");
        var version = new Argument<string?>("VERSION")
        {
            Description = "The version's name; left out: 1.0 for a new image, else the next one by --step.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var pod = wiring.Names.Pods(new Option<string>("--pod", "-p") { Description = "The source pod, where the disk lies.", HelpName = "POD", Required = true });
        var source = wiring.Names.Sources(new Option<string>("--source", "-s") { Description = "The disk: a name that imgctl pod sources lists, or an allowed path.", HelpName = "FILE", Required = true }, pod);
        var sha256 = new Option<string?>("--sha256") { Description = "SHA-256 that the source file has to have.", HelpName = "HEX" };
        var format = new Option<string?>("--format") { Description = "Format that it has to have: raw, qcow2, vmdk, vhdx, iso or ova; left out: read from the file.", HelpName = "FORMAT" };
        format.CompletionSources.Add("raw", "qcow2", "vmdk", "vhdx", "iso", "ova");
        var from = new Option<string?>("--from") { Description = "The version that this one was made from.", HelpName = "VERSION" };
        var step = Asked.Word<VersionStep>("--step", "Which part of the number rises when no VERSION is given: major, minor or patch.");
        var description = new Option<string?>("--description", "-d") { Description = "Free text, up to 1,024 characters.", HelpName = "TEXT" };
        var (wait, reason, operation) = (Asked.Wait(), Asked.Reason(), Asked.OperationId());
        return wiring.Verb("import", "Puts a disk that lies on a pod into the catalog, as a new image or a new version of one.",
            [
                "imgctl import Win10POS 1.0 --pod head-office --source win10pos.qcow2 --wait",
                "imgctl import Win10POS --step minor --pod head-office --source patched.qcow2 --reason \"November patches\" --wait",
                "imgctl import Win10POS 2.0 --pod head-office --source new.raw --sha256 $(sha256sum new.raw | cut -d' ' -f1)",
            ],
            async (run, stop) =>
            {
                var request = new ImportRequest
                {
                    Pod = run.Get(pod)!,
                    Source = run.Get(source)!,
                    Version = run.Get(version),
                    From = run.Get(from),
                    Step = run.Get(step),
                    Sha256 = run.Get(sha256),
                    Format = run.Get(format),
                    Description = run.Get(description) ?? "",
                    Reason = run.Get(reason),
                };
                var id = run.Get(operation) ?? ImageMgmtHttpClient.NewOperationId();
                var accepted = await Repeat.WhenCutAsync(run, id, () => run.Client.ImportAsync(run.Get(image), request, id, stop), stop);
                return await Waiting.FollowAsync(run, accepted, $"Importing {accepted.Image} {accepted.Version} from {request.Pod}: operation {accepted.Id}.", run.Get(wait), stop);
            }, image, version, pod, source, sha256, format, from, step, description, wait, reason, operation);
    }

    public static Command Publish(Wiring wiring)
    {
        var image = wiring.Names.Image();
        var version = wiring.Names.Version(image);
        var pods = wiring.Names.Pods(new Option<string[]>("--pods", "--pod", "-p") { Description = "Only these pods; separated by commas, or repeated.", HelpName = "POD,..." });
        var labels = Asked.Labels("--label", "Only connected pods with all these labels; separated by commas, or repeated.");
        var urgent = new Option<bool>("--urgent") { Description = "Goes before other publishes where slots or rates are short." };
        var plan = new Option<bool>("--plan") { Description = "Only says what it would take, pod by pod; nothing is changed." };
        var (wait, reason, operation) = (Asked.Wait(), Asked.Reason(), Asked.OperationId());
        return wiring.Verb("publish", "Puts a verified copy of a version on every pod that is connected now, or on those that are named.",
            [
                "imgctl publish Win10POS 1.0 --wait",
                "imgctl publish Win10POS 1.1 --pods branch-1,branch-2",
                "imgctl publish Win10POS 1.1 --label region=eu,ring=pilot --reason \"pilot ring\" --wait",
                "imgctl publish Win10POS 1.1 --plan",
                "imgctl publish Win10POS 1.1 --wait --output json > result.json",
            ],
            async (run, stop) =>
            {
                var named = run.Get(pods)?.SelectMany(text => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).Distinct().ToList() ?? [];
                if (run.Get(pods) is { Length: > 0 } && named.Count == 0)
                {
                    // An empty variable in a script must not become "everywhere".
                    throw CliProblem.Usage("--pods names no pod.", "Name at least one; without --pods and --label all connected pods are taken.");
                }

                var selector = Asked.Pairs(run.Get(labels), "--label");
                if (named.Count > 0 && selector.Count > 0)
                {
                    throw CliProblem.Usage("--pods and --label both choose the pods.", "Leave one of them out; without both, all connected pods are taken.");
                }

                var request = new PublishRequest { Pods = named.Count > 0 ? named : null, Labels = selector.Count > 0 ? selector : null, Urgent = run.Get(urgent), Reason = run.Get(reason) };
                if (run.Get(plan))
                {
                    var foreseen = await AllPlannedAsync(run, run.Get(image), run.Get(version), request, stop);
                    run.Printer.Many(foreseen.Pods, PlanTable.NameOf, PlanTable.Of, "No pod would get it: none of its family is connected.");
                    run.HintAfter(PlanTable.Sum(foreseen));
                    return ExitCodes.Well;
                }

                var id = run.Get(operation) ?? ImageMgmtHttpClient.NewOperationId();
                var accepted = await Repeat.WhenCutAsync(run, id, () => run.Client.PublishAsync(run.Get(image), run.Get(version), request, id, null, stop), stop);
                var targets = accepted.Targets is { All: > 0 and var all } ? $" to {Shown.Count(all, "pod")}" : "";
                return await Waiting.FollowAsync(run, accepted, $"Publishing {accepted.Image} {accepted.Version}{targets}: operation {accepted.Id}.", run.Get(wait), stop);
            }, image, version, pods, labels, urgent, plan, wait, reason, operation);
    }

    /// <summary>All pages as one.</summary>
    private static async Task<PublishPlanResource> AllPlannedAsync(Invocation run, string image, string version, PublishRequest request, CancellationToken stop)
    {
        var plan = await run.Client.PlanPublishAsync(image, version, request, null, stop);
        var pods = plan.Pods.ToList();
        while (plan.NextCursor is { } next)
        {
            plan = await run.Client.PlanPublishAsync(image, version, request, new PageRequest { Cursor = next }, stop);
            pods.AddRange(plan.Pods);
        }

        return plan with { Pods = pods, SendBytes = pods.Where(p => p.RefusalCode is null).Sum(p => p.SendBytes ?? 0) };
    }

    public static Command Watch(Wiring wiring)
    {
        var operation = wiring.Names.Operation();
        return wiring.Verb("watch", "Shows an operation until it has ended; the exit code tells how. Ctrl-C ends the watching, never the operation.",
            ["imgctl watch 0198c1d2e3f4", "imgctl watch $(imgctl publish Win10POS 1.0 --quiet)"],
            (run, stop) => Waiting.WatchAsync(run, run.Get(operation), stop), operation);
    }
}
