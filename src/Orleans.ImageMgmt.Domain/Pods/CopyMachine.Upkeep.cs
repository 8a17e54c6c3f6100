namespace Orleans.ImageMgmt.Domain;

/// <summary>What happens to a copy after it was final: read back again, found damaged, made whole.</summary>
public static partial class CopyMachine
{
    /// <summary>Whether a read-back that ended so has found damage: the copy is there no more as it was proved. Anything else says only that
    /// nobody could look.</summary>
    public static bool IsDamage(ConnectorFault fault) =>
        fault.Cause is FaultCause.TargetCorrupt or FaultCause.SourceCorrupt or FaultCause.SourceMissing or FaultCause.DigestMismatch;

    private static Decision<CopyEvent> DecideVerify(Copy copy, OperationId? operation)
    {
        if (operation is not null && copy.Check?.Operation == operation)
        {
            return Nothing; // the same request again
        }

        if (copy.Check is { IsOpen: true, Operation: { } other } && operation is not null)
        {
            return Decision<CopyEvent>.Refuse("copy.verifying", $"Operation {other} already verifies {copy.Version} on pod {copy.Pod}.", "Watch that operation.");
        }

        return copy.State switch
        {
            CopyState.Available when operation is null && copy.Check is { IsOpen: true } => Nothing,
            CopyState.Available => Of(new CopyEvent.VerifyBegan(operation)),
            CopyState.Quarantined => operation is { } asked ? Of(new CopyEvent.RepairWanted(asked)) : Nothing,
            _ when operation is null => Nothing,
            _ => Decision<CopyEvent>.Refuse("copy.not-final", $"Pod {copy.Pod} holds no final copy of {copy.Version}: it is {Words.Shown(copy.State)}.",
                "Publish the version to this pod, or wait until the copy is there."),
        };
    }

    private static Decision<CopyEvent> DecideVerified(Copy copy, CopyCommand.Verified c)
    {
        if (copy.State != CopyState.Available || copy.Check is not { IsOpen: true } || c.Attempt != copy.Attempt)
        {
            return Nothing;
        }

        return Proves(copy, copy.Content, c.Receipt) ? Of(new CopyEvent.ReadBackWhole(c.Receipt)) : Of(new CopyEvent.WasQuarantined(Lied(copy, c.Receipt)));
    }

    private static Decision<CopyEvent> DecideRepaired(Copy copy, CopyCommand.Repaired c, DateTimeOffset now, RetryPolicy policy)
    {
        if (copy.State != CopyState.Quarantined || !copy.IsRepairing || c.Attempt != copy.Attempt)
        {
            return Nothing;
        }

        // The receipt from before the damage proves nothing about now.
        return Proves(copy, copy.Content, c.Receipt) && c.Receipt.VerifiedAt != copy.Receipt?.VerifiedAt
            ? Of(new CopyEvent.WasRepaired(c.Receipt))
            : AfterRepairFault(copy, Lied(copy, c.Receipt), now, policy);
    }

    private static Decision<CopyEvent> DecideUpkeepFaulted(Copy copy, ConnectorFault fault, DateTimeOffset now, RetryPolicy policy) => copy switch
    {
        { State: CopyState.Available, Check.IsOpen: true } => IsDamage(fault) ? Of(new CopyEvent.WasQuarantined(fault)) : Of(new CopyEvent.NotReadBack(fault)),
        { State: CopyState.Quarantined, IsRepairing: true } => AfterRepairFault(copy, fault, now, policy),
        _ => Nothing,
    };

    private static Decision<CopyEvent> AfterRepairFault(Copy copy, ConnectorFault fault, DateTimeOffset now, RetryPolicy policy)
    {
        var spent = copy.Tries >= policy.MaxTries || now - copy.WantedAt > policy.MaxTime;
        return !Faults.IsRetryable(fault.Cause) || spent
            ? Of(new CopyEvent.RepairGivenUp(fault))
            : Of(new CopyEvent.WillRepairAgain(fault, now + policy.DelayAfter(copy.Tries)));
    }

