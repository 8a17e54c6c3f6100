using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>What a version knows of a copy that was lost and came back, whoever says it and in whatever order the words arrive. Each of these was found by a seed of the
/// simulation.</summary>
public sealed class LossTests
{
    private static readonly Copy Whole = CopyMachine.Initial(Samples.Id, Samples.Paris) with
    {
        Role = CopyRole.Target, State = CopyState.Available, Generation = Samples.Gen(2), Attempt = 3, Content = Samples.Content, From = Samples.Source,
        Receipt = Samples.ReceiptOf(Samples.Content, Samples.Paris), WantedBy = [Samples.One],
    };

    private static readonly CopyCommand NewOrder = new CopyCommand.Ensure(Samples.Gen(3), Samples.Two, Samples.Content, Samples.Source);

    [Fact]
    public void A_new_order_for_a_lost_copy_waits_until_its_version_has_heard_of_the_loss()
    {
        var lost = After(Whole, new CopyCommand.Quarantine(Samples.Damaged));

        Assert.True(CopyMachine.MayPass(CopyMachine.Decide(lost, NewOrder, Samples.Now, RetryPolicy.Default).Refusal!));
        Assert.Equal(lost, After(lost, new CopyCommand.Retry(Samples.One)));
        Assert.Equal(CopyState.Pending, After(After(lost, new CopyCommand.Told(lost.Revision)), NewOrder).State);
    }

    [Fact]
    public void A_copy_that_is_made_anew_after_a_loss_says_itself_that_it_is_back()
    {
        var lost = After(Whole, new CopyCommand.Quarantine(Samples.Damaged));
        var made = After(After(After(lost, new CopyCommand.Told(lost.Revision)), NewOrder), new CopyCommand.Start());
        var back = After(made, new CopyCommand.Finalised(made.Attempt, Samples.ReceiptOf(Samples.Content, Samples.Paris)));

        Assert.Equal((CopyState.Available, true), (back.State, back.IsUntold));
        Assert.IsType<CopyStep.Tell>(CopyMachine.Next(back, Samples.Now, RetryPolicy.Default));
    }

    [Fact]
    public void A_copy_that_was_never_lost_tells_nobody_but_who_wants_it()
    {
        var first = After(After(CopyMachine.Initial(Samples.Id, Samples.Paris), NewOrder), new CopyCommand.Start());
        Assert.False(After(first, new CopyCommand.Finalised(first.Attempt, Samples.ReceiptOf(Samples.Content, Samples.Paris))).IsUntold);
    }

    [Fact]
    public void A_word_of_a_loss_that_comes_after_the_word_of_its_end_changes_nothing()
    {
        var version = Published(TargetOutcome.Available);
        var back = After(version, new VersionCommand.CopyRestored(Samples.Paris, 9));

        Assert.Equal(back, After(back, new VersionCommand.CopyLost(Samples.Paris, 7)));
        Assert.Equal(TargetOutcome.Available, back.Targets[Samples.Paris]);
    }

    [Fact]
    public void A_publish_that_heard_of_a_copy_before_it_was_lost_does_not_bring_it_back()
    {
        var version = Published(TargetOutcome.Open) with { OpenPublishes = [Samples.One] };
        var heard = new Dictionary<PodName, TargetOutcome> { [Samples.Paris] = TargetOutcome.Available };
        var ended = After(After(version, new VersionCommand.CopyLost(Samples.Paris, 7)), new VersionCommand.PublishEnded(Samples.One, false, heard));

        Assert.Equal(TargetOutcome.Failed, ended.Targets[Samples.Paris]);
        Assert.Equal(TargetOutcome.Available, After(ended, new VersionCommand.CopyRestored(Samples.Paris, 9)).Targets[Samples.Paris]);
    }

    [Fact]
    public void A_cancel_lets_go_of_a_lost_copy_that_was_being_made_anew_and_not_of_one_that_is_being_repaired()
    {
        var lost = After(Published(TargetOutcome.Available) with { OpenPublishes = [Samples.One] }, new VersionCommand.CopyLost(Samples.Paris, 7));
        Version Ended(TargetOutcome paris) => After(lost, new VersionCommand.PublishEnded(Samples.One, true, new Dictionary<PodName, TargetOutcome> { [Samples.Paris] = paris }));

        Assert.Equal(VersionStatus.DeploymentComplete, Ended(TargetOutcome.Cancelled).Status);
        Assert.Equal(VersionStatus.Failed, Ended(TargetOutcome.Failed).Status);
        Assert.Equal(VersionStatus.Available, After(Ended(TargetOutcome.Failed), new VersionCommand.CopyRestored(Samples.Paris, 9)).Status);
    }

    [Fact]
    public void A_retry_of_what_was_cancelled_here_wants_the_copy_again_though_another_publish_makes_it_and_once_only()
    {
        var failed = Whole with { State = CopyState.Failed, Receipt = null, WantedBy = [Samples.Two], LetGo = [Samples.One] };
        var retry = new CopyCommand.Ensure(Samples.Gen(2), Samples.One, Samples.Content, Samples.Source, Turn: 4, IsRetry: true);
        var both = After(After(failed, new CopyCommand.Retry(Samples.Two)), retry);

        Assert.Equal(CopyState.Pending, CopyMachine.StateFor(both, Samples.One));
        var cancelled = After(both, new CopyCommand.Cancel(Samples.One));
        Assert.Equal(cancelled, After(cancelled, retry));
    }

    [Fact]
    public void What_a_given_up_import_may_have_left_is_removed_until_it_is_gone_and_shows_why_it_failed()
    {
        var preparing = After(After(CopyMachine.Initial(Samples.Id, Samples.Source), new CopyCommand.EnsurePrepared(Samples.Gen(1), Samples.One, Samples.Disk)), new CopyCommand.Start());
        var failed = After(preparing, new CopyCommand.Faulted(preparing.Attempt, Samples.Lasting));
        Assert.Equal(new CopyStep.Remove(Final: true), CopyMachine.Next(failed, Samples.Now, RetryPolicy.Default));

        var again = After(failed, new CopyCommand.Faulted(failed.Attempt, Samples.Passing));
        Assert.IsType<CopyStep.Wait>(CopyMachine.Next(again, Samples.Now, RetryPolicy.Default));
        var gone = After(again, new CopyCommand.Removed(again.Attempt));
        Assert.Equal((CopyState.Failed, Samples.Lasting, false), (gone.State, gone.Fault, gone.IsHot));
    }

    private static Version Published(TargetOutcome paris) => VersionMachine.Initial(Samples.Id) with
    {
        Exists = true, Content = Samples.Content, SourcePod = Samples.Source, ImportState = OperationState.Succeeded,
        Targets = new Dictionary<PodName, TargetOutcome> { [Samples.Paris] = paris },
    };

    private static Copy After(Copy copy, CopyCommand command) =>
        CopyMachine.Decide(copy, command, Samples.Now, RetryPolicy.Default).Events.Aggregate(copy, (now, happened) => CopyMachine.Evolve(now, happened, Samples.Now));

    private static Version After(Version version, VersionCommand command) =>
        VersionMachine.Decide(version, command).Events.Aggregate(version, (now, happened) => VersionMachine.Evolve(now, happened, Samples.Now));
}
