using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: nobody changes what a version does in any state without reading it. Method: every state × every command as committed text.</summary>
public sealed class VersionTableTests
{
    private static readonly Version complete = VersionMachine.Initial(Samples.Id) with
    {
        Exists = true, Family = "filesystem", SourcePod = Samples.Source, Source = Samples.Disk, Generation = Samples.Gen(1),
        Import = new OperationId("imp-1"), ImportState = OperationState.Succeeded, ImportGeneration = Samples.Gen(1), Content = Samples.Content,
        SourceReceipt = Samples.ReceiptOf(Samples.Content, Samples.Source),
    };

    private static readonly Version importing = complete with { ImportState = OperationState.Running, Content = null, SourceReceipt = null };

    private static IReadOnlyList<Sample<Version>> States { get; } =
    [
        new("never seen", VersionMachine.Initial(Samples.Id)),
        new("Importing", importing),
        new("Failed, import", importing with { ImportState = OperationState.Failed, Fault = Samples.Lasting }),
        new("DeploymentComplete", complete),
        new("Replicating, op-1 to both", complete with { OpenPublishes = [Samples.One], Targets = Of(TargetOutcome.Open, TargetOutcome.Open) }),
        new("Replicating, op-1 and op-2", complete with { OpenPublishes = [Samples.One, Samples.Two], Targets = Of(TargetOutcome.Available, TargetOutcome.Open) }),
        new("Replicating, op-1 not stored", complete with { OpenPublishes = [Samples.One], Targets = Of(TargetOutcome.Open, TargetOutcome.Open), Unstarted = [new UnstartedPublish(Samples.One, Samples.Gen(1), [Samples.Paris, Samples.Oslo])] }),
        new("Available", complete with { Targets = Of(TargetOutcome.Available, TargetOutcome.Available) }),
        new("PartiallyAvailable", complete with { Targets = Of(TargetOutcome.Available, TargetOutcome.Failed) }),
        new("PartiallyAvailable, paris lost", complete with { Targets = Of(TargetOutcome.Failed, TargetOutcome.Available), LostCopies = new Dictionary<PodName, long> { [Samples.Paris] = 5 }, Lost = [Samples.Paris] }),
        new("PartiallyAvailable, paris was lost and failed", complete with { Targets = Of(TargetOutcome.Failed, TargetOutcome.Available), LostCopies = new Dictionary<PodName, long> { [Samples.Paris] = 5 } }),
        new("Replicating, oslo failed", complete with { OpenPublishes = [Samples.One], Targets = Of(TargetOutcome.Open, TargetOutcome.Failed) }),
        new("Replicating, paris lost", complete with { OpenPublishes = [Samples.One], Targets = Of(TargetOutcome.Failed, TargetOutcome.Open), LostCopies = new Dictionary<PodName, long> { [Samples.Paris] = 5 }, Lost = [Samples.Paris] }),
        new("Available, paris was lost", complete with { Targets = Of(TargetOutcome.Available, TargetOutcome.Available), LostCopies = new Dictionary<PodName, long> { [Samples.Paris] = 5 } }),
        new("Failed, no target has it", complete with { Targets = Of(TargetOutcome.Failed, TargetOutcome.Failed) }),
        new("Disabled", complete with { IsDisabled = true, Targets = Of(TargetOutcome.Available, TargetOutcome.Available) }),
        new("Deleting, one pod left", complete with { Delete = Samples.Two, Removing = [Samples.Paris], Targets = Of(TargetOutcome.Available, TargetOutcome.Failed) }),
        new("Deleted", complete with { Delete = Samples.Two, IsDeleted = true }),
    ];

