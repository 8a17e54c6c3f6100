using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: nobody changes what a publish does in any state without reading it. Method: every state × every command as committed text.</summary>
public sealed class PublishTableTests
{
    private static readonly PublishOrder order = Samples.OrderOf(Samples.One, Samples.Paris, Samples.Oslo);

    private static readonly Publish running = PublishMachine.Initial(Samples.One) with
    {
        Order = order, State = OperationState.Running, Shards = [new TargetTotals(2, 1, 0, 0)], StartedAt = Samples.Start,
    };

    [Fact]
    public void The_publish_machine_does_what_its_table_says()
    {
        var states = States();
        MachineTable.MustReachAll(states.Select(s => s.Value.State));
        var machine = new Machine<Publish, PublishCommand, PublishEvent, PublishStep>(PublishMachine.Decide,
            (p, e) => PublishMachine.Evolve(p, e, Samples.Now), PublishMachine.Next);
        Golden.Check("publish", MachineTable.Write("publish", machine, states, Commands()));
    }

    private static List<Sample<Publish>> States() =>
    [
        new("Accepted, never started", PublishMachine.Initial(Samples.One)),
        new("Running, one open", running),
        new("Running, one failed, one open", running with { Shards = [new TargetTotals(2, 0, 1, 0)] }),
        new("Running, second round", running with { Round = 1 }),
        new("Running, cancelling", running with { IsCancelling = true }),
        new("Running, cancelling, round two", running with { IsCancelling = true, Round = 1 }),
        new("Paused", running with { State = OperationState.Paused, Turn = 1 }),
        new("Running, resumed", running with { Turn = 2 }),
        new("Succeeded, not told", Ended(OperationState.Succeeded, new TargetTotals(2, 2, 0, 0)) with { IsTold = false }),
        new("Succeeded", Ended(OperationState.Succeeded, new TargetTotals(2, 2, 0, 0))),
        new("PartiallySucceeded", Ended(OperationState.PartiallySucceeded, new TargetTotals(2, 1, 1, 0))),
        new("Failed", Ended(OperationState.Failed, new TargetTotals(2, 0, 2, 0))),
        new("Cancelled", Ended(OperationState.Cancelled, new TargetTotals(2, 1, 0, 1)) with { IsCancelling = true }),
    ];

    private static List<Sample<PublishCommand>> Commands() =>
    [
        new("Start", new PublishCommand.Start(order)),
        new("ShardChanged, both available", new PublishCommand.ShardChanged(0, new TargetTotals(2, 2, 0, 0), 0)),
        new("ShardChanged, one available", new PublishCommand.ShardChanged(0, new TargetTotals(2, 1, 0, 0), 0)),
        new("ShardChanged, one failed", new PublishCommand.ShardChanged(0, new TargetTotals(2, 1, 1, 0), 0)),
        new("ShardChanged, both failed", new PublishCommand.ShardChanged(0, new TargetTotals(2, 0, 2, 0), 0)),
        new("ShardChanged, one cancelled", new PublishCommand.ShardChanged(0, new TargetTotals(2, 1, 0, 1), 0)),
        new("ShardChanged, both cancelled", new PublishCommand.ShardChanged(0, new TargetTotals(2, 0, 0, 2), 0)),
        new("ShardChanged, none, late", new PublishCommand.ShardChanged(0, new TargetTotals(2, 0, 0, 0), 0)),
        new("ShardChanged, no such shard", new PublishCommand.ShardChanged(7, new TargetTotals(2, 2, 0, 0), 0)),
        new("ShardChanged, second round", new PublishCommand.ShardChanged(0, new TargetTotals(2, 2, 0, 0), 1)),
        new("Pause", new PublishCommand.Pause()),
        new("Resume", new PublishCommand.Resume()),
        new("Cancel", new PublishCommand.Cancel()),
        new("Retry", new PublishCommand.Retry()),
        new("Retry, paris alone", new PublishCommand.Retry(Samples.Paris)),
        new("Retry, a stranger", new PublishCommand.Retry(new PodName("rome"))),
        new("VersionTold", new PublishCommand.VersionTold()),
    ];

    private static Publish Ended(OperationState state, TargetTotals totals) =>
        running with { State = state, Shards = [totals], IsTold = true, EndedAt = Samples.Now };
}
