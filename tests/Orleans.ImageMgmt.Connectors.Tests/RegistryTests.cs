using Orleans.ImageMgmt.Connectors.Conformance;
using Orleans.ImageMgmt.Domain;
using static Orleans.ImageMgmt.Connectors.Tests.Calls;

namespace Orleans.ImageMgmt.Connectors.Tests;

public sealed class RegistryTests : IDisposable
{
    private readonly SimulatedPods pods = new(TimeProvider.System);

    public void Dispose() => pods.Dispose();

    private ConnectorRegistry Registry => new([pods, new FilesystemPods(TimeProvider.System)], TimeProvider.System, SilentFaultLog.Instance);

    [Fact]
    public void An_unknown_family_is_refused_with_the_known_ones()
    {
        var fault = Fault(Registry.Create(Spec("openstack")), FaultCause.Misconfigured);
        Assert.Contains("filesystem, simulated", fault.Detail, StringComparison.Ordinal);
        Assert.Equal(["filesystem", "simulated"], Registry.Families);
    }

    [Fact]
    public void Two_factories_of_one_family_are_a_bug() =>
        Assert.Throws<ArgumentException>(() => new ConnectorRegistry([pods, pods], TimeProvider.System, SilentFaultLog.Instance));

    [Fact]
    public async Task A_fault_plan_among_the_settings_is_played()
    {
        var pod = Value(Registry.Create(Spec("simulated", ("fault-plan", "probe:refuse"), ("fault-seed", "3"))));
        Fault(await pod.ProbeAsync(CancellationToken.None), FaultCause.Unreachable);
        Value(await pod.ProbeAsync(CancellationToken.None));
    }

    [Theory]
    [InlineData("fault-plan", "receive:explode", "explode")]
    [InlineData("fault-seed", "many", "fault-seed")]
    [InlineData("colour", "blue", "colour")]
    [InlineData("transfer", "pigeon", "pigeon")]
    [InlineData("content", "guesses", "guesses")]
    [InlineData("capacity", "much", "much")]
    [InlineData("finalise-polls", "-1", "finalise-polls")]
    [InlineData("takes", "soon", "takes")]
    [InlineData("source.x", "length=0", "source.x")]
    [InlineData("source.x", "seed=1", "a length is missing")]
    public void A_setting_that_cannot_be_read_is_refused_by_name(string key, string value, string named) =>
        Assert.Contains(named, Fault(Registry.Create(Spec("simulated", (key, value))), FaultCause.Misconfigured).Detail, StringComparison.Ordinal);

    [Theory]
    [InlineData("site-1:7482")]
    [InlineData("http://site-1.example:7482")]
    [InlineData("https://site-1.example:7482/blocks")]
    [InlineData("https://user@site-1.example")]
    public void A_block_server_has_a_plain_https_address(string written) =>
        Assert.Contains("blocks-url", Fault(Linked(new MadeUpLink()).Create(Spec("simulated", ("blocks-url", written))), FaultCause.Misconfigured).Detail, StringComparison.Ordinal);

    [Fact]
    public async Task A_pod_on_another_machine_is_opened_there_where_its_content_is_known_and_acts_here_in_all_else()
    {
        var link = new MadeUpLink();
        var spec = Spec("simulated", ("blocks-url", "https://site-1.example:7482"), ("source.golden", "length=8MiB,data=3MiB,seed=4"));
        Assert.Contains("blocks-url", Fault(Registry.Create(spec), FaultCause.Misconfigured).Detail, StringComparison.Ordinal);

        var pod = Value(Linked(link).Create(spec));
        var prepared = Value(await pod.PrepareAsync(new SourceRef("golden")));
        Value(await pod.ProbeAsync(CancellationToken.None));
        await using (Value(await pod.OpenAsync(Pos, CancellationToken.None)))
        {
            Assert.Empty(link.Asked);
        }

        Fault(await pod.OpenAsync(Pos, prepared.Content, CancellationToken.None), FaultCause.Unreachable);
        Assert.Equal([new BlockPlace(new Uri("https://site-1.example:7482"), spec.Name, Pos)], link.Asked);

        // A plan of faults stands in front of the network too.
        var faulty = Value(Linked(link).Create(spec with { Settings = spec.Settings.Append(new("fault-plan", "open:refuse:cause=denied")).ToDictionary() }));
        Fault(await faulty.OpenAsync(Pos, prepared.Content, CancellationToken.None), FaultCause.Denied);
        Assert.Single(link.Asked);
    }

