namespace Orleans.ImageMgmt.Domain;

/// <summary>The rules of a copy's life. Pure: the time and the policy come in.</summary>
public static partial class CopyMachine
{
    /// <summary>Operations that may want one copy at once.</summary>
    public const int WantedByLimit = 16;

    private const string DeletingCode = "copy.deleting";
    private const string TooManyCode = "copy.too-many-operations";
    private const string LossUntoldCode = "copy.loss-untold";

    /// <summary>A copy of which nothing is known: as good as deleted.</summary>
    public static Copy Initial(VersionId version, PodName pod) =>
        new() { Version = version, Pod = pod, State = CopyState.Deleted };

    /// <summary>What a command leads to. A command that comes again leads to nothing; one that breaks a rule is refused.</summary>
    public static Decision<CopyEvent> Decide(Copy copy, CopyCommand command, DateTimeOffset now, RetryPolicy policy) => command switch
    {
        CopyCommand.Ensure c => CopyHolds.WithTurn(copy, c, DecideEnsure(copy, c, now, policy)),
        CopyCommand.Hold c => CopyHolds.Decide(copy, c),
        CopyCommand.EnsurePrepared c => DecideEnsurePrepared(copy, c, now, policy),
        CopyCommand.Start => DecideStart(copy, now),
        CopyCommand.Staged c => copy.State == CopyState.Replicating && c.Attempt == copy.Attempt
            ? Of(new CopyEvent.AllStaged()) : Nothing,
        CopyCommand.Finalised c => DecideFinalised(copy, c, now, policy),
        CopyCommand.Prepared c => DecidePrepared(copy, c, now, policy),
        CopyCommand.Faulted c => DecideFaulted(copy, c, now, policy),
        CopyCommand.GiveUp => DecideGiveUp(copy, now, policy),
        CopyCommand.Retry c => copy is { State: CopyState.Failed or CopyState.RetryPending } or { State: CopyState.Quarantined, IsUntold: false }
            && (c.FailedAttempt ?? copy.Attempt) == copy.Attempt ? Of(new CopyEvent.Rejoined(c.Operation)) : Nothing,
        CopyCommand.Cancel c => DecideCancel(copy, c),
        CopyCommand.Delete c => DecideDelete(copy, c),
        CopyCommand.Removed c => DecideRemoved(copy, c),
        CopyCommand.Quarantine c => copy.State == CopyState.Available ? Of(new CopyEvent.WasQuarantined(c.Fault)) : Nothing,
        CopyCommand.Verify c => DecideVerify(copy, c.Operation),
        CopyCommand.Verified c => DecideVerified(copy, c),
        CopyCommand.Repaired c => DecideRepaired(copy, c, now, policy),
        CopyCommand.Told c => copy.IsUntold && copy.Revision == c.Revision ? Of(new CopyEvent.VersionKnows()) : Nothing,
        _ => throw new NotSupportedException(command.ToString()),
    };

    /// <summary>The record after something happened. Takes whatever was decided; refuses nothing.</summary>
    public static Copy Evolve(Copy copy, CopyEvent happened, DateTimeOffset now) =>
        Apply(copy, happened, now) with { Revision = copy.Revision + 1 };

