using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Connectors.Conformance;

public abstract partial class ConnectorConformance
{
    /// <summary>Paths that a user might send to reach what is not his (rule 16).</summary>
    public static IReadOnlyList<string> HostilePaths { get; } =
    [
        "", ".", "..", "../secret.raw", "a/../../secret.raw", "/etc/passwd", "/etc/../etc/passwd", "/proc/self/mem", "/dev/zero", "/dev/null", "//etc/passwd",
        "disk.raw\0.iso", "disk\n.raw", "..\\secret.raw", "~/secret.raw", "file:///etc/passwd", "http://127.0.0.1/disk.raw", "nbd://127.0.0.1:10809/x",
        "json:{\"driver\":\"file\"}", "CON", "NUL", "$(id)", "*", new string('a', 300), new string('a', 5000), string.Concat(Enumerable.Repeat("a/", 3000)),
    ];

    protected Task<ConnectorResult<PreparedCopy>> PrepareAsync(SourceRef source, CopyOrder? order = null) =>
        EndAsync(() => Connector.PrepareAsync(order ?? Order(), source, SilentObserver.Instance, CancellationToken.None));

    [Fact]
    public async Task Rule_02_preparing_twice_gives_the_same_copy()
    {
        if (await CannotPrepareAsync())
        {
            return;
        }

        var disk = OfferedDisk.Make();
        var source = Fixture.AddSource("golden.raw", disk.Bytes.ToArray());
        var first = Value(await PrepareAsync(source));
        Assert.Equal(disk.Content.ContentDigest, first.Content.ContentDigest);
        Assert.Equal(disk.Content.ManifestDigest, first.Content.ManifestDigest);
        Assert.Equal(first.Content.ContentDigest, first.Receipt.ContentDigest);
        await Fixture.ReopenAsync();
        Assert.Equal(first, Value(await PrepareAsync(source)));
        Assert.True(Assert.Single(await InventoryAsync()).Final);
    }

    [Fact]
    public async Task Rule_09_a_source_without_room_for_it_is_not_taken()
    {
        if (await CannotPrepareAsync() || !Can.ReportsRoom)
        {
            return;
        }

        var disk = OfferedDisk.Make();
        var source = Fixture.AddSource("golden.raw", disk.Bytes.ToArray());
        await Fixture.ReopenAsync(room: disk.Manifest.DataLength / 2);
        Fault(await PrepareAsync(source), FaultStage.Prepare, FaultCause.NoRoom);
        Assert.Empty(await InventoryAsync());
    }

    [Fact]
    public async Task Rule_13_a_source_that_is_not_what_it_should_be_is_refused_and_leaves_nothing()
    {
        if (await CannotPrepareAsync())
        {
            return;
        }

        Fault(await PrepareAsync(Fixture.AddUnusableSource()), FaultStage.Prepare, FaultCause.SourceUnusable, FaultCause.Denied);
        Fault(await PrepareAsync(new SourceRef("not-there.raw")), FaultStage.Prepare, FaultCause.SourceMissing);
        var disk = OfferedDisk.MakeSmall(1);
        var source = Fixture.AddSource("golden.raw", disk.Bytes.ToArray());
        var wrong = OfferedDisk.MakeSmall(2).Content.ContentDigest;
        Fault(await PrepareAsync(source with { ExpectedDigest = wrong }), FaultStage.Prepare, FaultCause.DigestMismatch);
        Fault(await PrepareAsync(source with { ExpectedFormat = SourceFormat.Vhdx }), FaultStage.Prepare, FaultCause.SourceUnusable);
        Assert.Empty(await InventoryAsync());
        Value(await PrepareAsync(source with { ExpectedDigest = disk.Content.SourceDigest, ExpectedFormat = SourceFormat.Raw }));
    }

    [Fact]
    public async Task Rule_14_a_prepared_copy_is_private()
    {
        if (await CannotPrepareAsync())
        {
            return;
        }

        var disk = OfferedDisk.MakeSmall(1);
        var source = Fixture.AddSource("golden.raw", disk.Bytes.ToArray());
        Value(await PrepareAsync(source));
        Fixture.ChangeSource(source, new byte[disk.Bytes.Length]);
        Assert.Equal(disk.Content.ContentDigest, Value(await Connector.VerifyAsync(Version, SilentObserver.Instance, CancellationToken.None)).ContentDigest);
        await using var reader = Value(await Connector.OpenAsync(Version, CancellationToken.None));
        var bytes = new byte[disk.Bytes.Length];
        await reader.ReadAsync(0, bytes, CancellationToken.None);
        Assert.True(disk.Bytes.Span.SequenceEqual(bytes));
    }

