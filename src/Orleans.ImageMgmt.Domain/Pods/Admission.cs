namespace Orleans.ImageMgmt.Domain;

/// <summary>
/// Who goes first where slots are few. Urgent work never stops what runs: a transfer that is thrown out has to read back all it has staged before it
/// goes on. Instead a lane is kept beside the slots into which only urgent work goes, so that it does not wait for the end of something big.
/// </summary>
public static class Admission
{
    /// <summary>What a pod's urgent copy is put ahead of: everything that was wanted up to this long before it. What has waited longer goes first, so
    /// nothing starves.</summary>
    public static readonly TimeSpan HeadStart = TimeSpan.FromHours(1);

    /// <summary>Urgent copies that a pod runs beyond its slots.</summary>
    public const int LaneOfPod = 1;

    /// <summary>Every so often the one that has waited longest gets the slot of a silo, urgent or not.</summary>
    public const int ByAgeEvery = 4;

    /// <summary>Urgent jobs that a silo runs beyond its slots: an eighth of them, at least one.</summary>
    /// <param name="slots">How many it has.</param>
    /// <returns>How many more.</returns>
    public static int LaneOf(int slots) => Math.Max(1, slots / 8);

    /// <summary>The copies of a pod that may start, first come first served, urgent ones with their head start.</summary>
    /// <param name="slots">Slots of the pod.</param>
    /// <param name="running">Who holds one.</param>
    /// <param name="waiting">Who wants one.</param>
    /// <returns>Who gets one now, in order.</returns>
    public static IReadOnlyList<VersionId> OfPod(int slots, IEnumerable<Copy> running, IEnumerable<Copy> waiting)
    {
        var admitted = new List<VersionId>();
        var (plain, urgent) = (0, 0);
        foreach (var copy in running)
        {
            (plain, urgent) = copy.IsUrgent ? (plain, urgent + 1) : (plain + 1, urgent);
        }

        foreach (var copy in waiting.OrderBy(RankOf).ThenBy(c => c.Version.Value, StringComparer.Ordinal))
        {
            if (MayStart(slots, LaneOfPod, plain, urgent, copy.IsUrgent))
            {
                admitted.Add(copy.Version);
                (plain, urgent) = copy.IsUrgent ? (plain, urgent + 1) : (plain + 1, urgent);
            }
        }

        return admitted;
    }

    /// <summary>Urgent ones are counted into the lane first, so that a lane which is always full never closes the slots.</summary>
    internal static bool HasSlot(int slots, int lane, int plain, int urgent) => plain + Math.Max(0, urgent - lane) < slots;

    /// <summary>Into a slot, or into the lane when it is urgent.</summary>
    internal static bool MayStart(int slots, int lane, int plain, int urgent, bool isUrgent) => HasSlot(slots, lane, plain, urgent) || (isUrgent && urgent < lane);

    private static DateTimeOffset RankOf(Copy copy) => copy.IsUrgent && copy.WantedAt - DateTimeOffset.MinValue > HeadStart ? copy.WantedAt - HeadStart : copy.WantedAt;
}
