using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Copies as a table, seen from a pod or from a version.</summary>
internal static class CopyTable
{
    public static string NameOf(CopyResource copy) => $"copy/{copy.Image}/{copy.Version}/{copy.Pod}";

    public static Table Of(IReadOnlyList<CopyResource> copies, bool byPod, DateTimeOffset now)
    {
        var table = new Table(byPod ? new("POD", 0, 12) : new("IMAGE", 0, 12), byPod ? new("", 9) : new("VERSION", 0, 6), new("STATE"), new("ROLE", 5), new("DATASTORE", 6, 6),
            new("SIZE", 3, IsNumber: true), new("DIGEST", 4, 14), new("AGE", 2, IsNumber: true), new("FAULT", 1, 16));
        foreach (var copy in copies)
        {
            table.Add(byPod ? copy.Pod : copy.Image, byPod ? "" : copy.Version, Shown.State<CopyState>(copy.State), Shown.State<CopyRole>(copy.Role), copy.Receipt?.Datastore,
                Shown.Bytes(copy.Receipt?.LengthBytes), copy.Receipt?.ContentDigest, Shown.Age(copy.ChangedAt, now), copy.Fault?.Code);
        }

        return table;
    }
}