    [Fact]
    public async Task Rule_15_a_fault_carries_stage_cause_evidence_and_next_step()
    {
        var disk = OfferedDisk.MakeSmall(1);
        await MakeCopyAsync(disk, Order(generation: 9));
        var stale = Fault(await ReceiveAsync(disk, Order(generation: 8)), FaultStage.Receive, FaultCause.Stale);
        Assert.Equal("receive.stale", stale.Code);
        Assert.Contains("8", stale.Detail, StringComparison.Ordinal);
        Assert.Contains("9", stale.Detail, StringComparison.Ordinal);
        var other = Fault(await ReceiveAsync(OfferedDisk.MakeSmall(2), Order(generation: 9)), FaultStage.Receive, FaultCause.DigestMismatch);
        Assert.Contains(Version.Value, other.Detail, StringComparison.Ordinal);
        var missing = Fault(await Connector.VerifyAsync(Other, SilentObserver.Instance, CancellationToken.None), FaultStage.Verify, FaultCause.SourceMissing);
        Assert.Contains(Other.Value, missing.Detail, StringComparison.Ordinal);
        Assert.All([stale, other, missing], fault => Assert.EndsWith(".", fault.NextStep, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Rule_16_paths_from_users_never_leave_the_allowed_folders()
    {
        if (await CannotPrepareAsync())
        {
            return;
        }

        foreach (var path in HostilePaths)
        {
            Fault(await PrepareAsync(new SourceRef(path)), FaultStage.Prepare, FaultCause.Denied, FaultCause.SourceMissing, FaultCause.SourceUnusable);
        }

        Assert.Empty(await InventoryAsync());
    }

    [Fact]
    public async Task Rule_18_what_is_declared_holds()
    {
        Assert.Equal(Can.CanPrepare, Can.Formats.Count > 0);
        Assert.False(string.IsNullOrWhiteSpace(Can.Name));
        var sources = await Connector.ListSourcesAsync(null, 10, CancellationToken.None);
        if (!await CannotPrepareAsync())
        {
            Value(sources);
        }
        else
        {
            Fault(sources, FaultStage.ListSources, FaultCause.Unsupported);
        }

        var disk = OfferedDisk.MakeSmall(1);
        await MakeCopyAsync(disk);
        var opened = await Connector.OpenAsync(Version, CancellationToken.None);
        if (Can.RangedRead)
        {
            await Value(opened).DisposeAsync();
        }
        else
        {
            Fault(opened, FaultStage.Open, FaultCause.Unsupported);
        }

        Assert.All(Value(await Connector.ProbeAsync(CancellationToken.None)).Datastores, datastore => Assert.Equal(Can.ReportsRoom, datastore.FreeBytes is not null));
    }

    [Fact]
    public async Task Rule_19_sources_come_in_pages()
    {
        if (await CannotPrepareAsync())
        {
            return;
        }

        string[] names = ["a.raw", "b.raw", "c.raw"];
        foreach (var name in names)
        {
            Fixture.AddSource(name, new byte[4096]);
        }

        var first = Value(await Connector.ListSourcesAsync(null, 2, CancellationToken.None));
        Assert.Equal(2, first.Entries.Count);
        var second = Value(await Connector.ListSourcesAsync(first.NextCursor, 2, CancellationToken.None));
        Assert.Null(second.NextCursor);
        Assert.Equal(names, first.Entries.Concat(second.Entries).Select(entry => entry.Path));
    }

    /// <summary>A connector without sources says so; that is then what is checked.</summary>
    private async Task<bool> CannotPrepareAsync()
    {
        if (Can.CanPrepare)
        {
            return false;
        }

        Fault(await PrepareAsync(new SourceRef("any.raw"), Order(Other)), FaultStage.Prepare, FaultCause.Unsupported);
        return true;
    }
}
