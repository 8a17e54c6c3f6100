using System.CommandLine;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Versions: look, copies, receipts, disable, enable, delete. Without a word behind it, the program's own version.</summary>
internal static class VersionCommands
{
    public static Command Create(Wiring wiring)
    {
        var children = new[]
        {
            List(wiring), Show(wiring), Copies(wiring), Receipts(wiring),
            Change(wiring, "disable", "Stops new use of a version; who uses it keeps it.", (run, at, reason, stop) => run.Client.DisableVersionAsync(at.Image, at.Version, reason, null, stop)),
            Change(wiring, "enable", "Allows new use of a version again.", (run, at, reason, stop) => run.Client.EnableVersionAsync(at.Image, at.Version, reason, null, stop)),
            Delete(wiring),
        };
        return wiring.Verb("version", "Versions of images. Alone: which version of imgctl and of the server this is.",
            ["imgctl version", .. children.SelectMany(child => wiring.ExamplesOf(child).Take(1))], ProgramAsync, [.. children]);
    }

    public static string NameOf(VersionResource version) => $"version/{version.Image}/{version.Version}";

    private static async Task<int> ProgramAsync(Invocation run, CancellationToken stop)
    {
        ServerVersion? server = null;
        string? trouble = null;
        try
        {
            server = await run.Client.GetServerVersionAsync(stop);
        }
        catch (Exception problem) when (problem is CliProblem or HttpRequestException or TimeoutException or ProblemException)
        {
            trouble = Failures.ToProblem(problem, run.KnownUrl).Message;
        }

        var versions = new { Client = Imgctl.Version, Server = server };
        run.Printer.One(versions, _ => $"imgctl/{Imgctl.Version}", found =>
        [
            ("imgctl", found.Client),
            ("server", server is null ? trouble : $"{server.Version} at {run.KnownUrl?.GetLeftPart(UriPartial.Authority)}"),
            ("API", server?.Api),
            ("commit", server?.Commit),
            ("runtime", server?.Runtime),
        ]);
        return ExitCodes.Well;
    }

    private static Command List(Wiring wiring)
    {
        var image = wiring.Names.Image();
        var status = Asked.Word<VersionStatus>("--status", "Only versions with this status.");
        var limit = Asked.Limit();
        return wiring.Verb("list", "Lists the versions of an image.", ["imgctl version list Win10POS", "imgctl version list Win10POS --status partially-available"], async (run, stop) =>
        {
            var versions = await run.Client.AllVersionsAsync(run.Get(image), new VersionFilter { Status = run.Get(status) }, stop).FirstAsync(run.Get(limit), run, stop);
            var now = run.Screen.Time.GetUtcNow();
            run.Printer.Many(versions, NameOf, rows =>
            {
                var table = new Table(new("VERSION", 0, 8), new("STATUS"), new("PODS", 1, IsNumber: true), new("USABLE", 5), new("FROM", 7, 6), new("SIZE", 4, IsNumber: true),
                    new("DIGEST", 6, 14), new("CHANGED", 3, IsNumber: true), new("DESCRIPTION", 2, 12));
                foreach (var version in rows)
                {
                    table.Add(version.Version, Shown.State<VersionStatus>(version.Status), version.Targets.All == 0 ? "" : $"{version.Targets.Available}/{version.Targets.All}", version.IsUsable ? "yes" : "no",
                        version.From, Shown.Bytes(version.Content?.LengthBytes), version.Content?.Digest, Shown.Age(version.ChangedAt, now), version.Description);
                }

                return table;
            }, $"Image {run.Get(image)} has no such versions.");
            return ExitCodes.Well;
        }, image, status, limit);
    }

    private static Command Show(Wiring wiring)
    {
        var (image, version) = Which(wiring);
        return wiring.Verb("show", "Shows a version.", ["imgctl version show Win10POS 1.0"], async (run, stop) =>
        {
            run.Printer.One(await run.Client.GetVersionAsync(run.Get(image), run.Get(version), stop), NameOf, Fields);
            return ExitCodes.Well;
        }, image, version);
    }

    private static IEnumerable<(string, string?)> Fields(VersionResource found)
    {
        yield return ("Image", found.Image);
        yield return ("Version", found.Version);
        yield return ("Status", Shown.State<VersionStatus>(found.Status));
        yield return ("Usable", found.IsUsable ? "yes" : "no");
        yield return ("Fault", found.Fault is null ? null : Picture.Sentence(found.Fault));
        yield return ("Description", found.Description);
        yield return ("Pods", found.Targets.All == 0 ? null : $"{found.Targets.Available} of {found.Targets.All} available{Rest(found.Targets)}");
        yield return ("Made from", found.From);
        yield return ("Source", found.SourcePod is null ? null : $"{found.SourcePath} on {found.SourcePod}");
        yield return ("Content", found.Content is null ? null : $"{found.Content.Kind}, {Shown.Bytes(found.Content.LengthBytes)}, of which {Shown.Bytes(found.Content.DataBytes)} data, from {found.Content.SourceFormat}");
        yield return ("Digest", found.Content?.Digest);
        yield return ("Import", found.ImportOperation);
        yield return ("Publishing", found.OpenPublishes is { Count: > 0 } open ? string.Join(", ", open) : null);
        yield return ("Deletion", found.DeleteOperation);
        yield return ("Created", Shown.Time(found.CreatedAt));
        yield return ("Changed", Shown.Time(found.ChangedAt));
    }

