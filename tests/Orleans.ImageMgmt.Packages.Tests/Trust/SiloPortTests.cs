using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Packages.Tests;

/// <summary>The port between silos answers the holder of a silo's certificate of its own authority, and nobody else.</summary>
public sealed class SiloPortTests : IAsyncLifetime
{
    /// <summary>The length of an Orleans greeting and some bytes that are none.</summary>
    private static readonly byte[] Greeting = [8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("imgmt-silo-port-");
    private ServiceHost host = null!;

    private string Data => Path.Combine(folder.FullName, "data");

    private int Port => host.Services.GetRequiredService<IOptions<EndpointOptions>>().Value.SiloPort;

    public async ValueTask InitializeAsync() => host = await ServiceHost.StartAsync(new HostSettings(Data), TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await host.DisposeAsync();
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task The_holder_of_the_silos_own_certificate_is_greeted()
    {
        await using var caller = await RawCaller.TlsAsync(Port, Own(CertificateName.Silo, TimeProvider.System.GetUtcNow()));
        Assert.NotEqual(0, await caller.HearAsync([])); // a silo greets first
    }

    [Fact]
    public async Task A_caller_without_TLS_gets_nothing()
    {
        await using (var caller = await RawCaller.PlainAsync(Port))
        {
            await caller.AssertHearsNothingAsync(Greeting);
        }

        await AssertUnharmedAsync();
    }

    [Fact]
    public async Task A_caller_without_a_certificate_gets_nothing()
    {
        await using (var caller = await RawCaller.TlsAsync(Port, null))
        {
            await caller.AssertHearsNothingAsync(Greeting);
        }

        await AssertUnharmedAsync();
    }

    [Fact]
    public async Task A_silos_certificate_of_another_authority_gets_nothing()
    {
        var foreign = PrivateAuthority.Make(null, TimeProvider.System.GetUtcNow());
        await using (var caller = await RawCaller.TlsAsync(Port, foreign.Issue(CertificateName.Silo, PrivateAuthority.LeafLife, TimeProvider.System.GetUtcNow())))
        {
            await caller.AssertHearsNothingAsync(Greeting);
        }

        await AssertUnharmedAsync();
    }

    [Fact]
    public async Task A_certificate_that_has_ended_gets_nothing()
    {
        await using (var caller = await RawCaller.TlsAsync(Port, Own(CertificateName.Silo, TimeProvider.System.GetUtcNow(), TimeSpan.FromMinutes(-1))))
        {
            await caller.AssertHearsNothingAsync(Greeting);
        }

        await AssertUnharmedAsync();
    }

    [Fact]
    public async Task A_callers_certificate_cannot_join_as_a_silo()
    {
        var administrator = new CertificateName("frontend", CertificateKind.Client, "administrator");
        await using (var caller = await RawCaller.TlsAsync(Port, Own(administrator, TimeProvider.System.GetUtcNow())))
        {
            await caller.AssertHearsNothingAsync(Greeting);
        }

        await AssertUnharmedAsync();
    }

    [Fact]
    public async Task The_right_certificate_over_an_older_TLS_gets_nothing()
    {
#pragma warning disable CA5398 // the older protocol is the point
        await using var caller = await RawCaller.TlsAsync(Port, Own(CertificateName.Silo, TimeProvider.System.GetUtcNow()), SslProtocols.Tls12);
#pragma warning restore CA5398
        await caller.AssertHearsNothingAsync(Greeting);
    }

    private X509Certificate2 Own(CertificateName name, DateTimeOffset now, TimeSpan? life = null) =>
        PrivateAuthority.Parse(File.ReadAllText(Path.Combine(Data, "trust", "authority.pem"))).Issue(name, life ?? PrivateAuthority.LeafLife, now);

    /// <summary>Still answers its own process, and its true peers.</summary>
    private async Task AssertUnharmedAsync()
    {
        var client = host.Services.GetRequiredService<ImageMgmtClient>();
        Assert.False((await client.GetVersionAsync(new VersionId(new ImageName("nothing"), VersionName.First))).Exists);
        await The_holder_of_the_silos_own_certificate_is_greeted();
    }
}