    private static Copy Apply(Copy copy, CopyEvent happened, DateTimeOffset now) => happened switch
    {
        CopyEvent.Wanted e => Fresh(copy, e.Generation, e.Operation, now) with
        {
            Role = CopyRole.Target, Content = e.Content, From = e.From, Source = null, IsUrgent = e.IsUrgent,
        },
        CopyEvent.WantedPrepared e => Fresh(copy, e.Generation, e.Operation, now) with
        {
            Role = CopyRole.Source, Source = e.Source, From = null,
        },
        CopyEvent.Joined e => copy with { Generation = e.Generation, WantedBy = Add(copy.WantedBy, e.Operation), LetGo = Without(copy.LetGo, e.Operation), IsUrgent = copy.IsUrgent || e.IsUrgent, ChangedAt = now },
        CopyEvent.WasHeld e => CopyHolds.Held(copy, e, now),
        CopyEvent.WentOn e => CopyHolds.WentOn(copy, e, now),
        CopyEvent.Started => copy with
        {
            State = copy.Role == CopyRole.Source ? CopyState.Preparing : CopyState.Replicating,
            Attempt = copy.Attempt + 1, Tries = copy.Tries + 1, RetryAt = null, ChangedAt = now,
        },
        CopyEvent.AllStaged => copy with { State = CopyState.Finalising, ChangedAt = now },
        CopyEvent.BecameAvailable e => copy with
        {
            State = CopyState.Available, Receipt = e.Receipt, Content = e.Content, Fault = null, RetryAt = null, ChangedAt = now,
            Damage = null, DamagedAt = null, Check = Ended(copy.Check, OperationState.Succeeded, null, now),

            // Made anew after a loss that the version has heard of: whoever asked for it may have heard how it stands long ago, so the copy tells it itself.
            IsUntold = copy is { Role: CopyRole.Target, DamagedAt: not null },
        },
        CopyEvent.WillRetry e => copy with { State = CopyState.RetryPending, Fault = e.Fault, RetryAt = e.At, ChangedAt = now },
        CopyEvent.GaveUp e => copy with
        {
            State = CopyState.Failed, Fault = e.Fault, RetryAt = null, ChangedAt = now, Check = Ended(copy.Check, OperationState.Failed, e.Fault, now),
            ClearAt = IsToClear(copy) ? now : null, Attempt = IsToClear(copy) ? copy.Attempt + 1 : copy.Attempt,
        },
        CopyEvent.Rejoined e => copy with
        {
            // A new attempt number: a late answer of the try that failed, or of a read-back that found damage, is about the past.
            State = CopyState.Pending, Attempt = copy.Attempt + 1, Tries = 0, WantedAt = now, RetryAt = null, Receipt = null,
            WantedBy = copy.IsMoving ? Add(copy.WantedBy, e.Operation) : [e.Operation], LetGo = Without(copy.LetGo, e.Operation), ChangedAt = now,
            IsRepairing = false, IsUntold = false, ClearAt = null,
        },
        CopyEvent.Released e => CopyHolds.Settle(copy with
        {
            WantedBy = [.. copy.WantedBy.Where(o => o != e.Operation)], LetGo = Add(copy.LetGo, e.Operation),
            Generation = e.Generation is { } cancelled && cancelled > copy.Generation ? cancelled : copy.Generation,
        }, isFinalising: false, now),
        CopyEvent.Removing or CopyEvent.WillRemoveAgain or CopyEvent.Gone or CopyEvent.Fenced or CopyEvent.Cleared or CopyEvent.WillClearAgain => ApplyRemoval(copy, happened, now),
        _ => ApplyUpkeep(copy, happened, now),
    };

    /// <summary>What to do now, from the record and the clock alone: so that a crash is just another start.</summary>
    public static CopyStep Next(Copy copy, DateTimeOffset now, RetryPolicy policy) => copy.State switch
    {
        CopyState.Available or CopyState.Quarantined => NextUpkeep(copy, now, policy),

        CopyState.Failed when copy.ClearAt is { } at => at > now ? new CopyStep.Wait(at) : new CopyStep.Remove(Final: true),

        CopyState.Deleted when copy.IsUntold => new CopyStep.Tell(),

        // Failed and Deleted wait for somebody to ask.
        CopyState.Failed or CopyState.Deleted => new CopyStep.Rest(),
        CopyState.Pending or CopyState.RetryPending when copy.IsHeld => new CopyStep.Rest(),
        CopyState.Pending or CopyState.RetryPending when now - copy.WantedAt > policy.MaxTime => new CopyStep.GiveUp(),
        CopyState.RetryPending when copy.RetryAt > now => new CopyStep.Wait(copy.RetryAt.Value),
        CopyState.Pending or CopyState.RetryPending => new CopyStep.AwaitSlot(),
        CopyState.Preparing => new CopyStep.Prepare(copy.Source!),
        CopyState.Replicating => new CopyStep.Receive(copy.Content!, copy.From!.Value),
        CopyState.Finalising => new CopyStep.Finalise(copy.Content!),
        CopyState.Deleting when copy.RetryAt > now => new CopyStep.Wait(copy.RetryAt.Value),
        CopyState.Deleting => new CopyStep.Remove(copy.DeletesFinal),
        _ => throw new NotSupportedException(copy.State.ToString()),
    };

    /// <summary>Whether a receipt proves this content on this pod. The artefact's length is the format's affair: the digest is over the content.</summary>
    public static bool Proves(Copy copy, ContentDescription? content, Receipt receipt) =>
        content is not null && receipt.Version == copy.Version && receipt.Pod == copy.Pod && receipt.ContentDigest == content.ContentDigest;

