using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: nobody changes what a copy does in any state without reading it. Method: every state × every command as committed text.</summary>
public sealed class CopyTableTests
{
    private static readonly RetryPolicy policy = RetryPolicy.Default;

    private static readonly Copy copy = CopyMachine.Initial(Samples.Id, Samples.Paris) with
    {
        Role = CopyRole.Target, Generation = Samples.Gen(2), Attempt = 3, Tries = 1, WantedAt = Samples.Start, Content = Samples.Content,
        From = Samples.Source, WantedBy = [Samples.One],
    };

    private static readonly Copy source = copy with { Role = CopyRole.Source, Content = null, From = null, Source = Samples.Disk };

    private static readonly Copy whole = copy with { State = CopyState.Available, Receipt = Samples.ReceiptOf(Samples.Content, Samples.Paris) };

    private static readonly Copy lost = whole with
    {
        State = CopyState.Quarantined, Fault = Samples.Damaged, Damage = Samples.Damaged.Damage, DamagedAt = Samples.Start, RetryAt = Samples.Start,
    };

    private static readonly CopyCheck asked = new(Samples.One, Samples.Start, OperationState.Running);

    private static readonly Receipt later = Samples.ReceiptOf(Samples.Content, Samples.Paris) with { VerifiedAt = Samples.Now };

    private static IReadOnlyList<Sample<Copy>> States { get; } =
    [
        new("Deleted, never wanted", CopyMachine.Initial(Samples.Id, Samples.Paris)),
        new("Deleted", copy with { State = CopyState.Deleted, WantedBy = [] }),
        new("Deleted, cancelled here", copy with { State = CopyState.Deleted, WantedBy = [], LetGo = [Samples.One] }),
        new("Deleted, version deleted", copy with { State = CopyState.Deleted, WantedBy = [], DeletedGeneration = Samples.Gen(2) }),
        new("Pending", copy with { State = CopyState.Pending }),
        new("Pending, two operations", copy with { State = CopyState.Pending, WantedBy = [Samples.One, Samples.Two] }),
        new("Pending, held", copy with { State = CopyState.Pending, Holds = [new CopyHold(Samples.One, 1, true)] }),
        new("Pending, one of two held", copy with { State = CopyState.Pending, WantedBy = [Samples.One, Samples.Two], Holds = [new CopyHold(Samples.One, 1, true)] }),
        new("Replicating, other one held", copy with { State = CopyState.Replicating, WantedBy = [Samples.One, Samples.Two], Holds = [new CopyHold(Samples.Two, 1, true)] }),
        new("RetryPending, held", copy with { State = CopyState.RetryPending, Fault = Samples.Passing, RetryAt = Samples.Now.AddSeconds(-5), Holds = [new CopyHold(Samples.One, 1, true)] }),
        new("Pending, time is over", copy with { State = CopyState.Pending, WantedAt = Samples.Now - policy.MaxTime - TimeSpan.FromSeconds(1) }),
        new("Preparing", source with { State = CopyState.Preparing }),
        new("Replicating", copy with { State = CopyState.Replicating }),
        new("Replicating, last try", copy with { State = CopyState.Replicating, Tries = policy.MaxTries }),
        new("Finalising", copy with { State = CopyState.Finalising }),
        new("RetryPending, later", copy with { State = CopyState.RetryPending, Fault = Samples.Passing, RetryAt = Samples.Now.AddSeconds(5) }),
        new("RetryPending, due", copy with { State = CopyState.RetryPending, Fault = Samples.Passing, RetryAt = Samples.Now.AddSeconds(-5) }),
        new("Available", copy with { State = CopyState.Available, Receipt = Samples.ReceiptOf(Samples.Content, Samples.Paris) }),
        new("Available, source", source with { State = CopyState.Available, Content = Samples.Content, Receipt = Samples.ReceiptOf(Samples.Content, Samples.Paris) }),
        new("Failed", copy with { State = CopyState.Failed, Fault = Samples.Lasting }),
        new("Failed, source", source with { State = CopyState.Failed, Fault = Samples.Lasting }),
        new("Failed, source, to be cleared", source with { State = CopyState.Failed, Fault = Samples.Lasting, ClearAt = Samples.Start }),
        new("Failed, source, cleared later", source with { State = CopyState.Failed, Fault = Samples.Lasting, ClearAt = Samples.Now.AddSeconds(5) }),
        new("Failed, cancelled here", copy with { State = CopyState.Failed, Fault = Samples.Lasting, WantedBy = [], LetGo = [Samples.One] }),
        new("Replicating for op-2, cancelled here", copy with { State = CopyState.Replicating, WantedBy = [Samples.Two], LetGo = [Samples.One] }),
        new("Finalising after a loss", copy with { State = CopyState.Finalising, DamagedAt = Samples.Start }),
        new("Quarantined", copy with { State = CopyState.Quarantined, Fault = Samples.Passing, Receipt = Samples.ReceiptOf(Samples.Content, Samples.Paris) }),
        new("Quarantined, version not told", lost with { IsUntold = true }),
        new("Quarantined, repair due", lost),
        new("Quarantined, repair later", lost with { RetryAt = Samples.Now.AddSeconds(5) }),
        new("Quarantined, repair, time is over", lost with { WantedAt = Samples.Now - policy.MaxTime - TimeSpan.FromSeconds(1) }),
        new("Quarantined, repairing", lost with { IsRepairing = true, RetryAt = null, Tries = 1, Check = asked }),
        new("Quarantined, repairing, last try", lost with { IsRepairing = true, RetryAt = null, Tries = policy.MaxTries }),
        new("Available, repaired, not told", whole with { IsUntold = true }),
        new("Available, scrubbed", whole with { Check = new CopyCheck(null, Samples.Start, OperationState.Running) }),
        new("Available, verified for op-1", whole with { Check = asked }),
        new("Available, verified before", whole with { Check = asked with { State = OperationState.Succeeded } }),
        new("Deleting, staged bytes", copy with { State = CopyState.Deleting }),
        new("Deleting, all, later", copy with { State = CopyState.Deleting, DeletesFinal = true, RetryAt = Samples.Now.AddSeconds(5) }),
    ];

