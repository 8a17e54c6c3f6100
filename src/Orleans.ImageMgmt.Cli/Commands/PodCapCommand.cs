using System.CommandLine;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>How fast bytes may travel to and from a pod.</summary>
internal static class PodCapCommand
{
    private const string Nothing = "none";

    public static Command Create(Wiring wiring)
    {
        var (pod, reason) = (wiring.Names.Pod(), Asked.Reason());
        var into = Rate("--in", "What may travel to the pod, all transfers together.");
        var from = Rate("--out", "What may travel from the pod, to all others together.");
        var link = new Option<string?>("--link") { Description = $"The link over which it is reached; pods that name the same link share it; {Nothing}: no link.", HelpName = "NAME" };
        var linkRate = Rate("--link-rate", "What may travel over the link, all its pods together; the lowest that any of them says counts.");
        var zone = new Option<string?>("--time-zone") { Description = $"Zone in whose time the calendars are written; {Nothing}: UTC.", HelpName = "IANA-ID" };
        return wiring.Verb("cap", "Sets how fast bytes may travel to and from a pod. What is not named stays; transfers that run go on by it.",
            [
                "imgctl pod cap branch-1 --in 50Mbit/s",
                "imgctl pod cap branch-1 --in \"08:00-18:00 mon-fri 20Mbit/s; else 200Mbit/s\" --time-zone Europe/Berlin",
                "imgctl pod cap branch-1 --link branch-wan --link-rate 100Mbit/s",
                "imgctl pod cap branch-1 --in none",
            ],
            async (run, stop) =>
            {
                var known = await run.Client.GetPodAsync(run.Get(pod), stop);
                var before = known.Caps ?? new PodCapsResource();
                var leaves = run.Get(link) == Nothing;
                var caps = new PodCapsResource
                {
                    In = Changed(before.In, run.Get(into)),
                    Out = Changed(before.Out, run.Get(from)),
                    Link = Changed(before.Link, run.Get(link)),
                    LinkRate = Changed(leaves ? null : before.LinkRate, run.Get(linkRate)),
                    TimeZone = Changed(before.TimeZone, run.Get(zone)),
                };
                if (caps == before)
                {
                    throw CliProblem.Usage("Nothing is named that would change.", "Name a cap, such as --in 50Mbit/s; see how it stands with: imgctl pod show POD");
                }

                var changed = await run.Client.SetPodCapsAsync(known.Name, new PodCapsRequest { Caps = caps, Reason = run.Get(reason) }, known.Etag, stop);
                run.Printer.Done(changed, PodCommands.NameOf, $"Pod {changed.Name} has {(changed.Caps is null ? "no caps" : $"the caps {string.Join(", ", Fields(changed).Where(f => f.Value is not null).Select(f => $"{f.Name.ToLowerInvariant()} {f.Value}"))}")}.");
                return ExitCodes.Well;
            }, pod, into, from, link, linkRate, zone, reason);
    }

    /// <summary>The caps as fields of a pod.</summary>
    public static IEnumerable<(string Name, string? Value)> Fields(PodResource pod)
    {
        if (pod.Caps is { } caps)
        {
            yield return ("Cap in", WithNow(caps.In, pod.RatesNow?.InBytesPerSecond));
            yield return ("Cap out", WithNow(caps.Out, pod.RatesNow?.OutBytesPerSecond));
            yield return ("Link", caps.Link);
            yield return ("Cap of link", WithNow(caps.LinkRate, pod.RatesNow?.LinkBytesPerSecond));
            yield return ("Time zone", caps.TimeZone);
        }
    }

    private static string? WithNow(string? calendar, long? now) => calendar is null || !calendar.Contains(' ', StringComparison.Ordinal)
        ? calendar
        : $"{calendar} (now {(now is { } rate ? Shown.Rate(rate) : "no cap")})";

    private static string? Changed(string? before, string? given) => given switch { null => before, Nothing => null, _ => given };

    private static Option<string?> Rate(string name, string description) =>
        new(name) { Description = $"{description} A rate, a calendar, or {Nothing}.", HelpName = "RATE" };
}
