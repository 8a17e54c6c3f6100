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
        var back = After(version, new VersionCommand.CopyRestored(Samples.Paris, 9, Samples.Gen(2)));

        Assert.Equal(back, After(back, new VersionCommand.CopyLost(Samples.Paris, 7, Samples.Gen(2))));
        Assert.Equal(TargetOutcome.Available, back.Targets[Samples.Paris]);
    }

    [Fact]
    public void A_publish_that_heard_of_a_copy_before_it_was_lost_does_not_bring_it_back()
    {
        var version = Published(TargetOutcome.Open) with { OpenPublishes = [Samples.One] };
        var heard = new Dictionary<PodName, TargetOutcome> { [Samples.Paris] = TargetOutcome.Available };
        var ended = After(After(version, new VersionCommand.CopyLost(Samples.Paris, 7, Samples.Gen(2))), new VersionCommand.PublishEnded(Samples.One, false, heard));

        Assert.Equal(TargetOutcome.Failed, ended.Targets[Samples.Paris]);
        Assert.Equal(TargetOutcome.Available, After(ended, new VersionCommand.CopyRestored(Samples.Paris, 9, Samples.Gen(2))).Targets[Samples.Paris]);
    }

    [Fact]
    public void A_lost_copy_whose_making_anew_is_cancelled_says_itself_that_it_is_wanted_no_more()
    {
        var lost = After(Whole, new CopyCommand.Quarantine(Samples.Damaged));
        var gone = After(After(After(lost, new CopyCommand.Told(lost.Revision)), NewOrder), new CopyCommand.Cancel(Samples.Two));
        gone = After(gone, new CopyCommand.Removed(gone.Attempt));
        Assert.Equal((CopyState.Deleted, true), (gone.State, gone.IsUntold));
        Assert.IsType<CopyStep.Tell>(CopyMachine.Next(gone, Samples.Now, RetryPolicy.Default));
        Assert.Equal((false, null), (After(gone, new CopyCommand.Told(gone.Revision)).IsHot, After(gone, new CopyCommand.Told(gone.Revision)).DamagedAt));

        var lostThere = After(Published(TargetOutcome.Available), new VersionCommand.CopyLost(Samples.Paris, 7, Samples.Gen(2)));
        var cancelled = new VersionCommand.PublishEnded(Samples.Two, true, new Dictionary<PodName, TargetOutcome> { [Samples.Paris] = TargetOutcome.Cancelled });
        var version = After(After(lostThere, new VersionCommand.BeginPublish(Samples.Two, [Samples.Paris])), cancelled);
        Assert.Equal(VersionStatus.DeploymentComplete, After(version, new VersionCommand.CopyLetGo(Samples.Paris, 8, Samples.Gen(2))).Status);
        Assert.Contains(Samples.Paris, After(version, new VersionCommand.CopyLetGo(Samples.Paris, 8, Samples.Gen(2))).Former);
    }

    [Fact]
    public void A_cancelled_publish_does_not_forget_a_copy_that_is_being_repaired()
    {
        var lost = After(Published(TargetOutcome.Available) with { OpenPublishes = [Samples.One] }, new VersionCommand.CopyLost(Samples.Paris, 7, Samples.Gen(2)));
        var ended = After(lost, new VersionCommand.PublishEnded(Samples.One, true, new Dictionary<PodName, TargetOutcome> { [Samples.Paris] = TargetOutcome.Cancelled }));

        Assert.Equal(VersionStatus.Failed, ended.Status);
        Assert.Equal(VersionStatus.Available, After(ended, new VersionCommand.CopyRestored(Samples.Paris, 9, Samples.Gen(2))).Status);
    }

    [Fact]
    public void What_an_earlier_publish_believes_of_a_lost_copy_does_not_count_after_a_later_one_has_failed_to_make_it_anew()
    {
        var version = After(Published(TargetOutcome.Available) with { OpenPublishes = [Samples.One] }, new VersionCommand.CopyLost(Samples.Paris, 7, Samples.Gen(2)));
        Version Ended(Version v, OperationId operation, TargetOutcome paris) => After(v, new VersionCommand.PublishEnded(operation, false, new Dictionary<PodName, TargetOutcome> { [Samples.Paris] = paris }));
        var failed = Ended(After(version, new VersionCommand.BeginPublish(Samples.Two, [Samples.Paris])), Samples.Two, TargetOutcome.Failed);

        Assert.Equal(TargetOutcome.Failed, Ended(failed, Samples.One, TargetOutcome.Available).Targets[Samples.Paris]);
    }

    [Fact]
    public void A_cancelled_publish_that_never_reached_a_copy_in_repair_does_not_forget_it()
    {
        var lost = After(Published(TargetOutcome.Available), new VersionCommand.CopyLost(Samples.Paris, 7, Samples.Gen(2)));
        var cancelled = new VersionCommand.PublishEnded(Samples.Two, true, new Dictionary<PodName, TargetOutcome> { [Samples.Paris] = TargetOutcome.Failed, [Samples.Oslo] = TargetOutcome.Cancelled });
        var ended = After(After(lost, new VersionCommand.BeginPublish(Samples.Two, [Samples.Paris, Samples.Oslo])), cancelled);

        Assert.Equal([Samples.Paris], ended.Targets.Keys);
        Assert.Equal(VersionStatus.Available, After(ended, new VersionCommand.CopyRestored(Samples.Paris, 9, Samples.Gen(2))).Status);
    }

    [Fact]
    public void A_target_that_was_lost_once_and_fails_later_is_no_lost_one()
    {
        var version = After(After(Published(TargetOutcome.Available), new VersionCommand.CopyLost(Samples.Paris, 7, Samples.Gen(2))), new VersionCommand.CopyLetGo(Samples.Paris, 9, Samples.Gen(2)));
        Version Told(Version v, OperationId operation, TargetOutcome paris) => After(v, new VersionCommand.TargetsChanged(operation, new Dictionary<PodName, TargetOutcome> { [Samples.Paris] = paris }));
        var failed = Told(After(version, new VersionCommand.BeginPublish(Samples.Two, [Samples.Paris])), Samples.Two, TargetOutcome.Failed);

        Assert.Equal(TargetOutcome.Failed, failed.Targets[Samples.Paris]);
        Assert.Equal(TargetOutcome.Available, Told(failed, Samples.Two, TargetOutcome.Available).Targets[Samples.Paris]);
    }

    [Fact]
    public void A_copy_that_is_back_counts_whatever_a_publish_still_believes()
    {
        var version = After(Published(TargetOutcome.Available), new VersionCommand.CopyLost(Samples.Paris, 7, Samples.Gen(2)));
        var back = After(After(version, new VersionCommand.BeginPublish(Samples.Two, [Samples.Paris])), new VersionCommand.CopyRestored(Samples.Paris, 9, Samples.Gen(2)));
        var ended = After(back, new VersionCommand.PublishEnded(Samples.Two, false, new Dictionary<PodName, TargetOutcome> { [Samples.Paris] = TargetOutcome.Failed }));

        Assert.Equal(VersionStatus.Available, ended.Status);
        Assert.Equal(ended, After(ended, new VersionCommand.CopyLost(Samples.Paris, 10, Samples.Gen(0))));
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

    [Fact]
    public void An_import_does_not_wait_for_ever_behind_what_an_earlier_one_left()
    {
        var next = new CopyCommand.EnsurePrepared(Samples.Gen(5), Samples.Two, Samples.Disk);
        var failed = Whole with { Role = CopyRole.Source, State = CopyState.Failed, Receipt = null, ClearAt = Samples.Start };
        var removing = After(failed, next);
        Assert.True(CopyMachine.MayPass(CopyMachine.Decide(removing, next, Samples.Now, RetryPolicy.Default).Refusal!));

        for (var n = 0; n < RetryPolicy.Default.MaxTries; n++)
        {
            removing = After(removing, new CopyCommand.Faulted(removing.Attempt, Samples.Passing));
        }

        var refusal = CopyMachine.Decide(removing, next, Samples.Now, RetryPolicy.Default).Refusal!;
        Assert.Equal(("copy.not-removed", false), (refusal.Code, CopyMachine.MayPass(refusal)));
        Assert.Equal(CopyState.Pending, After(failed with { ClearAt = null }, next).State);
    }

    [Fact]
    public void A_cancel_of_an_import_means_its_order_and_not_the_one_of_a_later_retry()
    {
        var failed = Whole with { Role = CopyRole.Source, State = CopyState.Failed, Receipt = null };
        CopyCommand Order(long generation) => new CopyCommand.EnsurePrepared(Samples.Gen(generation), Samples.One, Samples.Disk);

        var crossed = After(failed, new CopyCommand.Cancel(Samples.One, null, Samples.Gen(2)));
        Assert.Equal(CopyState.Pending, After(crossed, Order(3)).State);
        var cancelled = After(failed, new CopyCommand.Cancel(Samples.One, null, Samples.Gen(3)));
        Assert.Equal(cancelled, After(cancelled, Order(3)));
    }

    [Fact]
    public void A_publish_does_not_wait_for_ever_behind_a_removal()
    {
        var removing = Whole with { State = CopyState.Deleting, Receipt = null, WantedBy = [], Fault = Samples.Passing, Tries = RetryPolicy.Default.MaxTries, RetryAt = Samples.Now.AddMinutes(1) };
        var refusal = CopyMachine.Decide(removing, NewOrder, Samples.Now, RetryPolicy.Default).Refusal!;
        Assert.Equal(("copy.not-removed", false), (refusal.Code, CopyMachine.MayPass(refusal)));
        Assert.True(CopyMachine.MayPass(CopyMachine.Decide(removing with { RetryAt = Samples.Now }, NewOrder, Samples.Now, RetryPolicy.Default).Refusal!));
    }

    private static Version Published(TargetOutcome paris) => VersionMachine.Initial(Samples.Id) with
    {
        Exists = true, ImportGeneration = Samples.Gen(1), Content = Samples.Content, SourcePod = Samples.Source, ImportState = OperationState.Succeeded,
        Targets = new Dictionary<PodName, TargetOutcome> { [Samples.Paris] = paris },
    };

    private static Copy After(Copy copy, CopyCommand command) =>
        CopyMachine.Decide(copy, command, Samples.Now, RetryPolicy.Default).Events.Aggregate(copy, (now, happened) => CopyMachine.Evolve(now, happened, Samples.Now));

    private static Version After(Version version, VersionCommand command) =>
        VersionMachine.Decide(version, command).Events.Aggregate(version, (now, happened) => VersionMachine.Evolve(now, happened, Samples.Now));
}
