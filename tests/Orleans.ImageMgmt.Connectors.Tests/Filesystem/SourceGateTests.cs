using Orleans.ImageMgmt.Domain;
using static Orleans.ImageMgmt.Connectors.Tests.Calls;

namespace Orleans.ImageMgmt.Connectors.Tests;

public sealed class SourceGateTests : IAsyncDisposable
{
    private readonly FilesystemFixture fixture = new();

    public ValueTask DisposeAsync() => fixture.DisposeAsync();

    private string Outside => Path.Combine(fixture.Root, "outside");

    private string Allowed => Path.Combine(fixture.Root, "allowed");

    [Theory]
    [InlineData("link to a file outside", FaultCause.Denied)]
    [InlineData("link to a folder outside", FaultCause.Denied)]
    [InlineData("link to a device", FaultCause.Denied)]
    [InlineData("link to itself", FaultCause.Denied)]
    [InlineData("link to nothing", FaultCause.SourceMissing)]
    [InlineData("pipe", FaultCause.SourceUnusable)]
    [InlineData("folder", FaultCause.SourceUnusable)]
    [InlineData("empty file", FaultCause.SourceUnusable)]
    [InlineData("absolute path outside", FaultCause.Denied)]
    [InlineData("absolute path to a neighbour with the same beginning", FaultCause.Denied)]
    [InlineData("file used as a folder", FaultCause.SourceMissing)]
    public async Task A_hostile_source_is_refused_and_leaves_nothing(string attack, FaultCause cause)
    {
        Directory.CreateDirectory(Outside);
        Directory.CreateDirectory(fixture.Sources + "-2");
        File.WriteAllBytes(Path.Combine(Outside, "secret.raw"), new byte[4096]);
        File.WriteAllBytes(Path.Combine(fixture.Sources + "-2", "secret.raw"), new byte[4096]);
        var path = Build(attack);
        Fault(await fixture.Connector.PrepareAsync(new SourceRef(path)), cause);
        Assert.Empty(await fixture.Connector.InventoryAsync());
    }

    [Theory]
    [InlineData("plain name")]
    [InlineData("in a folder below")]
    [InlineData("link that stays inside")]
    [InlineData("absolute path inside the sources")]
    [InlineData("absolute path in an allowed folder")]
    [InlineData("link into an allowed folder")]
    [InlineData("odd but honest name")]
    public async Task An_honest_source_is_taken(string kind)
    {
        Directory.CreateDirectory(Allowed);
        Directory.CreateDirectory(Path.Combine(fixture.Sources, "below"));
        fixture.Settings["allowed-sources"] = Allowed;
        fixture.Reconnect();
        foreach (var place in (string[])[fixture.Sources, Allowed, Path.Combine(fixture.Sources, "below")])
        {
            File.WriteAllBytes(Path.Combine(place, "golden.raw"), new byte[4096]);
        }

        var path = kind switch
        {
            "plain name" => "golden.raw",
            "in a folder below" => "below/golden.raw",
            "link that stays inside" => Link("link.raw", Path.Combine(fixture.Sources, "golden.raw")),
            "absolute path inside the sources" => Path.Combine(fixture.Sources, "golden.raw"),
            "absolute path in an allowed folder" => Path.Combine(Allowed, "golden.raw"),
            "link into an allowed folder" => Link("link.raw", Path.Combine(Allowed, "golden.raw")),
            "odd but honest name" => fixture.AddSource("Gold (1) ünï.raw", new byte[4096]).Path,
            _ => throw new NotSupportedException(kind),
        };
        Assert.Equal(4096, Value(await fixture.Connector.PrepareAsync(new SourceRef(path))).Content.Length);
    }

    [Fact]
    public void A_name_swapped_after_the_look_still_reads_what_was_looked_at()
    {
        fixture.AddSource("golden.raw", [1, 1, 1, 1]);
        fixture.AddSource("other.raw", [2, 2, 2, 2]);
        var link = Path.Combine(fixture.Sources, Link("link.raw", Path.Combine(fixture.Sources, "golden.raw")));
        using var facts = FileFacts.Open(link);
        File.Delete(link);
        File.CreateSymbolicLink(link, Path.Combine(fixture.Sources, "other.raw"));
        using var file = facts.OpenForReading();
        var bytes = new byte[4];
        RandomAccess.Read(file, bytes, 0);
        Assert.Equal([1, 1, 1, 1], bytes);
    }

    [Fact]
    public async Task A_listing_shows_regular_files_only()
    {
        fixture.AddSource("golden.raw", new byte[4096]);
        Link("link.raw", Path.Combine(fixture.Sources, "golden.raw"));
        Assert.True(ScratchMount.Run("mkfifo", Path.Combine(fixture.Sources, "pipe.raw")));
        var page = Value(await fixture.Connector.ListSourcesAsync(null, 10, CancellationToken.None));
        var entry = Assert.Single(page.Entries);
        Assert.Equal(("golden.raw", 4096L), (entry.Path, entry.Length));
    }

    [Fact]
    public async Task A_pod_without_a_sources_folder_takes_only_allowed_absolute_paths()
    {
        Directory.CreateDirectory(Allowed);
        File.WriteAllBytes(Path.Combine(Allowed, "golden.raw"), new byte[4096]);
        var spec = new PodSpec(
            FilesystemFixture.Pod, "filesystem",
            new Dictionary<string, string> { ["datastore.main"] = fixture.Datastore, ["allowed-sources"] = Allowed, ["reserve"] = "0" }, new Dictionary<string, string>(), 1);
        await using var pod = Value(new FilesystemPods(TimeProvider.System).Create(spec));
        Fault(await pod.PrepareAsync(new SourceRef("golden.raw")), FaultCause.Denied);
        Fault(await pod.ListSourcesAsync(null, 10, CancellationToken.None), FaultCause.Unsupported);
        Value(await pod.PrepareAsync(new SourceRef(Path.Combine(Allowed, "golden.raw"))));
    }

    private string Build(string attack)
    {
        switch (attack)
        {
            case "link to a file outside":
                return Link("link.raw", Path.Combine(Outside, "secret.raw"));
            case "link to a folder outside":
                return Link("link", Outside) + "/secret.raw";
            case "link to a device":
                return Link("link.raw", "/dev/zero");
            case "link to itself":
                return Link("loop.raw", Path.Combine(fixture.Sources, "loop.raw"));
            case "link to nothing":
                return Link("link.raw", Path.Combine(fixture.Sources, "nothing.raw"));
            case "pipe":
                Assert.True(ScratchMount.Run("mkfifo", Path.Combine(fixture.Sources, "pipe.raw")));
                return "pipe.raw";
            case "folder":
                Directory.CreateDirectory(Path.Combine(fixture.Sources, "folder.raw"));
                return "folder.raw";
            case "empty file":
                return fixture.AddSource("empty.raw", []).Path;
            case "absolute path outside":
                return Path.Combine(Outside, "secret.raw");
            case "absolute path to a neighbour with the same beginning":
                return Path.Combine(fixture.Sources + "-2", "secret.raw");
            case "file used as a folder":
                return fixture.AddSource("golden.raw", new byte[4096]).Path + "/secret.raw";
            default:
                throw new NotSupportedException(attack);
        }
    }

    private string Link(string name, string target)
    {
        File.CreateSymbolicLink(Path.Combine(fixture.Sources, name), target);
        return name;
    }
}
