using System.CommandLine;
using System.Net;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Pods: connect, look, label, drain, disconnect.</summary>
internal static class PodCommands
{
    /// <summary>Looks at a pod that is being connected, two a second: two minutes, longer than any connector's probe may take.</summary>
    private const int PollLimit = 240;
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(500);

    public static Command Create(Wiring wiring) => wiring.Group("pod", "Sites that images come from and go to.",
        List(wiring), Show(wiring), Connect(wiring), Probe(wiring), Sources(wiring), Copies(wiring), Label(wiring), PodCapCommand.Create(wiring),
        Change(wiring, "drain", "Lets a pod finish what it has and gives it nothing new.", null,
            (run, pod, reason, stop) => run.Client.DrainPodAsync(pod, reason, null, stop)),
        Change(wiring, "disconnect", "Ends the work with a pod. Its record stays; connect brings it back.", pod => $"Disconnect pod {pod}? It gets no new copies until it is connected again.",
            (run, pod, reason, stop) => run.Client.DisconnectPodAsync(pod, reason, null, stop)));

    public static string NameOf(PodResource pod) => $"pod/{pod.Name}";

    private static Command List(Wiring wiring)
    {
        var state = Asked.Word<PodState>("--state", "Only pods in this state, such as connected or unreachable.");
        var family = new Option<string?>("--family") { Description = "Only pods of this family.", HelpName = "FAMILY" };
        var labels = Asked.Labels("--label", "Only pods with all these labels.");
        var prefix = new Option<string?>("--prefix") { Description = "Only pods whose name begins with this.", HelpName = "TEXT" };
        var limit = Asked.Limit();
        return wiring.Verb("list", "Lists pods.", ["imgctl pod list", "imgctl pod list --state unreachable", "imgctl pod list --label region=eu --output name"],
            async (run, stop) =>
            {
                var selector = Asked.Pairs(run.Get(labels), "--label");
                var filter = new PodFilter { State = run.Get(state), Family = run.Get(family), Labels = selector.Count > 0 ? selector : null, NamePrefix = run.Get(prefix) };
                var pods = await run.Client.AllPodsAsync(filter, stop).FirstAsync(run.Get(limit), run, stop);
                var now = run.Screen.Time.GetUtcNow();
                run.Printer.Many(pods, NameOf, rows =>
                {
                    var table = new Table(new("NAME", 0, 12), new("STATE"), new("FAMILY", 4), new("SLOTS", 5, IsNumber: true), new("MOVING", 3, IsNumber: true),
                        new("PROBED", 6, IsNumber: true), new("LABELS", 2, 8), new("FAULT", 1, 16));
                    foreach (var pod in rows)
                    {
                        table.Add(pod.Name, Shown.State<PodState>(pod.State), pod.Family, $"{pod.Slots}", $"{pod.MovingCopies}", Shown.Age(pod.ProbedAt, now), Shown.Labels(pod.Labels), pod.Fault?.Code);
                    }

                    return table;
                }, "There are no such pods. Connect one with: imgctl pod connect NAME --datastore FOLDER");
                return ExitCodes.Well;
            }, state, family, labels, prefix, limit);
    }

    private static Command Show(Wiring wiring)
    {
        var pod = wiring.Names.Pod();
        return wiring.Verb("show", "Shows a pod.", ["imgctl pod show branch-1"], async (run, stop) =>
        {
            run.Printer.One(await run.Client.GetPodAsync(run.Get(pod), stop), NameOf, Fields);
            return ExitCodes.Well;
        }, pod);
    }

    private static IEnumerable<(string, string?)> Fields(PodResource pod)
    {
        yield return ("Name", pod.Name);
        yield return ("State", Shown.State<PodState>(pod.State));
        yield return ("Fault", pod.Fault is null ? null : Picture.Sentence(pod.Fault));
        yield return ("Family", pod.Family);
        yield return ("Labels", Shown.Labels(pod.Labels));
        yield return ("Slots", $"{pod.Slots}");
        foreach (var field in PodCapCommand.Fields(pod))
        {
            yield return field;
        }

        yield return ("Moving copies", $"{pod.MovingCopies}");
        yield return ("Failed probes", $"{pod.FailedProbes}");
        yield return ("Probed", Shown.Time(pod.ProbedAt));
        yield return ("Changed", Shown.Time(pod.ChangedAt));
        foreach (var (key, value) in pod.Settings.OrderBy(setting => setting.Key, StringComparer.Ordinal))
        {
            yield return ($"  {key}", value);
        }
    }

