using CsCheck;
using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: a publish and its shards always add up and always end. Method: random words of pods, retries and cancels, in any order.</summary>
public sealed class PublishPropertyTests
{
    private static readonly PublishOrder order = Samples.OrderOf(Samples.One, Samples.Paris, Samples.Oslo, new PodName("rome"));

    private static readonly Gen<PublishCommand> publishCommand = Gen.OneOf<PublishCommand>(
        Gen.Const<PublishCommand>(new PublishCommand.Start(order)),
        Gen.Select(Gen.Int[0, 1], Gen.Int[0, 3], Gen.Int[0, 3], Gen.Int[0, 2]).Select(PublishCommand (shard, available, failed, round) =>
            new PublishCommand.ShardChanged(shard, new TargetTotals(3, Math.Min(available, 3), Math.Min(failed, 3 - available), 0), round)),
        Sequences.AnyOf<PublishCommand>(new PublishCommand.Pause(), new PublishCommand.Resume(), new PublishCommand.Cancel(), new PublishCommand.Retry(), new PublishCommand.VersionTold()));

    private static readonly Gen<ShardCommand> shardCommand = Gen.OneOf<ShardCommand>(
        Gen.Int[0, 2].Select(ShardCommand (round) => new ShardCommand.Drive(order, round)),
        Gen.Int[0, 2].Select(ShardCommand (round) => new ShardCommand.Cancel(order, round)),
        Gen.Select(Sequences.Pod, Gen.Enum<CopyState>(), Sequences.Fault, Gen.Int[0, 5]).Select(ShardCommand (pod, state, fault, attempt) =>
            new ShardCommand.Reported(pod, state, fault, 1, attempt)),
        Gen.Select(Sequences.Pod, Sequences.Fault).Select(ShardCommand (pod, fault) => new ShardCommand.Refused(pod, fault)));

    [Fact]
    public void Totals_add_up_and_a_publish_that_ended_stays_ended_until_a_retry() => publishCommand.Array[1, Sequences.Length].Sample(steps =>
    {
        var publish = PublishMachine.Initial(Samples.One);
        foreach (var step in steps)
        {
            var after = PublishMachine.Decide(publish, step).Events.Aggregate(publish, (p, e) => PublishMachine.Evolve(p, e, Samples.Now));
            Assert.True(after.Order is null || after.Totals.All == order.Targets.Count);
            Assert.True(after.Totals.Open >= 0);
            Assert.True(!after.State.IsEnded() || after.Totals.Open == 0);
            Assert.True(!publish.State.IsEnded() || after.State == publish.State || (step is PublishCommand.Retry && after.Round == publish.Round + 1));
            Assert.True(after.Round == publish.Round || step is PublishCommand.Retry);
            Assert.Equal(after.State.IsEnded(), after.EndedAt is not null);
            Sequences.MustSurviveRestart(after, PublishMachine.Next);
            publish = after;
        }
    }, iter: Sequences.Runs, threads: 1);

    [Fact]
    public void A_shard_never_loses_a_target_and_ends_each_once_a_round() => shardCommand.Array[1, Sequences.Length].Sample(steps =>
    {
        var shard = ShardMachine.Initial(0);
        foreach (var step in steps)
        {
            var after = ShardMachine.Decide(shard, step).Events.Aggregate(shard, ShardMachine.Evolve);
            Assert.True(after.Order is null || after.Targets.Select(t => t.Pod).SequenceEqual(order.Targets));
            Assert.True(after.Round >= shard.Round);
            foreach (var (was, now) in shard.Targets.Zip(after.Targets))
            {
                Assert.True(now.Attempt >= was.Attempt);
                var reopens = was.Outcome == TargetOutcome.Failed && now.Outcome == TargetOutcome.Open && after.Round > shard.Round;
                Assert.True(was.Outcome == TargetOutcome.Open || now.Outcome == was.Outcome || reopens, $"{was} became {now} by {step}");
            }

            Assert.Equal(after.Totals.All, after.Totals.Open + after.Totals.Available + after.Totals.Failed + after.Totals.Cancelled);
            Sequences.MustSurviveRestart(after, ShardMachine.Next);
            shard = after;
        }
    }, iter: Sequences.Runs, threads: 1);

    [Fact]
    public void Shards_cover_every_target_once_whatever_their_number() => Gen.Int[1, 1_200].Sample(count =>
    {
        var wide = Samples.OrderOf(Samples.One, [.. Enumerable.Range(0, count).Select(n => new PodName($"pod-{n}"))]);
        var covered = Enumerable.Range(0, PublishMachine.ShardsOf(wide)).SelectMany(n => PublishMachine.TargetsOf(wide, n));
        Assert.Equal(wide.Targets, covered);
    }, iter: 200, threads: 1);
}
