using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Packages.Tests;

/// <summary>The gateway's port answers the holder of a caller's certificate of its own authority, and nobody else.</summary>
public sealed class GatewayPortTests : IAsyncLifetime
{
    /// <summary>The length of an Orleans greeting and some bytes that are none.</summary>
    private static readonly byte[] Greeting = [8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

    private ServiceUnderTest service = null!;

    public async ValueTask InitializeAsync() => service = await ServiceUnderTest.StartAsync();

    public async ValueTask DisposeAsync() => await service.DisposeAsync();

    [Fact]
    public async Task A_caller_without_TLS_gets_nothing()
    {
        await using var caller = await RawCaller.PlainAsync(service.GatewayPort);
        await AssertNothingAsync(caller);
    }

    [Fact]
    public async Task A_caller_without_a_certificate_gets_nothing()
    {
        await using var caller = await RawCaller.TlsAsync(service.GatewayPort, null);
        await AssertNothingAsync(caller);
    }

    [Fact]
    public async Task A_certificate_of_another_authority_gets_nothing()
    {
        var now = TimeProvider.System.GetUtcNow();
        var foreign = PrivateAuthority.Make(null, now).Issue(new CertificateName("frontend", CertificateKind.Client, "administrator"), PrivateAuthority.LeafLife, now);
        await using var caller = await RawCaller.TlsAsync(service.GatewayPort, foreign);
        await AssertNothingAsync(caller);
    }

    [Fact]
    public async Task A_certificate_that_has_ended_gets_nothing()
    {
        await using var caller = await RawCaller.TlsAsync(service.GatewayPort, Own(new CertificateName("frontend", CertificateKind.Client, "viewer"), TimeSpan.FromMinutes(-1)));
        await AssertNothingAsync(caller);
    }

    [Fact]
    public async Task A_silos_certificate_is_no_callers()
    {
        await using var caller = await RawCaller.TlsAsync(service.GatewayPort, Own(CertificateName.Silo, PrivateAuthority.LeafLife));
        await AssertNothingAsync(caller);
    }

    [Fact]
    public async Task A_role_that_there_is_not_gets_nothing()
    {
        await using var caller = await RawCaller.TlsAsync(service.GatewayPort, Own(new CertificateName("frontend", CertificateKind.Client, "root"), PrivateAuthority.LeafLife));
        await AssertNothingAsync(caller);
    }

    [Fact]
    public async Task A_good_certificate_that_does_not_speak_Orleans_is_cut_off()
    {
        await using var caller = await RawCaller.TlsAsync(service.GatewayPort, Own(new CertificateName("frontend", CertificateKind.Client, "administrator"), PrivateAuthority.LeafLife));
        await AssertNothingAsync(caller);
    }

    [Fact]
    public async Task A_good_certificate_that_says_nothing_is_cut_off_in_time()
    {
        await using var impatient = await ServiceUnderTest.StartAsync(hasHttp: false, "Gateway:GreetingTimeout=200ms");
        var authority = PrivateAuthority.Parse(File.ReadAllText(Path.Combine(impatient.DataFolder, "trust", "authority.pem")));
        var certificate = authority.Issue(new CertificateName("frontend", CertificateKind.Client, "viewer"), PrivateAuthority.LeafLife, TimeProvider.System.GetUtcNow());
        await using var silent = await RawCaller.TlsAsync(impatient.GatewayPort, certificate);
        await silent.AssertHearsNothingAsync([]);
        await using var slow = await RawCaller.TlsAsync(impatient.GatewayPort, certificate);
        await slow.AssertHearsNothingAsync(Greeting[..6]); // it begins, and does not go on
        var caller = await impatient.CallerAsync("honest", "viewer");
        Assert.False((await caller.GetVersionAsync(new VersionId(new ImageName("nothing"), VersionName.First))).Exists);
        Assert.Contains("GreetingTimeout is 00:00:00", Assert.Single(new GatewayOptions { GreetingTimeout = TimeSpan.Zero }.Faults()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_frontend_does_not_talk_to_a_service_of_another_authority()
    {
        await using var other = await ServiceUnderTest.StartAsync();
        var certificates = service.Issue("frontend", "viewer");
        File.Copy(Path.Combine(other.Issue("frontend", "viewer"), "ca.crt"), Path.Combine(certificates, "ca.crt"), overwrite: true);
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new());
        builder.Services.AddImageMgmtClient(options =>
        {
            service.Identify(options, certificates);
            options.ConnectLimit = TimeSpan.Zero;
        });
        using var host = builder.Build();
        await Assert.ThrowsAnyAsync<Exception>(() => host.StartAsync(TestContext.Current.CancellationToken));
    }

    private X509Certificate2 Own(CertificateName name, TimeSpan life) =>
        PrivateAuthority.Parse(File.ReadAllText(Path.Combine(service.DataFolder, "trust", "authority.pem"))).Issue(name, life, TimeProvider.System.GetUtcNow());

    /// <summary>Nothing comes back, and a true caller is served as before.</summary>
    private async Task AssertNothingAsync(RawCaller raw)
    {
        await raw.AssertHearsNothingAsync(Greeting);
        var caller = await service.CallerAsync("honest", "viewer");
        Assert.False((await caller.GetVersionAsync(new VersionId(new ImageName("nothing"), VersionName.First))).Exists);
    }
}
