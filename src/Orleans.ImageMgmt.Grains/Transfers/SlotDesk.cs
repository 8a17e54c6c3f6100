using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Gives out the slots of this silo in the order that <see cref="Admission"/> decides.</summary>
internal sealed class SlotDesk(int slots)
{
    private readonly Lock desk = new();
    private readonly Dictionary<long, (SlotClaim Claim, TaskCompletionSource Turn)> waiting = [];
    private readonly Dictionary<long, SlotClaim> running = [];
    private long claims;
    private long granted;

    /// <summary>Jobs that wait for a slot now.</summary>
    public int Waiting
    {
        get
        {
            lock (desk)
            {
                return waiting.Count;
            }
        }
    }

    /// <summary>Waits for a slot; the result gives it back.</summary>
    /// <param name="job">Which job; urgent when its copy is.</param>
    /// <param name="stop">Stops waiting.</param>
    public async Task<IDisposable> EnterAsync(TransferJob job, CancellationToken stop)
    {
        SlotClaim claim;
        TaskCompletionSource turn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (desk)
        {
            claim = new SlotClaim(job.Spec.Name, job.Copy.Version, job.Copy.IsUrgent, claims++);
            waiting.Add(claim.Number, (claim, turn));
            Grant();
        }

        await using (stop.Register(() => GiveUp(claim, turn, stop)))
        {
            await turn.Task;
        }

        return new Slot(this, claim.Number);
    }

    /// <summary>A job that waits has become urgent.</summary>
    public void Hurry(PodName pod, VersionId version)
    {
        lock (desk)
        {
            foreach (var (number, (claim, turn)) in waiting.Where(w => w.Value.Claim.Pod == pod && w.Value.Claim.Version == version && !w.Value.Claim.IsUrgent).ToList())
            {
                waiting[number] = (claim with { IsUrgent = true }, turn);
            }

            Grant();
        }
    }

    private void GiveUp(SlotClaim claim, TaskCompletionSource turn, CancellationToken stop)
    {
        lock (desk)
        {
            if (!waiting.Remove(claim.Number))
            {
                return; // it has just got one: whoever waits for it gives it back
            }
        }

        turn.TrySetCanceled(stop);
    }

    private void Leave(long number)
    {
        lock (desk)
        {
            if (running.Remove(number))
            {
                Grant();
            }
        }
    }

    private void Grant()
    {
        while (Admission.Next([.. waiting.Values.Select(w => w.Claim)], running.Values, slots, granted) is ({ } next, var isInLane))
        {
            granted += isInLane ? 0 : 1;
            waiting.Remove(next.Number, out var one);
            running.Add(next.Number, next);
            one.Turn.TrySetResult();
        }
    }

    private sealed class Slot(SlotDesk desk, long number) : IDisposable
    {
        public void Dispose() => desk.Leave(number);
    }
}
