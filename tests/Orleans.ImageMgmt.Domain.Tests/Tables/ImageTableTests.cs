using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: nobody changes what an image does in any state without reading it. Method: every state × every command as committed text.</summary>
public sealed class ImageTableTests
{
    private static readonly VersionName next = new("1.1");

    [Fact]
    public void The_image_machine_does_what_its_table_says()
    {
        var states = States();
        MachineTable.MustReachAll(states.Select(s => s.Value.Status));
        var machine = new Machine<Image, ImageCommand, ImageEvent, ImageStep>(ImageMachine.Decide,
            (i, e) => ImageMachine.Evolve(i, e, Samples.Now), ImageMachine.Next);
        Golden.Check("image", MachineTable.Write("image", machine, states, Commands()));
    }

    /// <summary>Goal: the derived status of an image with two versions is read once by a person. Method: every pair of version states.</summary>
    [Fact]
    public void The_status_of_an_image_with_two_versions_is_what_its_table_says()
    {
        var lines = from first in Enum.GetValues<VersionStatus>()
                    from second in Enum.GetValues<VersionStatus>()
                    where first <= second
                    let unusable = With(Entry(VersionName.First, first), Entry(next, second))
                    let usable = With(Entry(VersionName.First, first, isUsable: true), Entry(next, second))
                    select $"{first,-20} {second,-20} {unusable.Status,-20} {(first is VersionStatus.Available or VersionStatus.PartiallyAvailable or VersionStatus.Replicating ? usable.Status : ""),-20}".TrimEnd();
        var header = $"{"1.0",-20} {"1.1",-20} {"none usable",-20} 1.0 usable\n\n";
        Golden.Check("image-status", header + string.Join('\n', lines) + "\n");
    }

    private static List<Sample<Image>> States() =>
    [
        new("never seen", ImageMachine.Initial(Samples.Id.Image)),
        new("Importing, not begun", With(Entry(VersionName.First, VersionStatus.Importing) with { IsBegun = false })),
        new("Importing", With(Entry(VersionName.First, VersionStatus.Importing))),
        new("DeploymentComplete", With(Entry(VersionName.First, VersionStatus.DeploymentComplete))),
        new("Available", With(Entry(VersionName.First, VersionStatus.Available, isUsable: true))),
        new("Failed", With(Entry(VersionName.First, VersionStatus.Failed))),
        new("Disabled", With(Entry(VersionName.First, VersionStatus.Available, isUsable: true)) with { IsDisabled = true }),
        new("Deleting", With(Entry(VersionName.First, VersionStatus.Deleting))),
        new("Deleting, the whole image", With(Entry(VersionName.First, VersionStatus.Available, isUsable: true)) with { Delete = new OperationId("del-1") }),
        new("Deleted, the whole image", With(Entry(VersionName.First, VersionStatus.Deleted)) with { Delete = new OperationId("del-1") }),
        new("Deleted", With(Entry(VersionName.First, VersionStatus.Deleted))),
    ];

    private static List<Sample<ImageCommand>> Commands() =>
    [
        new("Import 1.0, same again", Import("imp-1", VersionName.First)),
        new("Import 1.0, another", Import("imp-2", VersionName.First)),
        new("Import 1.1 from 1.0", Import("imp-2", next, VersionName.First)),
        new("Import 1.1 from 0.9", Import("imp-2", next, new VersionName("0.9"))),
        new("Import 1.1, other family", Import("imp-2", next, family: "vsphere")),
        new("Import 1.1, long description", Import("imp-2", next, description: new string('x', 1_025))),
        new("VersionBegun 1.0", new ImageCommand.VersionBegun(VersionName.First, new OperationId("imp-1"))),
        new("VersionBegun 1.0, other import", new ImageCommand.VersionBegun(VersionName.First, new OperationId("imp-2"))),
        new("VersionRefused 1.0", new ImageCommand.VersionRefused(VersionName.First, new OperationId("imp-1"))),
        new("VersionRefused 1.0, it is Deleting", new ImageCommand.VersionRefused(VersionName.First, new OperationId("imp-1"), VersionStatus.Deleting)),
        new("VersionChanged 1.0 Available", new ImageCommand.VersionChanged(VersionName.First, VersionStatus.Available, true)),
        new("VersionChanged 1.0 Deleted", new ImageCommand.VersionChanged(VersionName.First, VersionStatus.Deleted, false)),
        new("VersionChanged 1.0, overtaken", new ImageCommand.VersionChanged(VersionName.First, VersionStatus.Importing, false, 4)),
        new("VersionChanged 1.0, an earlier import", new ImageCommand.VersionChanged(VersionName.First, VersionStatus.Deleting, false, 9, new OperationId("imp-0"))),
        new("VersionChanged 9.9", new ImageCommand.VersionChanged(new VersionName("9.9"), VersionStatus.Available, true)),
        new("Disable", new ImageCommand.Disable()),
        new("Enable", new ImageCommand.Enable()),
        new("BeginDelete", new ImageCommand.BeginDelete(new OperationId("del-1"))),
    ];

    private static Image With(params VersionEntry[] entries) => ImageMachine.Initial(Samples.Id.Image) with
    {
        Exists = true, Family = "filesystem", SourcePod = Samples.Source, Versions = entries,
    };

    private static VersionEntry Entry(VersionName name, VersionStatus status, bool isUsable = false) =>
        new(name, status, isUsable, new OperationId("imp-1"), null, Samples.Disk, "", Samples.By, true, Samples.Source, 5);

    private static ImageCommand.Import Import(string operation, VersionName version, VersionName? from = null, string family = "filesystem", string description = "") =>
        new(new OperationId(operation), version, from, family, Samples.Source, Samples.Disk, description, Samples.By);
}