    private static Command Connect(Wiring wiring)
    {
        var (pod, how) = (wiring.Names.Pod(), new PodSettings());
        var labels = Asked.Labels("--label", "Labels for selectors; separated by commas, or repeated. Left out, a pod that is known keeps its own.");
        var slots = new Option<int>("--slots") { Description = $"Transfers that may run at once on it, 1 to 16. [as before, else {ConnectPodRequest.DefaultSlots}]", HelpName = "NUMBER", DefaultValueFactory = _ => ConnectPodRequest.DefaultSlots };
        var reason = Asked.Reason();
        var wait = new Option<bool>("--wait", "-w") { Description = "Wait until it has answered, or has been found unreachable." };
        return wiring.Verb("connect", "Connects a pod, or changes how it is connected.",
            [
                "imgctl pod connect head-office --datastore /srv/imgmt/head-office --sources /srv/imgmt/sources --wait",
                "imgctl pod connect branch-1 --datastore /mnt/branch-1 --set expect-mount=ds1 --label region=eu,ring=pilot",
                "imgctl pod connect branch-2 --datastore fast=/mnt/ssd --datastore big=/mnt/disk --slots 4",
            ],
            async (run, stop) =>
            {
                var given = new { Labels = Asked.Pairs(run.Get(labels), "--label"), Settings = how.Read(run) };
                var known = run.IsGiven(labels) && run.IsGiven(slots) ? null : await FindAsync(run, run.Get(pod), stop);
                var request = new ConnectPodRequest
                {
                    Family = run.Get(how.Family)!,
                    Settings = given.Settings,
                    Labels = run.IsGiven(labels) || known is null ? given.Labels : known.Labels,
                    Slots = run.IsGiven(slots) || known is null ? run.Get(slots) : known.Slots,
                    Reason = run.Get(reason),
                };
                var connected = await run.Client.ConnectPodAsync(run.Get(pod), request, null, false, stop);
                for (var polls = 0; run.Get(wait) && connected.State == PodState.Connecting && polls < PollLimit; polls++)
                {
                    await Task.Delay(PollInterval, run.Screen.Time, stop);
                    connected = await run.Client.GetPodAsync(connected.Name, stop);
                }

                run.Printer.Done(connected, NameOf, $"Pod {connected.Name} is {Shown.State<PodState>(connected.State)}.{(connected.Fault is null ? "" : $" {Picture.Sentence(connected.Fault)}")}");
                if (connected.State == PodState.Connecting)
                {
                    run.Hint($"It {(run.Get(wait) ? $"has not answered within {(PollInterval * PollLimit).TotalMinutes:0} minutes" : "is being probed")}; see how it stands with: imgctl pod show {connected.Name}");
                }

                return connected.State == PodState.Unreachable || (run.Get(wait) && connected.State == PodState.Connecting) ? ExitCodes.Failed : ExitCodes.Well;
            }, [pod, .. how.Options, labels, slots, reason, wait]);
    }

