namespace Orleans.ImageMgmt.Domain;

/// <summary>
/// The jobs of a silo that wait for a slot and those that have one. Who is next: urgent ones first, into the lane as long as that has room. Then the version
/// with the fewest jobs at work, so that a publish to three pods does not wait behind one to five thousand; of one version, first come first served. Every
/// <see cref="Admission.ByAgeEvery"/>th slot goes to whoever has waited longest. Whoever reads from a source pod from which enough others read already is passed over
/// until one of these ends; a source has a lane for urgent ones too.
/// </summary>
/// <param name="slots">How many there are.</param>
/// <param name="slotsPerSource">How many of them may read from one source pod.</param>
/// <remarks>A grant looks at each version and each source, never at each job: ten thousand may wait. Not for several threads.</remarks>
internal sealed class SlotLine(int slots, int slotsPerSource)
{
    private readonly Dictionary<long, SlotClaim> waiting = [];
    private readonly Dictionary<long, SlotClaim> running = [];
    private readonly Dictionary<(VersionId Version, PodName? Source), Queue> queues = [];
    private readonly Dictionary<VersionId, int> atWork = [];
    private readonly Dictionary<PodName, (int Plain, int Urgent)> reading = [];
    private readonly Dictionary<(PodName Pod, VersionId Version), long> plainOf = [];
    private int urgentRunning;

    /// <summary>Slots given so far, the lane's not counted.</summary>
    public long Granted { get; private set; }

    /// <summary>Jobs that wait.</summary>
    public int Waiting => waiting.Count;

    /// <summary>A job wants a slot.</summary>
    public void Arrive(SlotClaim claim)
    {
        waiting.Add(claim.Number, claim);
        var queue = QueueOf(claim);
        if (claim.IsUrgent)
        {
            queue.Urgent.Add(claim.Number);
        }
        else
        {
            queue.Plain.Add(claim.Number);
            plainOf[(claim.Pod, claim.Version)] = claim.Number;
        }
    }

    /// <summary>A job waits no longer. False when it does not wait: it has a slot, or never came.</summary>
    public bool GiveUp(long number)
    {
        if (!waiting.Remove(number, out var claim))
        {
            return false;
        }

        Forget(claim);
        return true;
    }

    /// <summary>The newest job of a copy that waits is urgent from now on; it keeps its place by age.</summary>
    public void Hurry(PodName pod, VersionId version)
    {
        if (plainOf.TryGetValue((pod, version), out var number) && waiting.Remove(number, out var claim))
        {
            Forget(claim);
            Arrive(claim with { IsUrgent = true });
        }
    }

    /// <summary>Gives the next slot, or null while there is none or nobody wants one.</summary>
    public SlotClaim? Grant()
    {
        if (Choose() is not ({ } next, var isInLane))
        {
            return null;
        }

        waiting.Remove(next.Number);
        Forget(next);
        running.Add(next.Number, next);
        Count(next, 1);
        Granted += isInLane ? 0 : 1;
        return next;
    }

    /// <summary>A job gives its slot back; nothing happens when it has none.</summary>
    public void Leave(long number)
    {
        if (running.Remove(number, out var claim))
        {
            Count(claim, -1);
        }
    }

    private SlotGrant? Choose()
    {
        var lane = Admission.LaneOf(slots);
        if (urgentRunning < lane && Oldest(isUrgent: true) is { } urgent)
        {
            return new SlotGrant(waiting[urgent], IsInLane: true);
        }

        if (!Admission.HasSlot(slots, lane, running.Count - urgentRunning, urgentRunning))
        {
            return null;
        }

        var next = Granted % Admission.ByAgeEvery == Admission.ByAgeEvery - 1
            ? Older(Oldest(isUrgent: true), Oldest(isUrgent: false))
            : FirstOfFewest(isUrgent: true) ?? FirstOfFewest(isUrgent: false);
        return next is { } number ? new SlotGrant(waiting[number], IsInLane: false) : null;
    }