    /// <summary>The state of the copy as one operation sees it: gone for one that let go of what others still make; still to come for one whose pause was heard
    /// here before its order, or after the copy was deleted, or while one that it never ordered is removed: whether that is the order's end is said when it comes.</summary>
    public static CopyState StateFor(Copy copy, OperationId operation) => (copy.State, copy.LetGo.Contains(operation)) switch
    {
        (CopyState.Deleted, false) when copy.Holds.Any(hold => hold.Operation == operation && hold.IsHeld) => CopyState.Pending,
        (CopyState.Deleting, false) when !copy.WantedBy.Contains(operation) => CopyState.Pending,
        (not CopyState.Deleting, true) when copy.IsMoving => CopyState.Deleted,
        _ => copy.State,
    };

    /// <summary>Whether the same order may be taken later without anybody asking anew: the caller keeps asking.</summary>
    public static bool MayPass(Refusal refusal) => refusal.Code is DeletingCode or TooManyCode or LossUntoldCode;

    private static Decision<CopyEvent> DecideEnsure(Copy copy, CopyCommand.Ensure c, DateTimeOffset now, RetryPolicy policy)
    {
        if (CopyHolds.IsLetGo(copy, c))
        {
            return Nothing; // a late order of an operation that was cancelled here
        }

        if (c.Generation < copy.DeletedGeneration)
        {
            return Stale(copy, c.Generation); // the version was deleted after this order
        }

        // Orders of two publishes may overtake each other on their way here: an older one is as good, and the newest generation stays.
        var generation = c.Generation > copy.Generation ? c.Generation : copy.Generation;

        if (MustWait(copy, now, policy) is { } wait)
        {
            return wait;
        }

        if (copy is { State: CopyState.Failed, ClearAt: not null } && c.Generation > copy.Generation)
        {
            return Of(new CopyEvent.Removing(copy.Generation, Final: true)); // what a failed import may have left has to go first, as below
        }

        if (copy.State is CopyState.Deleted || (copy.State is CopyState.Failed && c.Generation > copy.Generation))
        {
            return Of(new CopyEvent.Wanted(generation, c.Operation, c.Content, c.From, c.IsUrgent));
        }

        if (copy.Content is { } held && held.ContentDigest != c.Content.ContentDigest)
        {
            return Decision<CopyEvent>.Refuse("copy.other-content",
                $"Pod {copy.Pod} holds {copy.Version} with content {held.ContentDigest.Short()}; {c.Content.ContentDigest.Short()} was asked.",
                "Delete the version, so that the pod lets go of the other content, then publish again.");
        }

        if (copy.State is CopyState.Quarantined && c.Generation > copy.Generation)
        {
            return Of(new CopyEvent.Wanted(generation, c.Operation, c.Content, c.From, c.IsUrgent)); // a new order repairs it
        }

        if (copy.WantedBy.Contains(c.Operation) && c.Generation <= copy.Generation)
        {
            return Nothing;
        }

        if (c.IsRetry && copy.State is CopyState.Failed or CopyState.Quarantined && !copy.WantedBy.Contains(c.Operation))
        {
            // It had no part in the tries since its own failure: whatever number it names, it is to be tried again.
            return Decision<CopyEvent>.Of(new CopyEvent.Joined(generation, c.Operation, c.IsUrgent), new CopyEvent.Rejoined(c.Operation));
        }

        // The same content is here or on its way: the order joins it, whatever role it has.
        return copy.WantedBy.Count >= WantedByLimit && copy.IsMoving && !copy.WantedBy.Contains(c.Operation)
            ? Decision<CopyEvent>.Refuse(TooManyCode, $"{WantedByLimit} operations already wait for {copy.Version} on pod {copy.Pod}.",
                "Watch or cancel one of them first.")
            : Of(new CopyEvent.Joined(generation, c.Operation, c.IsUrgent));
    }

