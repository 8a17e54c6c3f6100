namespace Orleans.ImageMgmt.Domain;

/// <summary>What a pause of an operation does to a copy. The newest word of each operation counts, whatever order the words arrive in.</summary>
internal static class CopyHolds
{
    internal static Decision<CopyEvent> Decide(Copy copy, CopyCommand.Hold c) =>
        copy.LetGo.Contains(c.Operation) || TurnOf(copy, c.Operation) >= c.Turn || copy.State == CopyState.Deleting || !(copy.IsMoving || copy.State == CopyState.Deleted)
            ? Decision<CopyEvent>.Nothing // cancelled here, told before, or nothing is left to be held
            : Decision<CopyEvent>.Of(new CopyEvent.WasHeld(c.Operation, c.Turn, c.IsFinalising));

    /// <summary>An order to have the copy, given after a pause was heard, also ends that pause.</summary>
    internal static Decision<CopyEvent> WithTurn(Copy copy, CopyCommand.Ensure c, Decision<CopyEvent> wanted) =>
        wanted.IsRefused || TurnOf(copy, c.Operation) >= c.Turn || IsLetGo(copy, c)
            ? wanted
            : Decision<CopyEvent>.Of([.. wanted.Events, new CopyEvent.WentOn(c.Operation, c.Turn)]);

    /// <summary>Whether an order belongs to an operation that was cancelled here, and that nobody has retried since.</summary>
    internal static bool IsLetGo(Copy copy, CopyCommand.Ensure c) =>
        copy.LetGo.Contains(c.Operation) && !(c.IsRetry && c.Turn > TurnOf(copy, c.Operation));

    internal static Copy Held(Copy copy, CopyEvent.WasHeld e, DateTimeOffset now) =>
        Settle(copy with { Holds = Put(copy.Holds, new CopyHold(e.Operation, e.Turn, true)) }, e.IsFinalising, now);

    internal static Copy WentOn(Copy copy, CopyEvent.WentOn e, DateTimeOffset now) => copy with
    {
        Holds = Put(copy.Holds, new CopyHold(e.Operation, e.Turn, false)),
        WantedAt = copy.IsHeld ? now : copy.WantedAt, // the time for retries does not run while it is held
        ChangedAt = now,
    };

    /// <summary>A copy that nobody wants to go on gives its slot back. A new attempt number: the answer of the try that is stopped is about the past.</summary>
    internal static Copy Settle(Copy copy, bool isFinalising, DateTimeOffset now) => copy is { IsHeld: true, State: CopyState.Replicating } && !isFinalising
        ? copy with { State = CopyState.Pending, Attempt = copy.Attempt + 1, Tries = Math.Max(0, copy.Tries - 1), RetryAt = null, ChangedAt = now }
        : copy with { ChangedAt = now };

    internal static int TurnOf(Copy copy, OperationId operation) => copy.Holds.FirstOrDefault(h => h.Operation == operation)?.Turn ?? 0;

    private static IReadOnlyList<CopyHold> Put(IReadOnlyList<CopyHold> holds, CopyHold hold) =>
        [.. holds.Where(h => h.Operation != hold.Operation).TakeLast(CopyMachine.WantedByLimit - 1), hold];
}
