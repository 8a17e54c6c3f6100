using Microsoft.Extensions.Time.Testing;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Packages.Tests;

/// <summary>Keys are made once, for their user alone, and renewed before they end.</summary>
public sealed class SiloTrustTests : IDisposable
{
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("imgmt-trust-");
    private readonly FakeTimeProvider time = new(Start);

    private string TrustFolder => Path.Combine(folder.FullName, "trust");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void Keys_are_made_once_and_only_their_user_can_read_them()
    {
        var first = Open().Current().Own.Thumbprint;
        Assert.Equal(first, Open().Current().Own.Thumbprint);

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, new DirectoryInfo(TrustFolder).UnixFileMode);
        foreach (var secret in new[] { "authority.pem", "silo.pem" })
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(TrustFolder, secret)));
        }

        Assert.DoesNotContain("PRIVATE KEY", File.ReadAllText(Path.Combine(TrustFolder, "ca.crt")), StringComparison.Ordinal);
        Assert.Equal(["authority.pem", "ca.crt", "silo.pem"], Directory.GetFiles(TrustFolder).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void A_running_silo_renews_its_certificate_before_it_ends_and_its_peers_accept_both()
    {
        var trust = Open();
        var old = trust.Current();
        time.Advance(PrivateAuthority.LeafLife * 0.6);
        Assert.Same(old, trust.Current());

        time.Advance(PrivateAuthority.LeafLife * 0.2);
        var renewed = trust.Current();
        Assert.NotEqual(old.Own.Thumbprint, renewed.Own.Thumbprint);
        Assert.NotNull(renewed.Check(old.Own, asServer: false, CertificateKind.Silo).Name);
        Assert.NotNull(old.Check(renewed.Own, asServer: true, CertificateKind.Silo).Name);
        Assert.Equal(renewed.Own.Thumbprint, Open().Current().Own.Thumbprint);
    }

    [Fact]
    public void A_new_authority_follows_in_time_and_what_the_old_one_signed_stays_good_until_it_ends()
    {
        var trust = Open();
        time.Advance(TimeSpan.FromDays(365 * 7.9));
        var old = trust.Current();
        trust.IssueClient("frontend", "viewer", PrivateAuthority.LeafLife, Path.Combine(folder.FullName, "out"));
        time.Advance(TimeSpan.FromDays(300));
        var renewed = trust.Current();

        var caller = PrivateTrust.Read(Out("ca.crt"), Out("client.crt"), Out("client.key"), time);
        Assert.Equal("frontend", renewed.Check(caller.Own, asServer: false, CertificateKind.Client).Name?.Name);
        Assert.NotEqual(KeyIdentifiers.AuthorityKeyIdentifier(old.Own), KeyIdentifiers.AuthorityKeyIdentifier(renewed.Own));
        time.Advance(TimeSpan.FromDays(70));
        Assert.Null(renewed.Check(caller.Own, asServer: false, CertificateKind.Client).Name);
    }

    [Fact]
    public void A_certificate_is_for_what_its_subject_says_and_for_nothing_else()
    {
        var trust = Open();
        trust.IssueClient("frontend", "administrator", PrivateAuthority.LeafLife, Path.Combine(folder.FullName, "out"));
        var caller = PrivateTrust.Read(Out("ca.crt"), Out("client.crt"), Out("client.key"), time);
        var silo = trust.Current();

        Assert.Equal(new CertificateName("frontend", CertificateKind.Client, "administrator"), silo.Check(caller.Own, asServer: false, CertificateKind.Client).Name);
        Assert.Contains("no silo", silo.Check(caller.Own, asServer: false, CertificateKind.Silo).Reason, StringComparison.Ordinal);
        Assert.Null(silo.Check(caller.Own, asServer: true, CertificateKind.Silo).Name);
        Assert.Contains("no caller", caller.Check(silo.Own, asServer: false, CertificateKind.Client).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_that_others_could_read_are_refused_with_the_command_that_helps()
    {
        Open();
        File.SetUnixFileMode(Path.Combine(TrustFolder, "silo.pem"), UnixFileMode.UserRead | UnixFileMode.GroupRead);
        Assert.Contains("chmod go= ", Assert.Throws<TrustException>(Open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_broken_key_is_refused_and_not_replaced()
    {
        Open();
        var file = Path.Combine(TrustFolder, "authority.pem");
        File.WriteAllText(file, "not a key");
        Assert.Contains("cannot be used", Assert.Throws<TrustException>(Open).Message, StringComparison.Ordinal);
        Assert.Equal("not a key", File.ReadAllText(file));
    }

    [Fact]
    public void A_cluster_gives_all_three_files_and_they_have_to_be_a_silos()
    {
        Assert.Contains("belong together", Assert.Throws<TrustException>(() => Open(new TrustOptions { Authority = "ca.crt" })).Message, StringComparison.Ordinal);

        Open().IssueClient("frontend", "viewer", PrivateAuthority.LeafLife, Path.Combine(folder.FullName, "out"));
        var callers = new TrustOptions { Authority = Out("ca.crt"), Certificate = Out("client.crt"), Key = Out("client.key") };
        Assert.Contains("cannot be this silo's", Assert.Throws<TrustException>(() => Open(callers)).Message, StringComparison.Ordinal);

        var silo = Path.Combine(TrustFolder, "silo.pem");
        var given = Open(new TrustOptions { Authority = Out("ca.crt"), Certificate = silo, Key = silo });
        Assert.Equal("imgmt-silo", CertificateName.Of(given.Current().Own.SubjectName)?.Name);
    }

    private string Out(string file) => Path.Combine(folder.FullName, "out", file);

    private SiloTrust Open() => Open(new TrustOptions());

    private SiloTrust Open(TrustOptions options) => SiloTrust.Open(folder.FullName, options, time);
}