    /// <summary>Why an order has to wait, see <see cref="MayPass"/>, or why that would be in vain.</summary>
    private static Decision<CopyEvent>? MustWait(Copy copy, DateTimeOffset now, RetryPolicy policy) => copy switch
    {
        { State: CopyState.Deleting, Fault: { } fault } when copy.Tries >= policy.MaxTries && copy.RetryAt > now => Decision<CopyEvent>.Refuse("copy.not-removed",
            $"What pod {copy.Pod} had of {copy.Version} before cannot be removed: {fault.Detail}", fault.NextStep),
        { State: CopyState.Deleting } => Decision<CopyEvent>.Refuse(DeletingCode, $"The copy of {copy.Version} on pod {copy.Pod} is being deleted.",
            "Wait until it is gone, then publish again."),

        // Made anew now, its end could reach the version before its loss does.
        { State: CopyState.Quarantined, IsUntold: true } => Decision<CopyEvent>.Refuse(LossUntoldCode,
            $"The version has not heard yet that the copy of {copy.Version} on pod {copy.Pod} is damaged.", "Wait until it is told; that is tried again and again."),
        _ => null,
    };

    private static Decision<CopyEvent> DecideEnsurePrepared(Copy copy, CopyCommand.EnsurePrepared c, DateTimeOffset now, RetryPolicy policy)
    {
        if (c.Generation < copy.Generation)
        {
            return Stale(copy, c.Generation);
        }

        var isNewer = c.Generation > copy.Generation;
        return copy.State switch
        {
            _ when copy.LetGo.Contains(c.Operation) && !isNewer => Nothing, // a late order of an import that was cancelled here
            CopyState.Deleted => Of(new CopyEvent.WantedPrepared(c.Generation, c.Operation, c.Source)),
            CopyState.Failed when isNewer && copy.ClearAt is null => Of(new CopyEvent.WantedPrepared(c.Generation, c.Operation, c.Source)),
            CopyState.Deleting => isNewer ? MustWait(copy, now, policy)!.Value : Nothing,

            // What an earlier import left behind is another content: it has to go before this import's source is sealed.
            _ when isNewer => Of(new CopyEvent.Removing(copy.Generation, Final: true)),
            _ => Nothing, // already being prepared, prepared, or ended for this very intent: the report says which
        };
    }

    private static Decision<CopyEvent> DecideStart(Copy copy, DateTimeOffset now) => copy.State switch
    {
        CopyState.Pending or CopyState.RetryPending when copy.IsHeld => Nothing,
        CopyState.Pending => Of(new CopyEvent.Started()),
        CopyState.RetryPending when copy.RetryAt is null || copy.RetryAt <= now => Of(new CopyEvent.Started()),
        CopyState.Quarantined when copy is { IsRepairing: false, IsUntold: false } && copy.RetryAt <= now => Of(new CopyEvent.RepairBegan()),
        _ => Nothing, // not waiting for a slot
    };

    private static Decision<CopyEvent> DecideFinalised(Copy copy, CopyCommand.Finalised c, DateTimeOffset now, RetryPolicy policy)
    {
        if (copy.State is not (CopyState.Replicating or CopyState.Finalising) || c.Attempt != copy.Attempt)
        {
            return Nothing; // a late answer of an earlier try, or of one that was cancelled
        }

        return Proves(copy, copy.Content, c.Receipt)
            ? Of(new CopyEvent.BecameAvailable(c.Receipt, copy.Content!))
            : AfterFault(copy, Lied(copy, c.Receipt), now, policy);
    }

    private static Decision<CopyEvent> DecidePrepared(Copy copy, CopyCommand.Prepared c, DateTimeOffset now, RetryPolicy policy)
    {
        if (copy.State is not CopyState.Preparing || c.Attempt != copy.Attempt)
        {
            return Nothing;
        }

        return Proves(copy, c.Content, c.Receipt)
            ? Of(new CopyEvent.BecameAvailable(c.Receipt, c.Content))
            : AfterFault(copy, Lied(copy, c.Receipt), now, policy);
    }

    private static Decision<CopyEvent> DecideFaulted(Copy copy, CopyCommand.Faulted c, DateTimeOffset now, RetryPolicy policy)
    {
        if (c.Attempt != copy.Attempt)
        {
            return Nothing;
        }

        if (copy.State == CopyState.Deleting)
        {
            // Deleting goes on until it succeeds: a delete that gave up would leave bytes that nobody owns.
            return Of(new CopyEvent.WillRemoveAgain(c.Fault, now + policy.DelayAfter(copy.Tries + 1)));
        }

        if (copy is { State: CopyState.Failed, ClearAt: not null })
        {
            return Of(new CopyEvent.WillClearAgain(now + policy.DelayAfter(policy.MaxTries)));
        }

        return copy.State is CopyState.Available or CopyState.Quarantined ? DecideUpkeepFaulted(copy, c.Fault, now, policy)
            : copy.HoldsSlot ? AfterFault(copy, c.Fault, now, policy) : Nothing;
    }

