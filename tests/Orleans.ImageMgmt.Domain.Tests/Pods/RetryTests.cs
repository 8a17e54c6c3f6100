using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>What a retry may meet: a cancel that comes late and is about the past, a failure that nobody has a number of, a word from the round before.</summary>
public sealed class RetryTests
{
    private static readonly PublishOrder Order = new(Samples.One, Samples.Id, Samples.Gen(2), Samples.Content, Samples.Source, [Samples.Paris], new RequestedBy("ada", "test"));

    [Fact]
    public void A_shard_does_not_cancel_a_later_round()
    {
        var retried = After(After(ShardMachine.Initial(0), new ShardCommand.Drive(Order, 0)), new ShardCommand.Drive(Order, 1, Turn: 1));

        Assert.False(After(retried, new ShardCommand.Cancel(Order, 0)).IsCancelling);
        Assert.True(After(retried, new ShardCommand.Cancel(Order, 1)).IsCancelling);
    }

    [Fact]
    public void A_pod_goes_on_with_what_was_retried_since()
    {
        var retry = new CopyCommand.Ensure(Samples.Gen(2), Samples.One, Samples.Content, Samples.Source, Turn: 2, IsRetry: true);
        var retried = After(CopyMachine.Initial(Samples.Id, Samples.Paris), retry);

        Assert.Equal(retried, After(retried, new CopyCommand.Cancel(Samples.One, 1)));
        Assert.Equal(CopyState.Deleting, After(retried, new CopyCommand.Cancel(Samples.One, 2)).State);
        Assert.Equal(CopyState.Deleting, After(retried, new CopyCommand.Cancel(Samples.One)).State);
    }

    [Fact]
    public void A_target_that_was_refused_before_it_had_a_number_learns_it_from_the_failure_that_is_found()
    {
        var refused = After(After(ShardMachine.Initial(0), new ShardCommand.Drive(Order, 0)), new ShardCommand.Refused(Samples.Paris, Samples.Lasting));
        var retried = After(refused, new ShardCommand.Drive(Order, 1, Turn: 1));
        var learned = After(retried, new ShardCommand.Reported(Samples.Paris, CopyState.Failed, Samples.Lasting, 2, 5));

        Assert.Equal((TargetOutcome.Open, true, 5), (learned.Targets[0].Outcome, learned.Targets[0].IsRetryAsked, learned.Targets[0].Attempt));
        Assert.Equal(TargetOutcome.Failed, After(learned, new ShardCommand.Reported(Samples.Paris, CopyState.Failed, Samples.Lasting, 1, 6)).Targets[0].Outcome);
    }

    [Fact]
    public void A_retry_tries_again_what_another_publish_has_tried_since()
    {
        var failed = CopyMachine.Initial(Samples.Id, Samples.Paris) with
        {
            Role = CopyRole.Target, State = CopyState.Failed, Generation = Samples.Gen(2), Attempt = 16, Content = Samples.Content, From = Samples.Source, WantedBy = [Samples.Two],
        };
        var retry = new CopyCommand.Ensure(Samples.Gen(2), Samples.One, Samples.Content, Samples.Source, Turn: 1, IsRetry: true);
        var retried = After(failed, retry);

        Assert.Equal((CopyState.Pending, 17), (retried.State, retried.Attempt));
        Assert.Equal(retried, After(After(retried, retry), new CopyCommand.Retry(Samples.One, 8)));
    }

    private static Shard After(Shard shard, ShardCommand command) => ShardMachine.Decide(shard, command).Events.Aggregate(shard, ShardMachine.Evolve);

    private static Copy After(Copy copy, CopyCommand command) =>
        CopyMachine.Decide(copy, command, Samples.Now, RetryPolicy.Default).Events.Aggregate(copy, (now, happened) => CopyMachine.Evolve(now, happened, Samples.Now));
}
