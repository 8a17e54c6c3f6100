namespace Orleans.ImageMgmt.Domain;

/// <summary>Who may give a damaged copy its bytes back.</summary>
public static class RepairPlanner
{
    /// <summary>Pods that one try asks: the next try begins with others.</summary>
    public const int AskedPerTry = 4;

    /// <summary>Pods that are believed to hold the version, the source pod first, then in the order of their names; each try begins further on, so that
    /// none that answers badly stands in the way of the others for ever.</summary>
    public static IReadOnlyList<PodName> Candidates(Version version, PodName damaged, int tries)
    {
        List<PodName> holders =
        [
            .. version.SourcePod is { } source && source != damaged ? (PodName[])[source] : [],
            .. version.Targets.Where(t => t.Value == TargetOutcome.Available && t.Key != damaged && t.Key != version.SourcePod)
                .Select(t => t.Key).OrderBy(p => p.Value, StringComparer.Ordinal),
        ];
        var first = holders.Count == 0 ? 0 : Math.Max(0, tries - 1) * AskedPerTry % holders.Count;
        return [.. holders.Skip(first).Concat(holders.Take(first)).Take(AskedPerTry)];
    }
}
