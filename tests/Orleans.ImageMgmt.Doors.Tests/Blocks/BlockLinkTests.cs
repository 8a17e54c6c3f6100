using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests;

/// <summary>Goal: the service's own way to block servers says in its faults who has to do what, and gives addresses that work.</summary>
public sealed class BlockLinkTests
{
    [Fact]
    public async Task A_copy_on_another_machine_is_opened_and_read()
    {
        await using var host = await BlocksHost.StartAsync();
        using var link = LinkOf(host);
        var opened = await link.OpenAsync(PlaceOf(host), host.Content, DoorsHost.Stop);
        await using var reader = Assert.IsType<ConnectorResult<IContentReader>.Done>(opened).Value;
        var bytes = new byte[host.Bytes.Length];
        await reader.ReadAsync(0, bytes, DoorsHost.Stop);
        Assert.Equal(SHA256.HashData(host.Bytes), SHA256.HashData(bytes));
        Assert.Null(reader.LocalFile);
    }

    [Fact]
    public async Task What_is_not_there_does_not_answer_or_does_not_let_in_is_a_fault_of_its_own()
    {
        await using var host = await BlocksHost.StartAsync();
        using var link = LinkOf(host);
        Assert.Equal(FaultCause.SourceMissing, await CauseAsync(link, PlaceOf(host) with { Pod = new PodName("west") }, host));
        Assert.Equal(FaultCause.Unreachable, await CauseAsync(link, PlaceOf(host) with { Server = ClosedPort() }, host));

        var foreign = PrivateAuthority.Make(null, DoorsHost.Now);
        using var certificate = foreign.Issue(CertificateName.Silo, PrivateAuthority.LeafLife, DoorsHost.Now);
        using var stranger = new BlockLink(new BlocksOptions(), () => new PrivateTrust(certificate, host.ReceiverTrust.Authorities, TimeProvider.System), TimeProvider.System);
        Assert.Equal(FaultCause.Unreachable, await CauseAsync(stranger, PlaceOf(host), host));

        // A block server of another site is let in, and its own tickets open nothing.
        var site = new PrivateTrust(host.Issue(new CertificateName("site-2", CertificateKind.Blocks, "")), host.ReceiverTrust.Authorities, TimeProvider.System);
        using var neighbour = new BlockLink(new BlocksOptions(), () => site, TimeProvider.System);
        Assert.Equal(FaultCause.Denied, await CauseAsync(neighbour, PlaceOf(host), host));
    }

    [Fact]
    public async Task An_address_gives_the_artefact_to_whoever_has_it_and_nobody_longer_than_its_ticket()
    {
        await using var host = await BlocksHost.StartAsync();
        using var link = LinkOf(host);
        var address = link.AddressOf(PlaceOf(host), host.Content)!;
        using var whole = await host.AskAsync(address.PathAndQuery, null, null, host.Client(null));
        Assert.Equal(SHA256.HashData(host.Bytes), SHA256.HashData(await whole.Content.ReadAsByteArrayAsync(DoorsHost.Stop)));

        host.Time.Advance(TimeSpan.FromMinutes(13));
        Assert.Equal((401, "blocks.ticket-expired"), await BlocksHost.RefusalOf(host.AskAsync(address.PathAndQuery, null, null, host.Client(null))));
        Assert.Null(link.AddressOf(PlaceOf(host) with { Server = null }, host.Content));
    }

    [Fact]
    public async Task The_service_serves_the_pods_whose_files_it_reaches()
    {
        await using var host = await PodsHost.StartAsync("Blocks:Listen=127.0.0.1:0", "Blocks:PublicUrl=https://127.0.0.1:7482");
        var version = await host.ImportAsync();
        var server = host.Services.GetRequiredService<BlockServer>();
        var link = host.Services.GetRequiredService<IBlockLink>();
        var id = new VersionId(new ImageName("win"), new VersionName("1.0"));
        var content = (await host.Services.GetRequiredService<ImageMgmtClient>().GetVersionAsync(id, host.Stop)).Content!;

        var opened = await link.OpenAsync(new BlockPlace(server.Address, new PodName("source"), id), content, host.Stop);
        await using var reader = Assert.IsType<ConnectorResult<IContentReader>.Done>(opened).Value;
        var bytes = new byte[content.Length];
        await reader.ReadAsync(0, bytes, host.Stop);
        Assert.Equal(content.ContentDigest, Digest.FromBytes(SHA256.HashData(bytes)));
        Assert.Equal(version.Version, id.Version.Value);
        Assert.Equal("127.0.0.1:7482", link.AddressOf(new BlockPlace(null, new PodName("source"), id), content)!.Authority);
    }

    private static BlockLink LinkOf(BlocksHost host) => new(new BlocksOptions(), () => host.ReceiverTrust, TimeProvider.System);

    private static BlockPlace PlaceOf(BlocksHost host) => new(host.Address, BlocksHost.Pod, BlocksHost.Version);

    private static async Task<FaultCause> CauseAsync(BlockLink link, BlockPlace place, BlocksHost host)
    {
        var fault = Assert.IsType<ConnectorResult<IContentReader>.Failed>(await link.OpenAsync(place, host.Content, DoorsHost.Stop)).Fault;
        Assert.Contains(place.Pod.Value, fault.Detail, StringComparison.Ordinal);
        return fault.Cause;
    }

    /// <summary>A port that was free a moment ago: nobody answers there.</summary>
    private static Uri ClosedPort()
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return new Uri($"https://127.0.0.1:{((System.Net.IPEndPoint)listener.LocalEndpoint).Port}");
    }
}
