using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: nobody changes what a shard does in any state without reading it. Method: every state × every command as committed text.</summary>
public sealed class ShardTableTests
{
    private static readonly PublishOrder order = Samples.OrderOf(Samples.One, Samples.Paris, Samples.Oslo);

    [Fact]
    public void The_shard_machine_does_what_its_table_says()
    {
        var states = States();
        MachineTable.MustReachAll(states.SelectMany(s => s.Value.Targets).Select(t => t.Outcome));
        var machine = new Machine<Shard, ShardCommand, ShardEvent, ShardStep>(ShardMachine.Decide, ShardMachine.Evolve, ShardMachine.Next);
        Golden.Check("shard", MachineTable.Write("shard", machine, states, Commands()));
    }

    private static List<Sample<Shard>> States() =>
    [
        new("never driven", ShardMachine.Initial(0)),
        new("both open", With(TargetOutcome.Open, TargetOutcome.Open)),
        new("paris open, cancelling", With(TargetOutcome.Open, TargetOutcome.Available) with { IsCancelling = true }),
        new("both open, paused", With(TargetOutcome.Open, TargetOutcome.Open) with { Turn = 1, IsPaused = true }),
        new("both open, gone on", With(TargetOutcome.Open, TargetOutcome.Open) with { Turn = 2 }),
        new("paris retried", With(TargetOutcome.Open, TargetOutcome.Available, isRetryAsked: true) with { Round = 1 }),
        new("paris retried, cancelling", With(TargetOutcome.Open, TargetOutcome.Available, isRetryAsked: true) with { Round = 1, IsCancelling = true }),
        new("paris failed", With(TargetOutcome.Failed, TargetOutcome.Available)),
        new("all available", With(TargetOutcome.Available, TargetOutcome.Available)),
        new("paris cancelled", With(TargetOutcome.Cancelled, TargetOutcome.Available) with { IsCancelling = true }),
    ];

    private static List<Sample<ShardCommand>> Commands()
    {
        List<Sample<ShardCommand>> commands =
        [
            new("Drive, first round", new ShardCommand.Drive(order, 0)),
            new("Drive, second round", new ShardCommand.Drive(order, 1)),
            new("Drive, second round for paris", new ShardCommand.Drive(order, 1, RetryScope.None.With(Samples.Paris, 1))),
            new("Drive, second round for oslo", new ShardCommand.Drive(order, 1, RetryScope.None.With(Samples.Oslo, 1))),
            new("Drive, third round, paris in the 1st", new ShardCommand.Drive(order, 2, RetryScope.None.With(Samples.Paris, 1))),
            new("Drive, first turn again", new ShardCommand.Drive(order, 0, null, 0)),
            new("Drive, third turn", new ShardCommand.Drive(order, 0, null, 2)),
            new("Hold, second turn", new ShardCommand.Hold(order, 0, null, 1)),
            new("Hold, fourth turn", new ShardCommand.Hold(order, 0, null, 3)),
            new("Hold, second round", new ShardCommand.Hold(order, 1, null, 3)),
            new("Cancel", new ShardCommand.Cancel(order)),
            new("Cancel, second round", new ShardCommand.Cancel(order, 1)),
            new("Refused by paris", new ShardCommand.Refused(Samples.Paris, Samples.Lasting)),
            new("Reported by a stranger", new ShardCommand.Reported(new PodName("rome"), CopyState.Available, null, 1)),
        ];
        commands.Add(new("Reported by paris: new failure", new ShardCommand.Reported(Samples.Paris, CopyState.Failed, Samples.Lasting, 1, 5)));
        commands.Add(new("Reported by paris: old failure", new ShardCommand.Reported(Samples.Paris, CopyState.Failed, Samples.Lasting, 2, 3)));
        commands.Add(new("Reported by paris: overtaken failure", new ShardCommand.Reported(Samples.Paris, CopyState.Failed, Samples.Lasting, 2, 2)));
        commands.Add(new("Reported by paris: removal fails", new ShardCommand.Reported(Samples.Paris, CopyState.Deleting, Samples.Passing, 1, 4)));
        commands.AddRange(Enum.GetValues<CopyState>().Select(state => new Sample<ShardCommand>($"Reported by paris: {state}",
            new ShardCommand.Reported(Samples.Paris, state, state is CopyState.Failed or CopyState.RetryPending ? Samples.Lasting : null, 2))));
        return commands;
    }

    private static Shard With(TargetOutcome paris, TargetOutcome oslo, bool isRetryAsked = false) => ShardMachine.Initial(0) with
    {
        Order = order,
        Targets =
        [
            new ShardTarget(Samples.Paris, paris, paris == TargetOutcome.Failed ? Samples.Lasting : null, 1, isRetryAsked, 3),
            new ShardTarget(Samples.Oslo, oslo, null, 1),
        ],
    };
}