    private static async Task<PodResource?> FindAsync(Invocation run, string pod, CancellationToken stop)
    {
        try
        {
            return await run.Client.GetPodAsync(pod, stop);
        }
        catch (ProblemException problem) when (problem.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    private static Command Probe(Wiring wiring)
    {
        var how = new PodSettings();
        return wiring.Verb("probe", "Tries whether a pod could be connected, without connecting it.", ["imgctl pod probe --datastore /mnt/branch-1"], async (run, stop) =>
        {
            var found = await run.Client.ProbePodAsync(new ProbePodRequest { Family = run.Get(how.Family)!, Settings = how.Read(run) }, stop);
            run.Printer.One(found, _ => "probe/result", Result);
            return found.Answers ? ExitCodes.Well : ExitCodes.Failed;
        }, [.. how.Options]);
    }

    private static IEnumerable<(string, string?)> Result(ProbePodResult found)
    {
        yield return ("Answers", found.Answers ? "yes" : "no");
        yield return ("Fault", found.Fault is null ? null : Picture.Sentence(found.Fault));
        yield return ("Connector", found.Connector);
        foreach (var (datastore, free) in found.FreeBytes ?? new Dictionary<string, long>())
        {
            yield return ($"Free on {datastore}", Shown.Bytes(free));
        }
    }

    private static Command Sources(Wiring wiring)
    {
        var (pod, limit) = (wiring.Names.Pod(), Asked.Limit());
        return wiring.Verb("sources", "Lists what can be imported from a pod. The pod itself is asked.", ["imgctl pod sources head-office"], async (run, stop) =>
        {
            var sources = await run.Client.AllSourcesAsync(run.Get(pod), stop).FirstAsync(run.Get(limit), run, stop);
            run.Printer.Many(sources, source => $"source/{source.Path}", rows =>
            {
                var table = new Table(new("SOURCE", 0, 12), new("SIZE", 1, IsNumber: true), new("CHANGED", 2));
                foreach (var source in rows)
                {
                    table.Add(source.Path, Shown.Bytes(source.LengthBytes), Shown.Time(source.ModifiedAt));
                }

                return table;
            }, "There is nothing to import on this pod. Put a disk into its sources folder, or send one with: imgctl upload FILE --pod POD");
            return ExitCodes.Well;
        }, pod, limit);
    }

    private static Command Copies(Wiring wiring)
    {
        var (pod, limit) = (wiring.Names.Pod(), Asked.Limit());
        var state = Asked.Word<CopyState>("--state", "Only copies in this state.");
        return wiring.Verb("copies", "Lists the copies on a pod.", ["imgctl pod copies branch-1", "imgctl pod copies branch-1 --state failed"], async (run, stop) =>
        {
            var copies = await run.Client.AllPodCopiesAsync(run.Get(pod), run.Get(state), stop).FirstAsync(run.Get(limit), run, stop);
            run.Printer.Many(copies, CopyTable.NameOf, rows => CopyTable.Of(rows, byPod: false, run.Screen.Time.GetUtcNow()), "There are no such copies on this pod.");
            return ExitCodes.Well;
        }, pod, state, limit);
    }

    private static Command Label(Wiring wiring)
    {
        var (pod, reason) = (wiring.Names.Pod(), Asked.Reason());
        var changes = new Argument<string[]>("KEY=VALUE") { Description = "Labels to set; KEY- takes one away.", Arity = ArgumentArity.OneOrMore };
        return wiring.Verb("label", "Sets labels of a pod, or takes them away; the others stay.", ["imgctl pod label branch-1 region=eu ring=pilot", "imgctl pod label branch-1 ring-"], async (run, stop) =>
        {
            var known = await run.Client.GetPodAsync(run.Get(pod), stop);
            var labels = new Dictionary<string, string>(known.Labels, StringComparer.Ordinal);
            var given = run.Get(changes);
            if (given.Contains("-"))
            {
                throw CliProblem.Usage("'-' names no label to take away.", "Write the label's key before it: KEY-.");
            }

            foreach (var key in given.Where(change => change.EndsWith('-') && !change.Contains('=', StringComparison.Ordinal)))
            {
                labels.Remove(key[..^1]);
            }

            foreach (var (key, value) in Asked.Pairs(given.Where(change => !change.EndsWith('-') || change.Contains('=', StringComparison.Ordinal)), "label"))
            {
                labels[key] = value;
            }

            var changed = await run.Client.SetPodLabelsAsync(known.Name, new PodLabelsRequest { Labels = labels, Reason = run.Get(reason) }, known.Etag, stop);
            run.Printer.Done(changed, NameOf, $"Pod {changed.Name} has {(changed.Labels.Count == 0 ? "no labels" : $"the labels {Shown.Labels(changed.Labels)}")}.");
            return ExitCodes.Well;
        }, pod, changes, reason);
    }

    private static Command Change(Wiring wiring, string verb, string description, Func<string, string>? question, Func<Invocation, string, string?, CancellationToken, Task<PodResource>> act)
    {
        var (pod, reason, yes) = (wiring.Names.Pod(), Asked.Reason(), Asked.Yes());
        return wiring.Verb(verb, description, [$"imgctl pod {verb} branch-1 --reason \"site closes\"{(question is null ? "" : " --yes")}"], async (run, stop) =>
        {
            if (question is not null)
            {
                await run.ConfirmAsync(question(run.Get(pod)), run.Get(yes), stop);
            }

            var changed = await act(run, run.Get(pod), run.Get(reason), stop);
            run.Printer.Done(changed, NameOf, $"Pod {changed.Name} is {Shown.State<PodState>(changed.State)}.");
            return ExitCodes.Well;
        }, question is null ? [pod, reason] : [pod, reason, yes]);
    }

    /// <summary>How a pod is described on the command line: the family's own settings, with short words for folders.</summary>
    private sealed class PodSettings
    {
        public Option<string> Family { get; } = new("--family") { Description = "What it can run. [filesystem]", HelpName = "FAMILY", DefaultValueFactory = _ => "filesystem" };

        private Option<string[]> Datastores { get; } = new("--datastore") { Description = "Folder on the server's machine that holds copies; NAME=FOLDER when there are several.", HelpName = "FOLDER" };

        private Option<string?> SourceFolder { get; } = new("--sources") { Description = "Folder whose disks can be imported.", HelpName = "FOLDER" };

        private Option<string[]> Set { get; } = new("--set") { Description = "Any other setting of the connector; repeated for several.", HelpName = "KEY=VALUE" };

        public IEnumerable<Option> Options => [Family, Datastores, SourceFolder, Set];

        public Dictionary<string, string> Read(Invocation run)
        {
            var settings = Asked.Pairs(run.Get(Set), "--set", splitsAtComma: false);
            var datastores = run.Get(Datastores) ?? [];
            for (var i = 0; i < datastores.Length; i++)
            {
                var parts = datastores[i].StartsWith('/') ? [$"ds{i + 1}", datastores[i]] : datastores[i].Split('=', 2);
                if (parts.Length < 2 || !parts[1].StartsWith('/'))
                {
                    throw CliProblem.Usage($"--datastore takes the full path of a folder, or NAME=FOLDER, not '{datastores[i]}'.");
                }

                settings[$"datastore.{parts[0]}"] = parts[1];
            }

            if (run.Get(SourceFolder) is { } sources)
            {
                settings["sources"] = sources;
            }

            return settings;
        }
    }
}
