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
            if (HasSlot(slots, LaneOfPod, plain, urgent) || (copy.IsUrgent && urgent < LaneOfPod))
            {
                admitted.Add(copy.Version);
                (plain, urgent) = copy.IsUrgent ? (plain, urgent + 1) : (plain + 1, urgent);
            }
        }

        return admitted;
    }

    /// <summary>Which of the waiting jobs of a silo gets a slot next, or null while none may.</summary>
    /// <param name="waiting">Who waits.</param>
    /// <param name="running">Who has a slot.</param>
    /// <param name="slots">How many there are.</param>
    /// <param name="granted">How many were given so far, the lane's not counted: every <see cref="ByAgeEvery"/>th goes by age.</param>
    /// <returns>Who gets one, or null.</returns>
    /// <remarks>Urgent ones first, into the lane as long as that has room. Then the version with the fewest jobs at work, so that a publish to three
    /// pods does not wait behind one to five thousand; of one version, first come first served.</remarks>
    public static SlotGrant? Next(IReadOnlyCollection<SlotClaim> waiting, IReadOnlyCollection<SlotClaim> running, int slots, long granted)
    {
        if (waiting.Count == 0)
        {
            return null;
        }

        var (lane, urgent) = (LaneOf(slots), running.Count(c => c.IsUrgent));
        if (urgent < lane && waiting.Where(c => c.IsUrgent).OrderBy(c => c.Number).Select(c => (SlotClaim?)c).FirstOrDefault() is { } first)
        {
            return new SlotGrant(first, IsInLane: true);
        }

        if (!HasSlot(slots, lane, running.Count - urgent, urgent))
        {
            return null;
        }

        if (granted % ByAgeEvery == ByAgeEvery - 1)
        {
            return new SlotGrant(waiting.MinBy(c => c.Number), IsInLane: false);
        }

        var atWork = running.GroupBy(c => c.Version).ToDictionary(g => g.Key, g => g.Count());
        return new SlotGrant(waiting.OrderBy(c => c.IsUrgent ? 0 : 1).ThenBy(c => atWork.GetValueOrDefault(c.Version)).ThenBy(c => c.Number).First(), IsInLane: false);
    }

    /// <summary>Urgent ones are counted into the lane first, so that a lane which is always full never closes the slots.</summary>
    private static bool HasSlot(int slots, int lane, int plain, int urgent) => plain + Math.Max(0, urgent - lane) < slots;

    private static DateTimeOffset RankOf(Copy copy) => copy.IsUrgent && copy.WantedAt - DateTimeOffset.MinValue > HeadStart ? copy.WantedAt - HeadStart : copy.WantedAt;
}

/// <summary>A job that wants a slot of a silo.</summary>
/// <param name="Pod">Where.</param>
/// <param name="Version">Of which version.</param>
/// <param name="IsUrgent">Goes before others.</param>
/// <param name="Number">Counts the claims in the order in which they came.</param>
public readonly record struct SlotClaim(PodName Pod, VersionId Version, bool IsUrgent, long Number);

/// <summary>A slot that was given.</summary>
/// <param name="Claim">To whom.</param>
/// <param name="IsInLane">Beside the slots, because it is urgent.</param>
public readonly record struct SlotGrant(SlotClaim Claim, bool IsInLane);
