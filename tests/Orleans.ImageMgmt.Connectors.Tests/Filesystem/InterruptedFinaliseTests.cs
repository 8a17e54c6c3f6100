using Orleans.ImageMgmt.Connectors.Conformance;
using static Orleans.ImageMgmt.Connectors.Tests.Calls;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>The disk as a kill leaves it between any two steps of a finalise, then a new process.</summary>
public sealed class InterruptedFinaliseTests : IAsyncDisposable
{
    private readonly FilesystemFixture fixture = new();
    private readonly OfferedDisk disk = OfferedDisk.Make();

    public ValueTask DisposeAsync() => fixture.DisposeAsync();

    [Theory]
    [InlineData("nothing done")]
    [InlineData("receipt torn")]
    [InlineData("receipt written")]
    [InlineData("files made read-only")]
    [InlineData("order removed")]
    [InlineData("image folder made")]
    [InlineData("a folder that is no copy in the way")]
    public async Task Before_the_rename_there_is_no_copy_and_finalising_again_makes_it(string step)
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        Cut(step);
        await fixture.ReopenAsync();
        Assert.DoesNotContain(await fixture.Connector.InventoryAsync(), entry => entry.Final);
        Fault(await fixture.Connector.VerifyAsync());
        Fault(await fixture.Connector.OpenAsync(Pos, CancellationToken.None));
        disk.Forget();
        Value(await fixture.Connector.ReceiveAsync(disk));
        Assert.Empty(disk.Reads);
        Assert.Equal(disk.Content.ContentDigest, Value(await fixture.Connector.FinaliseAsync(disk)).ContentDigest);
        AssertOnlyTheCopyIsLeft();
    }

    [Fact]
    public async Task After_the_rename_the_copy_is_final_and_the_same_receipt_is_given()
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        var receipt = Value(await fixture.Connector.FinaliseAsync(disk));
        await fixture.ReopenAsync();
        Assert.Equal(receipt, Value(await fixture.Connector.FinaliseAsync(disk)));
        AssertOnlyTheCopyIsLeft();
    }

    [Theory]
    [InlineData("manifest.bin")]
    [InlineData("disk.raw")]
    public async Task Staging_that_lost_a_file_is_received_again(string file)
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        File.Delete(Path.Combine(fixture.StagedFolder(Pos), file));
        await fixture.ReopenAsync();
        Fault(await fixture.Connector.FinaliseAsync(disk), Domain.FaultCause.TargetCorrupt);
        Value(await fixture.Connector.ReceiveAsync(disk));
        Value(await fixture.Connector.FinaliseAsync(disk));
        AssertOnlyTheCopyIsLeft();
    }

    [Fact]
    public async Task Staging_that_was_cut_short_is_filled_up()
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        using (var file = new FileStream(Path.Combine(fixture.StagedFolder(Pos), "disk.raw"), FileMode.Open))
        {
            file.SetLength(3 << 20);
        }

        Fault(await fixture.Connector.FinaliseAsync(disk), Domain.FaultCause.TargetCorrupt);
        disk.Forget();
        Value(await fixture.Connector.ReceiveAsync(disk));
        Assert.DoesNotContain(0, disk.Reads);
        Assert.DoesNotContain(1, disk.Reads);
        Value(await fixture.Connector.FinaliseAsync(disk));
    }

    [Fact]
    public async Task What_a_cut_delete_left_in_the_trash_is_removed_by_the_inventory()
    {
        Value(await fixture.Connector.ReceiveAsync(disk));
        Directory.Move(fixture.StagedFolder(Pos), Path.Combine(fixture.Library, ".trash", "leftover"));
        await fixture.ReopenAsync();
        Assert.Empty(await fixture.Connector.InventoryAsync());
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(fixture.Library, ".trash")));
    }

    [Fact]
    public async Task A_cut_prepare_is_begun_anew()
    {
        var source = fixture.AddSource("golden.raw", disk.Bytes.ToArray());
        Value(await fixture.Connector.ProbeAsync(CancellationToken.None));
        Directory.CreateDirectory(fixture.StagedFolder(Pos));
        File.WriteAllBytes(Path.Combine(fixture.StagedFolder(Pos), "disk.raw"), new byte[12 << 20]);
        Assert.Equal(disk.Content.ContentDigest, Value(await fixture.Connector.PrepareAsync(source)).Content.ContentDigest);
        AssertOnlyTheCopyIsLeft();
    }

    private void Cut(string step)
    {
        var staged = fixture.StagedFolder(Pos);
        string[] steps = ["nothing done", "receipt torn", "receipt written", "files made read-only", "order removed", "image folder made"];
        var reached = step == "a folder that is no copy in the way" ? steps.Length : Array.IndexOf(steps, step);
        if (reached >= 1)
        {
            File.WriteAllText(Path.Combine(staged, "receipt.json"), "{\"receipt\": {\"ver");
        }

        if (reached >= 2)
        {
            File.WriteAllText(Path.Combine(staged, "receipt.json"), "{}");
            File.WriteAllText(Path.Combine(staged, "blocks.bin.1"), "half of the digests");
        }

        if (reached >= 3)
        {
            foreach (var file in (string[])["disk.raw", "manifest.bin", "receipt.json"])
            {
                FilesystemRecords.SetMode(Path.Combine(staged, file), UnixFileMode.UserRead);
            }
        }

        if (reached >= 4)
        {
            File.Delete(Path.Combine(staged, "order.json"));
        }

        if (reached >= 5)
        {
            Directory.CreateDirectory(Path.Combine(fixture.Library, Pos.Image.Value));
        }

        if (reached >= 6)
        {
            Directory.CreateDirectory(fixture.FinalFolder(Pos));
            File.WriteAllText(Path.Combine(fixture.FinalFolder(Pos), "disk.raw"), "somebody put this here");
        }
    }

    private void AssertOnlyTheCopyIsLeft()
    {
        Assert.Equal(["blocks.bin", "disk.raw", "manifest.bin", "receipt.json"], Directory.EnumerateFileSystemEntries(fixture.FinalFolder(Pos)).Select(Path.GetFileName).Order());
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(fixture.Library, ".staging")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(fixture.Library, ".trash")));
    }
}
