using CsCheck;
using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: no order of commands breaks a version. Method: random command sequences beside a second, plain implementation.</summary>
public sealed class VersionPropertyTests
{
    private static readonly Gen<VersionCommand> command = Gen.OneOf<VersionCommand>(
        Sequences.Operation.Select(VersionCommand (o) => new VersionCommand.BeginImport(o, "filesystem", Samples.Source, Samples.Disk, null, "")),
        Sequences.Operation.Select(VersionCommand (o) => new VersionCommand.Prepared(o, Samples.Content, Samples.ReceiptOf(Samples.Content, Samples.Source))),
        Gen.Select(Sequences.Operation, Sequences.Fault).Select(VersionCommand (o, f) => new VersionCommand.PrepareFailed(o, f)),
        Sequences.Operation.Select(VersionCommand (o) => new VersionCommand.CancelImport(o)),
        Gen.Select(Sequences.Operation, Sequences.Pod.HashSet[0, 3]).Select(VersionCommand (o, pods) => new VersionCommand.BeginPublish(o, [.. pods])),
        Sequences.Operation.Select(VersionCommand (o) => new VersionCommand.PublishStarted(o)),
        Gen.Select(Sequences.Operation, Sequences.Outcomes).Select(VersionCommand (o, outcomes) => new VersionCommand.TargetsChanged(o, outcomes)),
        Gen.Select(Sequences.Operation, Gen.Bool, Sequences.Outcomes).Select(VersionCommand (o, cancelled, outcomes) => new VersionCommand.PublishEnded(o, cancelled, outcomes)),
        Gen.Const<VersionCommand>(new VersionCommand.Disable()),
        Gen.Const<VersionCommand>(new VersionCommand.Enable()),
        Sequences.Operation.Select(VersionCommand (o) => new VersionCommand.BeginDelete(o)),
        Sequences.Pod.Select(VersionCommand (p) => new VersionCommand.CopyRemoved(p)),
        Gen.Select(Sequences.Pod, Gen.Int[1, 5]).Select(VersionCommand (p, revision) => new VersionCommand.CopyLost(p, revision, Samples.Gen(9))),
        Gen.Select(Sequences.Pod, Gen.Int[1, 5]).Select(VersionCommand (p, revision) => new VersionCommand.CopyRestored(p, revision, Samples.Gen(9))),
        Gen.Select(Sequences.Pod, Gen.Int[1, 5]).Select(VersionCommand (p, revision) => new VersionCommand.CopyLetGo(p, revision, Samples.Gen(9))),
        Gen.Const<VersionCommand>(new VersionCommand.CopyRemoved(Samples.Source)));

    [Fact]
    public void Generation_and_revision_never_fall() => ForEachStep((before, _, after) =>
    {
        Assert.True(after.Generation >= before.Generation);
        Assert.True(after.Revision > before.Revision || ReferenceEquals(before, after));
    });

    [Fact]
    public void The_status_is_what_a_second_implementation_says() => ForEachStep((_, _, after) => Assert.Equal(Expected(after), after.Status));

    [Fact]
    public void A_version_without_open_publishes_has_no_open_target_and_nothing_unstarted() => ForEachStep((_, _, after) =>
    {
        Assert.True(after.OpenPublishes.Count > 0 || !after.Targets.Values.Contains(TargetOutcome.Open) || after.Delete is not null);
        Assert.True(after.Unstarted.All(u => after.OpenPublishes.Contains(u.Operation)));
        Assert.True(after.OpenPublishes.Count <= VersionMachine.OpenPublishesLimit);
    });

    [Fact]
    public void An_available_target_stays_available_until_the_version_is_deleted_or_its_copy_is_lost() => ForEachStep((before, step, after) =>
    {
        if (before.Delete is null && after.Delete is null && before.Import == after.Import)
        {
            var lost = (step as VersionCommand.CopyLost)?.Pod;
            Assert.All(before.Targets.Where(t => t.Value == TargetOutcome.Available && t.Key != lost), t => Assert.Equal(TargetOutcome.Available, after.Targets.GetValueOrDefault(t.Key)));
        }
    });

    [Fact]
    public void A_word_about_a_lost_copy_that_is_older_than_one_heard_before_changes_nothing() => ForEachStep((before, step, after) =>
    {
        var (pod, revision) = step switch { VersionCommand.CopyLost c => (c.Pod, c.Revision), VersionCommand.CopyRestored c => (c.Pod, c.Revision), _ => (default, long.MaxValue) };
        if (revision < long.MaxValue && before.LostCopies.TryGetValue(pod, out var heard) && revision <= heard)
        {
            Assert.Same(before, after);
        }
    });

    [Fact]
    public void A_delete_asks_every_pod_that_was_ever_a_target() => command.Array[1, Sequences.Length].Sample(steps =>
    {
        var version = VersionMachine.Initial(Samples.Id);
        var everTargets = new HashSet<PodName>();
        foreach (var step in steps)
        {
            var decision = VersionMachine.Decide(version, step);
            version = decision.Events.Aggregate(version, (v, e) => VersionMachine.Evolve(v, e, Samples.Now));
            if (decision.Events.OfType<VersionEvent.ImportBegan>().Any())
            {
                everTargets.Clear();
            }

            everTargets.UnionWith(version.Targets.Keys);
            if (decision.Events.OfType<VersionEvent.DeleteBegan>().Any())
            {
                Assert.Superset(everTargets, version.Removing.ToHashSet());
            }
        }
    }, iter: Sequences.Runs, threads: 1);

    [Fact]
    public void The_same_command_again_changes_nothing() => ForEachStep((_, command, after) =>
    {
        var again = VersionMachine.Decide(after, command);
        Assert.Empty(again.Events);
    });

    [Fact]
    public void Every_state_wants_the_same_next_after_a_restart() => ForEachStep((_, _, after) => Sequences.MustSurviveRestart(after, VersionMachine.Next));

    /// <summary>The table of product.md, line by line.</summary>
    private static VersionStatus Expected(Version version)
    {
        if (version.IsDeleted)
        {
            return VersionStatus.Deleted;
        }

        if (version.Delete is not null)
        {
            return VersionStatus.Deleting;
        }

        if (version.ImportState is OperationState.Accepted or OperationState.Running)
        {
            return VersionStatus.Importing;
        }

        if (version.ImportState != OperationState.Succeeded)
        {
            return VersionStatus.Failed;
        }

        if (version.IsDisabled)
        {
            return VersionStatus.Disabled;
        }

        int open = 0, available = 0, all = 0;
        foreach (var outcome in version.Targets.Values)
        {
            all++;
            open += outcome == TargetOutcome.Open ? 1 : 0;
            available += outcome == TargetOutcome.Available ? 1 : 0;
        }

        if (open > 0 && version.OpenPublishes.Count > 0)
        {
            return VersionStatus.Replicating;
        }

        if (all == 0)
        {
            return VersionStatus.DeploymentComplete;
        }

        return available == all ? VersionStatus.Available : available == 0 ? VersionStatus.Failed : VersionStatus.PartiallyAvailable;
    }

    private static void ForEachStep(Action<Version, VersionCommand, Version> check) => command.Array[1, Sequences.Length].Sample(steps =>
    {
        var version = VersionMachine.Initial(Samples.Id);
        foreach (var step in steps)
        {
            var after = VersionMachine.Decide(version, step).Events.Aggregate(version, (v, e) => VersionMachine.Evolve(v, e, Samples.Now));
            check(version, step, after);
            version = after;
        }
    }, iter: Sequences.Runs, threads: 1);
}