    [Fact]
    public void A_pod_at_a_site_has_its_settings_there_and_nowhere_else()
    {
        var link = new MadeUpLink();
        var sites = new ConnectorRegistry([pods, new FilesystemPods(TimeProvider.System)], TimeProvider.System, SilentFaultLog.Instance, link, link);
        var good = Spec("filesystem", ("site-url", "https://site-1.example:7482"));

        var pod = Value(sites.Create(good));
        Assert.True(pod.Capabilities is { AtSite: true, CanPrepare: true, RangedRead: true });
        Assert.Equal(new Uri("https://site-1.example:7482"), ConnectorRegistry.BlockServerOf(good));

        Assert.Contains("'datastore.main'", Refused(("datastore.main", "/srv/images")), StringComparison.Ordinal);
        Assert.Contains("'fault-plan'", Refused(("fault-plan", "open:refuse")), StringComparison.Ordinal);
        Assert.Contains("site-name", Refused(("site-name", "")), StringComparison.Ordinal);
        Assert.Contains("without 'site-url'", Fault(sites.Create(Spec("filesystem", ("site-name", "x"))), FaultCause.Misconfigured).Detail, StringComparison.Ordinal);
        Assert.Contains("'http://", Fault(sites.Create(Spec("filesystem", ("site-url", "http://site-1.example"))), FaultCause.Misconfigured).Detail, StringComparison.Ordinal);
        Assert.Contains("not worked on at a site", Fault(sites.Create(good with { Family = "simulated" }), FaultCause.Misconfigured).Detail, StringComparison.Ordinal);
        Assert.Contains("no certificate", Fault(Registry.Create(good with { Family = "simulated" }), FaultCause.Misconfigured).Detail, StringComparison.Ordinal);

        string Refused((string Key, string Value) more) =>
            Fault(sites.Create(good with { Settings = good.Settings.Append(new(more.Key, more.Value)).ToDictionary() }), FaultCause.Misconfigured).Detail;
    }

    private ConnectorRegistry Linked(IBlockLink link) => new([pods], TimeProvider.System, SilentFaultLog.Instance, link);

    /// <summary>Remembers what it was asked; nobody ever answers it.</summary>
    private sealed class MadeUpLink : IBlockLink, ISiteLink
    {
        public List<BlockPlace> Asked { get; } = [];

        public Task<ConnectorResult<Content.IContentReader>> OpenAsync(BlockPlace place, ContentDescription content, CancellationToken cancellationToken)
        {
            Asked.Add(place);
            return Task.FromResult<ConnectorResult<Content.IContentReader>>(new ConnectorFault(FaultStage.Open, FaultCause.Unreachable, "Nobody is there.", "Start it."));
        }

        public Uri? AddressOf(BlockPlace place, ContentDescription content) => null;

        public Task<SiteLine> ConnectAsync(SitePlace site, CancellationToken cancellationToken) => throw new IOException("Nobody is there.");

        public BlockGrant? GrantFor(BlockPlace place, ContentDescription content, Digest receiver) => null;
    }

    [Fact]
    public async Task A_made_up_source_travels_from_one_simulated_pod_to_another()
    {
        var source = Value(Registry.Create(Spec("simulated", ("source.golden", "length=8MiB,data=3MiB,seed=4"))));
        var target = Value(Registry.Create(Spec("simulated", ("content", "digests")) with { Name = new PodName("pod-2") }));
        var prepared = Value(await source.PrepareAsync(new SourceRef("golden")));
        Assert.Equal((8L << 20, 3L << 20), (prepared.Content.Length, prepared.Content.DataLength));
        await using var reader = Value(await source.OpenAsync(Pos, CancellationToken.None));
        var offer = Value(ReaderOffer.Create(reader, prepared.Content));
        Value(await target.ReceiveAsync(Order(), offer, Content.SilentObserver.Instance, CancellationToken.None));
        var receipt = Value(await target.FinaliseAsync(Order(), prepared.Content, Content.SilentObserver.Instance, CancellationToken.None));
        Assert.Equal(prepared.Content.ContentDigest, receipt.ContentDigest);
    }

    [Fact]
    public async Task An_offer_whose_manifest_is_not_the_versions_is_refused()
    {
        var disk = OfferedDisk.MakeSmall(1);
        Fault(ReaderOffer.Create(disk, OfferedDisk.MakeSmall(2).Content), FaultCause.SourceCorrupt);
        await using var artefact = Value(ReaderOffer.Create(disk, disk.Content)).OpenArtefact();
        var bytes = new MemoryStream();
        await artefact.CopyToAsync(bytes);
        Assert.True(disk.Bytes.Span.SequenceEqual(bytes.ToArray()));
        disk.Corrupt.Add(1);
        await using var damaged = Value(ReaderOffer.Create(disk, disk.Content)).OpenArtefact();
        var trouble = await Assert.ThrowsAsync<ArtefactCorruptException>(() => damaged.CopyToAsync(Stream.Null));
        Assert.Equal(1, trouble.Chunk);
    }
}