    private static Decision<CopyEvent> AfterFault(Copy copy, ConnectorFault fault, DateTimeOffset now, RetryPolicy policy)
    {
        var spent = copy.Tries >= policy.MaxTries || now - copy.WantedAt > policy.MaxTime;
        return !Faults.IsRetryable(fault.Cause) || spent
            ? Of(new CopyEvent.GaveUp(fault))
            : Of(new CopyEvent.WillRetry(fault, now + policy.DelayAfter(copy.Tries)));
    }

    private static Decision<CopyEvent> DecideGiveUp(Copy copy, DateTimeOffset now, RetryPolicy policy)
    {
        if (copy.State == CopyState.Quarantined && NextUpkeep(copy, now, policy) is CopyStep.GiveUp)
        {
            return Of(new CopyEvent.RepairGivenUp(copy.Fault!));
        }

        if (copy.IsHeld || copy.State is not (CopyState.Pending or CopyState.RetryPending) || now - copy.WantedAt <= policy.MaxTime)
        {
            return Nothing;
        }

        var stage = copy.Role == CopyRole.Source ? FaultStage.Prepare : FaultStage.Receive;
        return Of(new CopyEvent.GaveUp(copy.Fault ?? new ConnectorFault(stage, FaultCause.TimedOut,
            $"No slot or no reachable pod for {policy.MaxTime.TotalHours:0} hours.", "Check the pod, then retry the operation.")));
    }

    private static Decision<CopyEvent> DecideCancel(Copy copy, CopyCommand.Cancel c)
    {
        if (copy.LetGo.Contains(c.Operation) || c.Turn < CopyHolds.TurnOf(copy, c.Operation))
        {
            return Nothing; // told before, or retried since
        }

        if (!copy.WantedBy.Contains(c.Operation))
        {
            return Of(new CopyEvent.Released(c.Operation, c.Generation)); // it overtook its own order: the order has to find that out
        }

        // What is already final stays; what others still want goes on.
        var last = copy.WantedBy.Count == 1;
        return copy.IsMoving && copy.State != CopyState.Deleting && last
            ? Of(new CopyEvent.Removing(copy.Generation, Final: true, c.Operation)) // it may have become final with its receipt still on the way
            : Of(new CopyEvent.Released(c.Operation, c.Generation));
    }

    /// <summary>Begins anew. Who wanted what ended here has heard how, and waits no more: its name must not keep a later cancel from stopping this.</summary>
    private static Copy Fresh(Copy copy, Generation generation, OperationId operation, DateTimeOffset now) => copy with
    {
        State = CopyState.Pending, Generation = generation, Tries = 0, WantedAt = now, RetryAt = null, Fault = null,
        Receipt = null, WantedBy = [operation], LetGo = Without(copy.LetGo, operation), DeletesFinal = false, ChangedAt = now, IsRepairing = false, IsUntold = false,
        ClearAt = null,
    };

    private static IReadOnlyList<OperationId> Add(IReadOnlyList<OperationId> wanted, OperationId operation) =>
        wanted.Contains(operation) ? wanted : [.. wanted.TakeLast(WantedByLimit - 1), operation];

    private static IReadOnlyList<OperationId> Without(IReadOnlyList<OperationId> operations, OperationId operation) =>
        operations.Contains(operation) ? [.. operations.Where(o => o != operation)] : operations;

    private static ConnectorFault Lied(Copy copy, Receipt receipt) => new(FaultStage.Finalise, FaultCause.TargetCorrupt,
        $"The connector's receipt names digest {receipt.ContentDigest.Short()} and {receipt.Length} bytes for {receipt.Version} on {receipt.Pod}; "
        + $"{copy.Content?.ContentDigest.Short()} and {copy.Content?.Length} bytes of {copy.Version} on {copy.Pod} were asked.",
        "The copy is made again; if it repeats, check the pod's storage.");

    private static Decision<CopyEvent> Stale(Copy copy, Generation asked) => Decision<CopyEvent>.Refuse("copy.stale-generation",
        $"Pod {copy.Pod} already knows generation {copy.Generation} of {copy.Version}; generation {asked} is older.",
        "Nothing needs to be done: a newer request took its place.");

    private static Decision<CopyEvent> Of(CopyEvent happened) => Decision<CopyEvent>.Of(happened);

    private static Decision<CopyEvent> Nothing => Decision<CopyEvent>.Nothing;
}