    private static IReadOnlyList<Sample<VersionCommand>> Commands { get; } =
    [
        new("BeginImport, same again", new VersionCommand.BeginImport(new OperationId("imp-1"), "filesystem", Samples.Source, Samples.Disk, null, "")),
        new("BeginImport, another", new VersionCommand.BeginImport(new OperationId("imp-2"), "filesystem", Samples.Source, Samples.Disk, null, "")),
        new("BeginImport, long description", new VersionCommand.BeginImport(new OperationId("imp-2"), "filesystem", Samples.Source, Samples.Disk, null, new string('x', 1_025))),
        new("Prepared", new VersionCommand.Prepared(new OperationId("imp-1"), Samples.Content, Samples.ReceiptOf(Samples.Content, Samples.Source))),
        new("Prepared, another import", new VersionCommand.Prepared(new OperationId("imp-2"), Samples.Content, Samples.ReceiptOf(Samples.Content, Samples.Source))),
        new("PrepareFailed", new VersionCommand.PrepareFailed(new OperationId("imp-1"), Samples.Lasting)),
        new("CancelImport", new VersionCommand.CancelImport(new OperationId("imp-1"))),
        new("RetryImport", new VersionCommand.RetryImport(new OperationId("imp-1"))),
        new("RetryImport, another", new VersionCommand.RetryImport(new OperationId("imp-2"))),
        new("BeginPublish op-1", new VersionCommand.BeginPublish(Samples.One, [Samples.Paris, Samples.Oslo])),
        new("BeginPublish op-3", new VersionCommand.BeginPublish(new OperationId("op-3"), [Samples.Paris, new PodName("rome")])),
        new("BeginPublish op-1 from before", new VersionCommand.BeginPublish(Samples.One, [Samples.Paris], Generation.None)),
        new("BeginPublish op-1 again, oslo", new VersionCommand.BeginPublish(Samples.One, [Samples.Oslo], Samples.Gen(1))),
        new("BeginPublish, no targets", new VersionCommand.BeginPublish(new OperationId("op-3"), [])),
        new("PublishStarted op-1", new VersionCommand.PublishStarted(Samples.One)),
        new("TargetsChanged op-1, oslo has it", new VersionCommand.TargetsChanged(Samples.One, Of(TargetOutcome.Open, TargetOutcome.Available))),
        new("TargetsChanged op-9", new VersionCommand.TargetsChanged(new OperationId("op-9"), Of(TargetOutcome.Open, TargetOutcome.Available))),
        new("PublishEnded op-1, all", new VersionCommand.PublishEnded(Samples.One, false, Of(TargetOutcome.Available, TargetOutcome.Available))),
        new("PublishEnded op-1, some", new VersionCommand.PublishEnded(Samples.One, false, Of(TargetOutcome.Failed, TargetOutcome.Available))),
        new("PublishEnded op-1, none", new VersionCommand.PublishEnded(Samples.One, false, Of(TargetOutcome.Failed, TargetOutcome.Failed))),
        new("PublishEnded op-1, cancelled, some", new VersionCommand.PublishEnded(Samples.One, true, Of(TargetOutcome.Available, TargetOutcome.Cancelled))),
        new("PublishEnded op-1, cancelled, none", new VersionCommand.PublishEnded(Samples.One, true, Of(TargetOutcome.Failed, TargetOutcome.Cancelled))),
        new("Disable", new VersionCommand.Disable()),
        new("Enable", new VersionCommand.Enable()),
        new("BeginDelete", new VersionCommand.BeginDelete(new OperationId("del-1"))),
        new("CopyRemoved paris", new VersionCommand.CopyRemoved(Samples.Paris)),
        new("CopyRemoved oslo", new VersionCommand.CopyRemoved(Samples.Oslo)),
        new("CopyLost paris", new VersionCommand.CopyLost(Samples.Paris, 7, Samples.Gen(2))),
        new("CopyLost paris, older word", new VersionCommand.CopyLost(Samples.Paris, 3, Samples.Gen(2))),
        new("CopyLost paris, an earlier import", new VersionCommand.CopyLost(Samples.Paris, 7, Samples.Gen(0))),
        new("CopyLetGo paris", new VersionCommand.CopyLetGo(Samples.Paris, 8, Samples.Gen(2))),
        new("CopyRestored paris", new VersionCommand.CopyRestored(Samples.Paris, 9, Samples.Gen(2))),
        new("CopyRestored paris, older word", new VersionCommand.CopyRestored(Samples.Paris, 4, Samples.Gen(2))),
    ];

    [Fact]
    public void The_version_machine_does_what_its_table_says()
    {
        // Publishing: hooks on the source before bytes travel; instant, so never seen, while there are none.
        MachineTable.MustReachAll(States.Select(s => s.Value.Status), VersionStatus.Publishing);
        var machine = new Machine<Version, VersionCommand, VersionEvent, VersionStep>(VersionMachine.Decide,
            (v, e) => VersionMachine.Evolve(v, e, Samples.Now), VersionMachine.Next);
        Golden.Check("version", MachineTable.Write("version", machine, States, Commands));
    }

    private static Dictionary<PodName, TargetOutcome> Of(TargetOutcome paris, TargetOutcome oslo) =>
        new() { [Samples.Paris] = paris, [Samples.Oslo] = oslo };
}
