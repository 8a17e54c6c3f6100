namespace Orleans.ImageMgmt.Domain;

/// <summary>What is asked of a copy, and what the world reports about it.</summary>
public abstract record CopyCommand
{
    private CopyCommand()
    {
    }

    /// <summary>An operation wants this content here.</summary>
    /// <param name="Generation">The intent's.</param>
    /// <param name="Operation">Which.</param>
    /// <param name="Content">What it has to be.</param>
    /// <param name="From">Where it comes from.</param>
    /// <param name="Turn">Pauses and resumes of the operation up to this order; see <see cref="CopyHold"/>.</param>
    /// <param name="IsUrgent">It goes before others.</param>
    /// <param name="IsRetry">A person asked for it again, in this turn: that the operation was cancelled here in an earlier one counts no more.</param>
    public sealed record Ensure(
        Generation Generation, OperationId Operation, ContentDescription Content, PodName From, int Turn = 0, bool IsUrgent = false, bool IsRetry = false) : CopyCommand;

    /// <summary>An operation is paused: what runs for it alone stops, what is staged stays.</summary>
    /// <param name="Operation">Which.</param>
    /// <param name="Turn">See <see cref="CopyHold"/>.</param>
    /// <param name="IsFinalising">All bytes are there and are being proved: that is left to end.</param>
    public sealed record Hold(OperationId Operation, int Turn, bool IsFinalising = false) : CopyCommand;

    /// <summary>An import wants this source sealed here.</summary>
    /// <param name="Generation">The generation of the order.</param>
    /// <param name="Operation">The operation it belongs to.</param>
    /// <param name="Source">What is taken on the source pod.</param>
    public sealed record EnsurePrepared(Generation Generation, OperationId Operation, SourceRef Source) : CopyCommand;

    /// <summary>A slot is free for it.</summary>
    public sealed record Start : CopyCommand;

    /// <summary>All chunks are staged.</summary>
    /// <param name="Attempt">The number of the try; what comes from an older one is ignored.</param>
    public sealed record Staged(int Attempt) : CopyCommand;

    /// <summary>The connector returned a receipt for it.</summary>
    /// <param name="Attempt">The number of the try; what comes from an older one is ignored.</param>
    /// <param name="Receipt">The proof of the read-back.</param>
    public sealed record Finalised(int Attempt, Receipt Receipt) : CopyCommand;

    /// <summary>The connector sealed the source.</summary>
    /// <param name="Attempt">The number of the try; what comes from an older one is ignored.</param>
    /// <param name="Content">What the bytes are.</param>
    /// <param name="Receipt">The proof of the read-back.</param>
    public sealed record Prepared(int Attempt, ContentDescription Content, Receipt Receipt) : CopyCommand;

    /// <summary>The connector returned a fault.</summary>
    /// <param name="Attempt">The number of the try; what comes from an older one is ignored.</param>
    /// <param name="Fault">What went wrong, with the next step.</param>
    public sealed record Faulted(int Attempt, ConnectorFault Fault) : CopyCommand;

    /// <summary>The time for retries is over.</summary>
    public sealed record GiveUp : CopyCommand;

    /// <summary>A person asks to try again.</summary>
    /// <param name="Operation">The operation that was retried.</param>
    /// <param name="FailedAttempt">The attempt whose failure the retry is about, so that a request that comes twice retries once; null for any.</param>
    public sealed record Retry(OperationId Operation, int? FailedAttempt = null) : CopyCommand;

    /// <summary>An operation no longer wants it.</summary>
    /// <param name="Operation">The operation it belongs to.</param>
    /// <param name="Turn">See <see cref="CopyHold"/>: a cancel from before a retry that was heard here changes nothing. Null: it is not known, and counts.</param>
    /// <param name="Generation">Of the import that is cancelled: a later order of it, by a retry, is not meant. Null: a publish.</param>
    public sealed record Cancel(OperationId Operation, int? Turn = null, Generation? Generation = null) : CopyCommand;

    /// <summary>The version is being deleted.</summary>
    /// <param name="Generation">The generation of the order.</param>
    public sealed record Delete(Generation Generation) : CopyCommand;

    /// <summary>The connector removed it.</summary>
    /// <param name="Attempt">The number of the try; what comes from an older one is ignored.</param>
    public sealed record Removed(int Attempt) : CopyCommand;

    /// <summary>Read it back again; a damaged one is repaired again.</summary>
    /// <param name="Operation">What a person asked; null for the scrub.</param>
    public sealed record Verify(OperationId? Operation) : CopyCommand;

    /// <summary>A read-back ended with a receipt.</summary>
    /// <param name="Attempt">The number of the try; what comes from an older one is ignored.</param>
    /// <param name="Receipt">The proof of the read-back.</param>
    public sealed record Verified(int Attempt, Receipt Receipt) : CopyCommand;

    /// <summary>A look from outside found it damaged or gone.</summary>
    /// <param name="Fault">What went wrong, with the next step.</param>
    public sealed record Quarantine(ConnectorFault Fault) : CopyCommand;

    /// <summary>A repair read it back whole.</summary>
    /// <param name="Attempt">The number of the try; what comes from an older one is ignored.</param>
    /// <param name="Receipt">The proof of the read-back.</param>
    public sealed record Repaired(int Attempt, Receipt Receipt) : CopyCommand;

    /// <summary>The version has stored what it was told when the copy had this revision.</summary>
    /// <param name="Revision">Of the copy, when it was told.</param>
    public sealed record Told(long Revision) : CopyCommand;
}
