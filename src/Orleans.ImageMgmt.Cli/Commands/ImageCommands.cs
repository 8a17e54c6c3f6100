using System.CommandLine;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Images: look, disable, enable, delete.</summary>
internal static class ImageCommands
{
    public static Command Create(Wiring wiring) => wiring.Group("image", "Named collections of versions.",
        List(wiring), Show(wiring),
        Change(wiring, "disable", "Stops new use of every version of an image; who uses it keeps it.", (run, image, reason, stop) => run.Client.DisableImageAsync(image, reason, null, stop)),
        Change(wiring, "enable", "Allows new use of an image again.", (run, image, reason, stop) => run.Client.EnableImageAsync(image, reason, null, stop)),
        Delete(wiring));

    public static string NameOf(ImageResource image) => $"image/{image.Name}";

    private static Command List(Wiring wiring)
    {
        var status = Asked.Word<ImageStatus>("--status", "Only images with this status.");
        var family = new Option<string?>("--family") { Description = "Only images of this family.", HelpName = "FAMILY" };
        var prefix = new Option<string?>("--prefix") { Description = "Only images whose name begins with this.", HelpName = "TEXT" };
        var limit = Asked.Limit();
        return wiring.Verb("list", "Lists images.", ["imgctl image list", "imgctl image list --status available --output json"], async (run, stop) =>
        {
            var filter = new ImageFilter { Status = run.Get(status), Family = run.Get(family), NamePrefix = run.Get(prefix) };
            var images = await run.Client.AllImagesAsync(filter, stop).FirstAsync(run.Get(limit), run, stop);
            var now = run.Screen.Time.GetUtcNow();
            run.Printer.Many(images, NameOf, rows =>
            {
                var table = new Table(new("NAME", 0, 12), new("STATUS"), new("VERSIONS", 3, IsNumber: true), new("FAMILY", 5), new("SOURCE POD", 4, 10), new("CHANGED", 2, IsNumber: true), new("DESCRIPTION", 1, 12));
                foreach (var image in rows)
                {
                    table.Add(image.Name, Shown.State<ImageStatus>(image.Status), $"{image.VersionCount}", image.Family, image.SourcePod, Shown.Age(image.ChangedAt, now), image.Description);
                }

                return table;
            }, "There are no such images. Import one with: imgctl import IMAGE 1.0 --pod POD --source FILE");
            return ExitCodes.Well;
        }, status, family, prefix, limit);
    }

    private static Command Show(Wiring wiring)
    {
        var image = wiring.Names.Image();
        return wiring.Verb("show", "Shows an image.", ["imgctl image show Win10POS"], async (run, stop) =>
        {
            run.Printer.One(await run.Client.GetImageAsync(run.Get(image), stop), NameOf, found =>
            [
                ("Name", found.Name),
                ("Status", Shown.State<ImageStatus>(found.Status)),
                ("Description", found.Description),
                ("Family", found.Family),
                ("Source pod", found.SourcePod),
                ("Versions", $"{found.VersionCount}"),
                ("Created", Shown.Time(found.CreatedAt)),
                ("Changed", Shown.Time(found.ChangedAt)),
            ]);
            return ExitCodes.Well;
        }, image);
    }

    private static Command Change(Wiring wiring, string verb, string description, Func<Invocation, string, string?, CancellationToken, Task<ImageResource>> act)
    {
        var (image, reason) = (wiring.Names.Image(), Asked.Reason());
        return wiring.Verb(verb, description, [$"imgctl image {verb} Win10POS --reason \"audit\""], async (run, stop) =>
        {
            var changed = await act(run, run.Get(image), run.Get(reason), stop);
            run.Printer.Done(changed, NameOf, $"Image {changed.Name} is {Shown.State<ImageStatus>(changed.Status)}.");
            return ExitCodes.Well;
        }, image, reason);
    }

    private static Command Delete(Wiring wiring)
    {
        var (image, reason, yes, wait, operation) = (wiring.Names.Image(), Asked.Reason(), Asked.Yes(), Asked.Wait(), Asked.OperationId());
        return wiring.Verb("delete", "Removes every version of an image with all its copies.", ["imgctl image delete Win10POS --yes --wait"], async (run, stop) =>
        {
            var name = run.Get(image);
            if (!run.Get(yes))
            {
                var known = await run.Client.GetImageAsync(name, stop);
                await run.ConfirmAsync($"Delete image {known.Name} with {Shown.Count(known.VersionCount, "version")} and all copies?", isConfirmed: false, stop);
            }

            var id = run.Get(operation) ?? ImageMgmtHttpClient.NewOperationId();
            var accepted = await Repeat.WhenCutAsync(run, id, () => run.Client.DeleteImageAsync(name, run.Get(reason), id, null, stop), stop);
            return await Waiting.FollowAsync(run, accepted, $"Deleting image {name}: operation {accepted.Id}.", run.Get(wait), stop);
        }, image, reason, yes, wait, operation);
    }
}