    private static long? Older(long? one, long? other) => one is null || other < one ? other : one;

    private long? Oldest(bool isUrgent)
    {
        long? oldest = null;
        foreach (var (key, queue) in queues)
        {
            if (queue.Of(isUrgent) is { Count: > 0 } line && HasRoom(key.Source, isUrgent))
            {
                oldest = Older(oldest, line.Min);
            }
        }

        return oldest;
    }

    private long? FirstOfFewest(bool isUrgent)
    {
        var (fewest, first) = (int.MaxValue, (long?)null);
        foreach (var (key, queue) in queues)
        {
            var busy = atWork.GetValueOrDefault(key.Version);
            if (queue.Of(isUrgent) is { Count: > 0 } line && (busy < fewest || (busy == fewest && line.Min < first)) && HasRoom(key.Source, isUrgent))
            {
                (fewest, first) = (busy, line.Min);
            }
        }

        return first;
    }

    /// <summary>One more may read from there. What reads from nowhere is bounded by its pod and the silo alone.</summary>
    private bool HasRoom(PodName? source, bool isUrgent)
    {
        return source is not { } from || !reading.TryGetValue(from, out var now)
            || Admission.MayStart(slotsPerSource, Admission.LaneOf(slotsPerSource), now.Plain, now.Urgent, isUrgent);
    }

    /// <summary>A job has begun (1) or ended (-1).</summary>
    private void Count(SlotClaim claim, int change)
    {
        urgentRunning += claim.IsUrgent ? change : 0;
        atWork[claim.Version] = atWork.GetValueOrDefault(claim.Version) + change;
        if (atWork[claim.Version] == 0)
        {
            atWork.Remove(claim.Version);
        }

        if (claim.Source is { } source)
        {
            var (plain, urgent) = reading.GetValueOrDefault(source);
            reading[source] = claim.IsUrgent ? (plain, urgent + change) : (plain + change, urgent);
            if (reading[source] == (0, 0))
            {
                reading.Remove(source);
            }
        }
    }

    private void Forget(SlotClaim claim)
    {
        var queue = QueueOf(claim);
        queue.Urgent.Remove(claim.Number);
        if (queue.Plain.Remove(claim.Number) && plainOf.GetValueOrDefault((claim.Pod, claim.Version)) == claim.Number)
        {
            plainOf.Remove((claim.Pod, claim.Version));
        }

        if (queue is { Urgent.Count: 0, Plain.Count: 0 })
        {
            queues.Remove((claim.Version, claim.Source));
        }
    }

    private Queue QueueOf(SlotClaim claim)
    {
        if (!queues.TryGetValue((claim.Version, claim.Source), out var queue))
        {
            queues.Add((claim.Version, claim.Source), queue = new Queue());
        }

        return queue;
    }

    /// <summary>The jobs of one version that wait and read from the same pod, by the number of their claims.</summary>
    private sealed class Queue
    {
        public SortedSet<long> Urgent { get; } = [];

        public SortedSet<long> Plain { get; } = [];

        public SortedSet<long> Of(bool isUrgent) => isUrgent ? Urgent : Plain;
    }
}

/// <summary>A job that wants a slot of a silo.</summary>
/// <param name="Pod">Where.</param>
/// <param name="Version">Of which version.</param>
/// <param name="IsUrgent">Goes before others.</param>
/// <param name="Number">Counts the claims in the order in which they came.</param>
/// <param name="Source">The pod whose copy it reads; null: it reads none.</param>
internal readonly record struct SlotClaim(PodName Pod, VersionId Version, bool IsUrgent, long Number, PodName? Source = null);

/// <summary>A slot that is given.</summary>
/// <param name="Claim">To whom.</param>
/// <param name="IsInLane">Beside the slots, because it is urgent.</param>
internal readonly record struct SlotGrant(SlotClaim Claim, bool IsInLane);
