namespace Orleans.ImageMgmt.Domain;

/// <summary>How a copy goes, and what a given-up import may have left.</summary>
public static partial class CopyMachine
{
    private static Decision<CopyEvent> DecideDelete(Copy copy, CopyCommand.Delete c)
    {
        if (c.Generation < copy.Generation)
        {
            return Stale(copy, c.Generation);
        }

        return copy.State switch
        {
            CopyState.Deleted or CopyState.Deleting when copy.DeletedGeneration >= c.Generation => Nothing,
            CopyState.Deleted => Of(new CopyEvent.Fenced(c.Generation)),
            _ => Of(new CopyEvent.Removing(c.Generation, Final: true)),
        };
    }

    private static Decision<CopyEvent> DecideRemoved(Copy copy, CopyCommand.Removed c) => (copy, c.Attempt == copy.Attempt) switch
    {
        ({ State: CopyState.Deleting }, true) => Of(new CopyEvent.Gone()),
        ({ State: CopyState.Failed, ClearAt: not null }, true) => Of(new CopyEvent.Cleared()),
        _ => Nothing,
    };

    private static Copy ApplyRemoval(Copy copy, CopyEvent happened, DateTimeOffset now) => happened switch
    {
        CopyEvent.Removing e => copy with
        {
            State = CopyState.Deleting, Generation = e.Generation, DeletesFinal = e.Final, Attempt = copy.Attempt + 1,
            Tries = 0, RetryAt = null, Receipt = e.Final ? null : copy.Receipt, ChangedAt = now,
            LetGo = e.Operation is { } operation ? Add(copy.LetGo, operation) : copy.LetGo,
            DeletedGeneration = e.Operation is null ? e.Generation : copy.DeletedGeneration,
            IsRepairing = false, IsUntold = false, ClearAt = null, Damage = null, DamagedAt = e.Operation is null ? null : copy.DamagedAt, Check = Ended(copy.Check, OperationState.Cancelled, copy.Fault, now),
        },
        CopyEvent.WillRemoveAgain e => copy with
        {
            Fault = e.Fault, RetryAt = e.At, Attempt = copy.Attempt + 1, Tries = copy.Tries + 1, ChangedAt = now,
        },
        CopyEvent.Gone => copy with
        {
            State = CopyState.Deleted, WantedBy = [], Receipt = null, RetryAt = null, Fault = null, ChangedAt = now,
            IsUntold = copy is { Role: CopyRole.Target, DamagedAt: not null }, // the version knows it as lost, and nobody makes it anew
        },
        CopyEvent.Fenced e => copy with { Generation = e.Generation, DeletedGeneration = e.Generation, ChangedAt = now },
        CopyEvent.Cleared => copy with { ClearAt = null, ChangedAt = now },
        CopyEvent.WillClearAgain e => copy with { ClearAt = e.At, Attempt = copy.Attempt + 1, ChangedAt = now },
        _ => throw new NotSupportedException(happened.ToString()),
    };

    /// <summary>A try of an import may have sealed the source with its answer lost. Nobody would know of that copy, and the next import of this version would find it:
    /// so it is removed. What a publish left stays for its retry, which knows what the bytes have to be.</summary>
    private static bool IsToClear(Copy copy) => copy is { Role: CopyRole.Source, Tries: > 0 };
}
