using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>A pause may be heard on a pod before the order that it pauses: then the copy is still to come, and nobody may take it for cancelled.</summary>
public sealed class PauseTests
{
    private static readonly Copy Unordered = CopyMachine.Initial(Samples.Id, Samples.Paris);

    [Fact]
    public void A_copy_whose_pause_came_before_its_order_is_still_to_come_for_that_operation_alone()
    {
        var paused = After(Unordered, new CopyCommand.Hold(Samples.One, 1));
        Assert.Equal(CopyState.Pending, CopyMachine.StateFor(paused, Samples.One));
        Assert.Equal(CopyState.Deleted, CopyMachine.StateFor(paused, Samples.Two));
        Assert.Equal(TargetOutcome.Open, ShardMachine.OutcomeOf(CopyMachine.StateFor(paused, Samples.One), isCancelling: false));
    }

    [Fact]
    public void The_order_that_comes_after_its_pause_is_carried_out()
    {
        var ordered = After(After(Unordered, new CopyCommand.Hold(Samples.One, 1)), new CopyCommand.Ensure(Samples.Gen(2), Samples.One, Samples.Content, Samples.Source, Turn: 2));
        Assert.Equal(CopyState.Pending, ordered.State);
        Assert.False(ordered.IsHeld);
    }

    [Fact]
    public void A_pause_that_is_heard_while_another_operations_copy_is_removed_ends_nothing()
    {
        var removing = After(After(Unordered, new CopyCommand.Ensure(Samples.Gen(1), Samples.Two, Samples.Content, Samples.Source)), new CopyCommand.Cancel(Samples.Two));
        Assert.Equal(CopyState.Deleting, CopyMachine.StateFor(removing, Samples.Two));
        Assert.Equal(CopyState.Pending, CopyMachine.StateFor(After(removing, new CopyCommand.Hold(Samples.One, 1)), Samples.One));
    }

    [Fact]
    public void A_cancel_of_what_was_only_paused_ends_it()
    {
        var cancelled = After(After(Unordered, new CopyCommand.Hold(Samples.One, 1)), new CopyCommand.Cancel(Samples.One));
        Assert.Equal(CopyState.Deleted, CopyMachine.StateFor(cancelled, Samples.One));
    }

    private static Copy After(Copy copy, CopyCommand command) =>
        CopyMachine.Decide(copy, command, Samples.Now, RetryPolicy.Default).Events.Aggregate(copy, (now, happened) => CopyMachine.Evolve(now, happened, Samples.Now));
}