    private static IReadOnlyList<Sample<CopyCommand>> Commands { get; } =
    [
        new("Ensure, same again", new CopyCommand.Ensure(Samples.Gen(2), Samples.One, Samples.Content, Samples.Source)),
        new("Ensure, newer operation", new CopyCommand.Ensure(Samples.Gen(3), Samples.Two, Samples.Content, Samples.Source)),
        new("Ensure, older operation", new CopyCommand.Ensure(Samples.Gen(1), Samples.Two, Samples.Content, Samples.Source)),
        new("Ensure, after a resume", new CopyCommand.Ensure(Samples.Gen(2), Samples.One, Samples.Content, Samples.Source, Turn: 2)),
        new("Ensure, urgent", new CopyCommand.Ensure(Samples.Gen(3), Samples.Two, Samples.Content, Samples.Source, IsUrgent: true)),
        new("Ensure, retried", new CopyCommand.Ensure(Samples.Gen(2), Samples.One, Samples.Content, Samples.Source, Turn: 2, IsRetry: true)),
        new("Hold", new CopyCommand.Hold(Samples.One, 1)),
        new("Hold, later turn", new CopyCommand.Hold(Samples.One, 3)),
        new("Hold, all bytes are there", new CopyCommand.Hold(Samples.One, 1, IsFinalising: true)),
        new("Hold, a stranger", new CopyCommand.Hold(new OperationId("op-9"), 1)),
        new("Ensure, other content", new CopyCommand.Ensure(Samples.Gen(3), Samples.Two, Samples.OtherContent, Samples.Source)),
        new("EnsurePrepared, same again", new CopyCommand.EnsurePrepared(Samples.Gen(2), Samples.One, Samples.Disk)),
        new("EnsurePrepared, newer operation", new CopyCommand.EnsurePrepared(Samples.Gen(3), Samples.Two, Samples.Disk)),
        new("EnsurePrepared, older operation", new CopyCommand.EnsurePrepared(Samples.Gen(1), Samples.Two, Samples.Disk)),
        new("Start", new CopyCommand.Start()),
        new("Staged", new CopyCommand.Staged(3)),
        new("Staged, older try", new CopyCommand.Staged(2)),
        new("Finalised, proof", new CopyCommand.Finalised(3, Samples.ReceiptOf(Samples.Content, Samples.Paris))),
        new("Finalised, older try", new CopyCommand.Finalised(2, Samples.ReceiptOf(Samples.Content, Samples.Paris))),
        new("Finalised, other digest", new CopyCommand.Finalised(3, Samples.ReceiptOf(Samples.OtherContent, Samples.Paris))),
        new("Finalised, other pod", new CopyCommand.Finalised(3, Samples.ReceiptOf(Samples.Content, Samples.Oslo))),
        new("Prepared, proof", new CopyCommand.Prepared(3, Samples.Content, Samples.ReceiptOf(Samples.Content, Samples.Paris))),
        new("Prepared, other digest", new CopyCommand.Prepared(3, Samples.Content, Samples.ReceiptOf(Samples.OtherContent, Samples.Paris))),
        new("Faulted, may pass", new CopyCommand.Faulted(3, Samples.Passing)),
        new("Faulted, will not pass", new CopyCommand.Faulted(3, Samples.Lasting)),
        new("Faulted, older try", new CopyCommand.Faulted(2, Samples.Passing)),
        new("GiveUp", new CopyCommand.GiveUp()),
        new("Retry", new CopyCommand.Retry(Samples.One)),
        new("Retry of this failure", new CopyCommand.Retry(Samples.One, 3)),
        new("Retry of an older failure", new CopyCommand.Retry(Samples.One, 2)),
        new("Cancel, who wants it", new CopyCommand.Cancel(Samples.One)),
        new("Cancel, of an earlier turn", new CopyCommand.Cancel(Samples.One, 0)),
        new("Cancel, a stranger", new CopyCommand.Cancel(new OperationId("op-9"))),
        new("Delete, newer", new CopyCommand.Delete(Samples.Gen(4))),
        new("Delete, older", new CopyCommand.Delete(Samples.Gen(1))),
        new("Removed", new CopyCommand.Removed(3)),
        new("Removed, older try", new CopyCommand.Removed(2)),
        new("Quarantine", new CopyCommand.Quarantine(Samples.Passing)),
        new("Faulted, damage", new CopyCommand.Faulted(3, Samples.Damaged)),
        new("Verify for op-1", new CopyCommand.Verify(Samples.One)),
        new("Verify for op-2", new CopyCommand.Verify(Samples.Two)),
        new("Verify, scrub", new CopyCommand.Verify(null)),
        new("Verified, proof", new CopyCommand.Verified(3, later)),
        new("Verified, older try", new CopyCommand.Verified(2, later)),
        new("Verified, other digest", new CopyCommand.Verified(3, Samples.ReceiptOf(Samples.OtherContent, Samples.Paris))),
        new("Repaired, proof", new CopyCommand.Repaired(3, later)),
        new("Repaired, older try", new CopyCommand.Repaired(2, later)),
        new("Repaired, the receipt from before", new CopyCommand.Repaired(3, Samples.ReceiptOf(Samples.Content, Samples.Paris))),
        new("Repaired, other digest", new CopyCommand.Repaired(3, Samples.ReceiptOf(Samples.OtherContent, Samples.Paris) with { VerifiedAt = Samples.Now })),
        new("Told", new CopyCommand.Told(0)),
        new("Told of an older revision", new CopyCommand.Told(-1)),
    ];

    [Fact]
    public void The_copy_machine_does_what_its_table_says()
    {
        MachineTable.MustReachAll(States.Select(s => s.Value.State));
        var machine = new Machine<Copy, CopyCommand, CopyEvent, CopyStep>((c, command) => CopyMachine.Decide(c, command, Samples.Now, policy),
            (c, e) => CopyMachine.Evolve(c, e, Samples.Now), c => CopyMachine.Next(c, Samples.Now, policy));
        Golden.Check("copy", MachineTable.Write("copy", machine, States, Commands));
    }
}
