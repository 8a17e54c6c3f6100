using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Gives out the slots of this silo in the order that <see cref="SlotLine"/> decides.</summary>
internal sealed class SlotDesk(int slots, int slotsPerSource)
{
    private readonly Lock desk = new();
    private readonly SlotLine line = new(slots, slotsPerSource);
    private readonly Dictionary<long, TaskCompletionSource> turns = [];
    private long claims;

    /// <summary>Jobs that wait for a slot now.</summary>
    public int Waiting
    {
        get
        {
            lock (desk)
            {
                return turns.Count;
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
            claim = new SlotClaim(job.Spec.Name, job.Copy.Version, job.Copy.IsUrgent, claims++, (job.Step as CopyStep.Receive)?.From);
            turns.Add(claim.Number, turn);
            line.Arrive(claim);
            Grant();
        }

        await using (stop.Register(() => GiveUp(claim.Number, turn, stop)))
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
            line.Hurry(pod, version);
            Grant();
        }
    }

    private void GiveUp(long number, TaskCompletionSource turn, CancellationToken stop)
    {
        lock (desk)
        {
            if (!line.GiveUp(number))
            {
                return; // it has just got one: whoever waits for it gives it back
            }

            turns.Remove(number);
        }

        turn.TrySetCanceled(stop);
    }

    private void Leave(long number)
    {
        lock (desk)
        {
            line.Leave(number);
            Grant();
        }
    }

    private void Grant()
    {
        while (line.Grant() is { } next)
        {
            turns.Remove(next.Number, out var turn);
            turn!.TrySetResult();
        }
    }

    private sealed class Slot(SlotDesk desk, long number) : IDisposable
    {
        public void Dispose() => desk.Leave(number);
    }
}