    private static string Rest(TargetTotals totals) => string.Concat(
        new[] { (totals.Failed, "failed"), (totals.Open, "open"), (totals.Cancelled, "cancelled") }.Where(part => part.Item1 > 0).Select(part => $", {part.Item1} {part.Item2}"));

    private static Command Copies(Wiring wiring)
    {
        var (image, version) = Which(wiring);
        var state = Asked.Word<CopyState>("--state", "Only copies in this state.");
        var limit = Asked.Limit();
        return wiring.Verb("copies", "Lists the copies of a version, pod by pod.", ["imgctl version copies Win10POS 1.0", "imgctl version copies Win10POS 1.0 --state failed"], async (run, stop) =>
        {
            var copies = await run.Client.AllCopiesAsync(run.Get(image), run.Get(version), run.Get(state), stop).FirstAsync(run.Get(limit), run, stop);
            run.Printer.Many(copies, CopyTable.NameOf, rows => CopyTable.Of(rows, byPod: true, run.Screen.Time.GetUtcNow()), "There are no such copies.");
            return ExitCodes.Well;
        }, image, version, state, limit);
    }

    private static Command Receipts(Wiring wiring)
    {
        var (image, version) = Which(wiring);
        var limit = Asked.Limit();
        return wiring.Verb("receipts", "Lists the proofs: what was read back on each pod, and when.", ["imgctl version receipts Win10POS 1.0", "imgctl version receipts Win10POS 1.0 --output json > proof.json"], async (run, stop) =>
        {
            var receipts = await run.Client.AllReceiptsAsync(run.Get(image), run.Get(version), stop).FirstAsync(run.Get(limit), run, stop);
            run.Printer.Many(receipts, receipt => $"receipt/{receipt.Image}/{receipt.Version}/{receipt.Pod}", rows =>
            {
                var table = new Table(new("POD", 0, 12), new("VERIFIED"), new("CONTENT DIGEST", 1, 18), new("READ BACK", 2, IsNumber: true), new("SENT", 3, IsNumber: true),
                    new("DATASTORE", 4, 6), new("LOCATION", 6, 12), new("CONNECTOR", 5, 10));
                foreach (var receipt in rows)
                {
                    table.Add(receipt.Pod, Shown.Time(receipt.VerifiedAt), receipt.ContentDigest, Shown.Bytes(receipt.ReadBackBytes), Shown.Bytes(receipt.SentBytes), receipt.Datastore, receipt.Location, receipt.ConnectorVersion);
                }

                return table;
            }, "No pod has proved a copy of this version yet.");
            return ExitCodes.Well;
        }, image, version, limit);
    }

    private static Command Change(Wiring wiring, string verb, string description, Func<Invocation, (string Image, string Version), string?, CancellationToken, Task<VersionResource>> act)
    {
        var (image, version) = Which(wiring);
        var reason = Asked.Reason();
        return wiring.Verb(verb, description, [$"imgctl version {verb} Win10POS 1.0 --reason \"bad driver\""], async (run, stop) =>
        {
            var changed = await act(run, (run.Get(image), run.Get(version)), run.Get(reason), stop);
            run.Printer.Done(changed, NameOf, $"Version {changed.Image} {changed.Version} is {Shown.State<VersionStatus>(changed.Status)}.");
            return ExitCodes.Well;
        }, image, version, reason);
    }

    private static Command Delete(Wiring wiring)
    {
        var (image, version) = Which(wiring);
        var (reason, yes, wait, operation) = (Asked.Reason(), Asked.Yes(), Asked.Wait(), Asked.OperationId());
        return wiring.Verb("delete", "Removes every copy of a version.", ["imgctl version delete Win10POS 1.0 --yes --wait"], async (run, stop) =>
        {
            var (name, number) = (run.Get(image), run.Get(version));
            if (!run.Get(yes))
            {
                var known = await run.Client.GetVersionAsync(name, number, stop);
                await run.ConfirmAsync($"Delete version {known.Image} {known.Version} and its copies on {Shown.Count(known.Targets.Available, "pod")}?", isConfirmed: false, stop);
            }

            var id = run.Get(operation) ?? ImageMgmtHttpClient.NewOperationId();
            var accepted = await Repeat.WhenCutAsync(run, id, () => run.Client.DeleteVersionAsync(name, number, run.Get(reason), id, null, stop), stop);
            return await Waiting.FollowAsync(run, accepted, $"Deleting {name} {number}: operation {accepted.Id}.", run.Get(wait), stop);
        }, image, version, reason, yes, wait, operation);
    }

    private static (Argument<string> Image, Argument<string> Version) Which(Wiring wiring)
    {
        var image = wiring.Names.Image();
        return (image, wiring.Names.Version(image));
    }
}
