using System.CommandLine;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>The activity log: who changed what, when, from where and why.</summary>
internal static class ActivityCommand
{
    public static Command Create(Wiring wiring)
    {
        var image = wiring.Names.Images(new Option<string?>("--image") { Description = "Only lines about this image.", HelpName = "IMAGE" });
        var pod = wiring.Names.Pods(new Option<string?>("--pod", "-p") { Description = "Only lines about this pod.", HelpName = "POD" });
        var operation = new Option<string?>("--operation") { Description = "Only lines about this operation.", HelpName = "ID" };
        var limit = Asked.Limit(50);
        return wiring.Verb("activity", "Shows who changed what, newest first.", ["imgctl activity", "imgctl activity --image Win10POS --limit 500 --output json"], async (run, stop) =>
        {
            var filter = new ActivityFilter { Image = run.Get(image), Pod = run.Get(pod), Operation = run.Get(operation) };
            var lines = await run.Client.AllActivityAsync(filter, stop).FirstAsync(run.Get(limit), run, stop);
            run.Printer.Many(lines, line => $"activity/{line.Number}", rows =>
            {
                var table = new Table(new("TIME"), new("WHO", 1, 8), new("WHAT", 0, 20), new("WHY", 2, 12), new("FROM", 3, 10), new("ACTION", 4, 12));
                foreach (var line in rows)
                {
                    table.Add(Shown.Time(line.At), line.Actor, line.What, line.Reason, line.Origin, line.Action);
                }

                return table;
            }, "There are no such lines.");
            return ExitCodes.Well;
        }, image, pod, operation, limit);
    }
}
