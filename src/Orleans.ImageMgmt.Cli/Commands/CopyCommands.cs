using System.CommandLine;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>One copy: look at it, have it read back.</summary>
internal static class CopyCommands
{
    public static Command Create(Wiring wiring) => wiring.Group("copy", "The copy of a version on one pod: look, and have it read back.", Show(wiring), Verify(wiring));

    private static Command Show(Wiring wiring)
    {
        var (image, version, pod) = Which(wiring);
        return wiring.Verb("show", "Shows a copy: its state, its proof, and what is wrong with it.", ["imgctl copy show Win10POS 1.0 --pod branch-7"], async (run, stop) =>
        {
            run.Printer.One(await run.Client.GetCopyAsync(run.Get(image), run.Get(version), run.Get(pod)!, stop), CopyTable.NameOf, Fields);
            return ExitCodes.Well;
        }, image, version, pod);
    }

    private static IEnumerable<(string, string?)> Fields(CopyResource copy)
    {
        yield return ("Image", copy.Image);
        yield return ("Version", copy.Version);
        yield return ("Pod", copy.Pod);
        yield return ("Role", Shown.State<CopyRole>(copy.Role));
        yield return ("State", Shown.State<CopyState>(copy.State));
        yield return ("Progress", copy.Progress is { NeededBytes: > 0 } progress
            ? $"{Bytes(progress.SentBytes)} of {Shown.Bytes(progress.NeededBytes)} staged, {Bytes(progress.TravelledBytes)} came over the wire" : null);
        yield return ("Fault", copy.Fault is null ? null : Picture.Sentence(copy.Fault));
        yield return ("Next try", copy.RetryAt is { } at ? Shown.Time(at) : null);
        yield return ("Damage", copy.Damage is null ? null : $"{Shown.Count(copy.Damage.BadChunks, "chunk")} of {Shown.Bytes(copy.Damage.ChunkBytes)}{Places(copy.Damage)}, found {Shown.Time(copy.Damage.FoundAt)}");
        yield return ("Datastore", copy.Receipt?.Datastore);
        yield return ("Location", copy.Receipt?.Location);
        yield return ("Digest", copy.Receipt?.ContentDigest);
        yield return ("Verified", copy.Receipt is null ? null : Shown.Time(copy.Receipt.VerifiedAt));
        yield return ("Repaired", copy.Receipt?.Repair is { } repair
            ? $"{Shown.Time(repair.At)}: {Shown.Bytes(repair.FetchedBytes)} in {Shown.Count(repair.Chunks, "chunk")} from {repair.From}" : null);
        yield return ("Changed", Shown.Time(copy.ChangedAt));
    }

    private static string Bytes(long bytes) => bytes == 0 ? "0" : Shown.Bytes(bytes);

    private static string Places(DamageResource damage) =>
        damage.Offsets.Count == 0 ? "" : $" at byte {string.Join(", ", damage.Offsets.Take(4))}{(damage.BadChunks > 4 ? ", …" : "")}";

    private static Command Verify(Wiring wiring)
    {
        var (image, version, pod) = Which(wiring);
        var (reason, wait, operation) = (Asked.Reason(), Asked.Wait(), Asked.OperationId());
        return wiring.Verb("verify", "Reads a copy back; one that is damaged, or was, is repaired from another pod.", ["imgctl copy verify Win10POS 1.0 --pod branch-7 --wait"], async (run, stop) =>
        {
            var (name, number, place) = (run.Get(image), run.Get(version), run.Get(pod)!);
            var id = run.Get(operation) ?? ImageMgmtHttpClient.NewOperationId();
            var accepted = await Repeat.WhenCutAsync(run, id, () => run.Client.VerifyCopyAsync(name, number, place, run.Get(reason), id, stop), stop);
            return await Waiting.FollowAsync(run, accepted, $"Verifying {name} {number} on {place}: operation {accepted.Id}.", run.Get(wait), stop);
        }, image, version, pod, reason, wait, operation);
    }

    private static (Argument<string> Image, Argument<string> Version, Option<string> Pod) Which(Wiring wiring)
    {
        var image = wiring.Names.Image();
        return (image, wiring.Names.Version(image), wiring.Names.Pods(new Option<string>("--pod", "-p") { Description = "The pod that holds the copy.", HelpName = "POD", Required = true }));
    }
}