    private static Copy ApplyUpkeep(Copy copy, CopyEvent happened, DateTimeOffset now) => happened switch
    {
        CopyEvent.VerifyBegan e => copy with
        {
            Check = new CopyCheck(e.Operation, now, OperationState.Running), Attempt = copy.Attempt + 1, ChangedAt = now,
        },
        CopyEvent.ReadBackWhole e => copy with
        {
            // What made the copy stays in its receipt; only when it was last seen whole is new.
            Receipt = (copy.Receipt ?? e.Receipt) with { VerifiedAt = e.Receipt.VerifiedAt, BytesReadBack = e.Receipt.BytesReadBack },
            Check = Ended(copy.Check, OperationState.Succeeded, null, now), ChangedAt = now,
        },
        CopyEvent.NotReadBack e => copy with { Check = Ended(copy.Check, OperationState.Failed, e.Fault, now), ChangedAt = now },
        CopyEvent.WasQuarantined e => copy with
        {
            State = CopyState.Quarantined, Fault = e.Fault, Damage = e.Fault.Damage, DamagedAt = now, Attempt = copy.Attempt + 1, Tries = 0, WantedAt = now,
            RetryAt = now, IsRepairing = false, IsUntold = true, Check = copy.Check is { Operation: null } ? Ended(copy.Check, OperationState.Failed, e.Fault, now) : copy.Check,
            ChangedAt = now,
        },
        CopyEvent.RepairWanted e => copy with
        {
            Check = new CopyCheck(e.Operation, now, OperationState.Running), Tries = 0, WantedAt = now, RetryAt = copy.IsRepairing ? null : now, ChangedAt = now,
        },
        CopyEvent.RepairBegan => copy with { IsRepairing = true, Attempt = copy.Attempt + 1, Tries = copy.Tries + 1, RetryAt = null, ChangedAt = now },
        CopyEvent.WillRepairAgain e => copy with { IsRepairing = false, Fault = e.Fault, RetryAt = e.At, ChangedAt = now },
        CopyEvent.RepairGivenUp e => copy with
        {
            IsRepairing = false, Fault = e.Fault, RetryAt = null, Check = Ended(copy.Check, OperationState.Failed, e.Fault, now), ChangedAt = now,
        },
        CopyEvent.WasRepaired e => copy with
        {
            State = CopyState.Available, Receipt = e.Receipt, Fault = null, Damage = null, DamagedAt = null, IsRepairing = false, IsUntold = true, RetryAt = null,
            Check = Ended(copy.Check, OperationState.Succeeded, null, now), ChangedAt = now,
        },
        CopyEvent.VersionKnows => copy with { IsUntold = false, DamagedAt = copy.State == CopyState.Deleted ? null : copy.DamagedAt },
        _ => throw new NotSupportedException(happened.ToString()),
    };

    /// <summary>The version hears of a loss before the repair begins, so that the repair's end never overtakes it.</summary>
    private static CopyStep NextUpkeep(Copy copy, DateTimeOffset now, RetryPolicy policy) => copy switch
    {
        { IsUntold: true } => new CopyStep.Tell(),
        { State: CopyState.Available, Check: { IsOpen: true } check } => new CopyStep.Verify(check.Operation is null),
        { State: CopyState.Available } => new CopyStep.Rest(),
        { IsRepairing: true } => new CopyStep.Repair(copy.Content!, copy.Tries),
        { RetryAt: null } => new CopyStep.Rest(),
        _ when now - copy.WantedAt > policy.MaxTime => new CopyStep.GiveUp(),
        _ when copy.RetryAt > now => new CopyStep.Wait(copy.RetryAt.Value),
        _ => new CopyStep.AwaitSlot(),
    };

    private static CopyCheck? Ended(CopyCheck? check, OperationState state, ConnectorFault? fault, DateTimeOffset now) =>
        check is { IsOpen: true } ? check with { State = state, Fault = fault, EndedAt = now } : check;
}
