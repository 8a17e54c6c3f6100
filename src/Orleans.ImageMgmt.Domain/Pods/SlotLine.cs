namespace Orleans.ImageMgmt.Domain;

/// <summary>
/// The jobs of a silo that wait for a slot and those that have one. Who is next: urgent ones first, into the lane as long as that has room. Then the version
/// with the fewest jobs at work, so that a publish to three pods does not wait behind one to five thousand; of one version, first come first served. Every
/// <see cref="Admission.ByAgeEvery"/>th slot goes to whoever has waited longest.
/// </summary>
/// <param name="slots">How many there are.</param>
/// <remarks>A grant looks at each version, never at each job: ten thousand may wait. Not for several threads.</remarks>
internal sealed class SlotLine(int slots)
{
    private readonly Dictionary<long, SlotClaim> waiting = [];
    private readonly Dictionary<long, SlotClaim> running = [];
    private readonly Dictionary<VersionId, Queue> queues = [];
    private readonly Dictionary<(PodName Pod, VersionId Version), long> plainOf = [];
    private readonly SortedSet<long> byAge = [];
    private readonly SortedSet<long> urgentByAge = [];
    private int urgentRunning;

    /// <summary>Slots given so far, the lane's not counted.</summary>
    public long Granted { get; private set; }

    /// <summary>Jobs that wait.</summary>
    public int Waiting => waiting.Count;

    /// <summary>A job wants a slot.</summary>
    public void Arrive(SlotClaim claim)
    {
        waiting.Add(claim.Number, claim);
        byAge.Add(claim.Number);
        var queue = QueueOf(claim.Version);
        if (claim.IsUrgent)
        {
            urgentByAge.Add(claim.Number);
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
        QueueOf(next.Version).AtWork++;
        urgentRunning += next.IsUrgent ? 1 : 0;
        Granted += isInLane ? 0 : 1;
        return next;
    }

    /// <summary>A job gives its slot back; nothing happens when it has none.</summary>
    public void Leave(long number)
    {
        if (!running.Remove(number, out var claim))
        {
            return;
        }

        urgentRunning -= claim.IsUrgent ? 1 : 0;
        QueueOf(claim.Version).AtWork--;
        Tidy(claim.Version);
    }

    private SlotGrant? Choose()
    {
        if (waiting.Count == 0)
        {
            return null;
        }

        var lane = Admission.LaneOf(slots);
        if (urgentRunning < lane && urgentByAge.Count > 0)
        {
            return new SlotGrant(waiting[urgentByAge.Min], IsInLane: true);
        }

        if (!Admission.HasSlot(slots, lane, running.Count - urgentRunning, urgentRunning))
        {
            return null;
        }

        return new SlotGrant(waiting[Granted % Admission.ByAgeEvery == Admission.ByAgeEvery - 1 ? byAge.Min : FirstOfFewest()], IsInLane: false);
    }

    private long FirstOfFewest()
    {
        var isUrgent = urgentByAge.Count > 0;
        var (fewest, first) = (int.MaxValue, long.MaxValue);
        foreach (var queue in queues.Values)
        {
            var line = isUrgent ? queue.Urgent : queue.Plain;
            if (line.Count > 0 && (queue.AtWork < fewest || (queue.AtWork == fewest && line.Min < first)))
            {
                (fewest, first) = (queue.AtWork, line.Min);
            }
        }

        return first;
    }

    private void Forget(SlotClaim claim)
    {
        byAge.Remove(claim.Number);
        urgentByAge.Remove(claim.Number);
        var queue = QueueOf(claim.Version);
        queue.Urgent.Remove(claim.Number);
        if (queue.Plain.Remove(claim.Number) && plainOf.GetValueOrDefault((claim.Pod, claim.Version)) == claim.Number)
        {
            plainOf.Remove((claim.Pod, claim.Version));
        }

        Tidy(claim.Version);
    }

    private Queue QueueOf(VersionId version)
    {
        if (!queues.TryGetValue(version, out var queue))
        {
            queues.Add(version, queue = new Queue());
        }

        return queue;
    }

    private void Tidy(VersionId version)
    {
        if (QueueOf(version) is { AtWork: 0, Urgent.Count: 0, Plain.Count: 0 })
        {
            queues.Remove(version);
        }
    }

    /// <summary>The jobs of one version, by the number of their claims.</summary>
    private sealed class Queue
    {
        public SortedSet<long> Urgent { get; } = [];

        public SortedSet<long> Plain { get; } = [];

        public int AtWork { get; set; }
    }
}

/// <summary>A job that wants a slot of a silo.</summary>
/// <param name="Pod">Where.</param>
/// <param name="Version">Of which version.</param>
/// <param name="IsUrgent">Goes before others.</param>
/// <param name="Number">Counts the claims in the order in which they came.</param>
internal readonly record struct SlotClaim(PodName Pod, VersionId Version, bool IsUrgent, long Number);

/// <summary>A slot that is given.</summary>
/// <param name="Claim">To whom.</param>
/// <param name="IsInLane">Beside the slots, because it is urgent.</param>
internal readonly record struct SlotGrant(SlotClaim Claim, bool IsInLane);
