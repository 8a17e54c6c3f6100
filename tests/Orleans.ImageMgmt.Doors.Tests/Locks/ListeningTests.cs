using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Locks;

/// <summary>Goal: nobody serves tokens in the clear by accident. Method: each setting that would is refused with a sentence; TLS is spoken for real.</summary>
public sealed class ListeningTests
{
    [Theory]
    [InlineData("http://0.0.0.0:7480", "AllowPlainHttpOnNetwork")]
    [InlineData("http://[::]:7480", "AllowPlainHttpOnNetwork")]
    [InlineData("http://192.0.2.7:7480", "AllowPlainHttpOnNetwork")]
    [InlineData("http://[::ffff:192.0.2.7]:7480", "AllowPlainHttpOnNetwork")]
    [InlineData("https://0.0.0.0:7480", "CertificateFile")]
    [InlineData("https://127.0.0.1:7480", "CertificateFile")]
    [InlineData("http://example.test:7480", "IP address")]
    [InlineData("http://*:7480", "expected")]
    [InlineData("ftp://127.0.0.1", "expected")]
    [InlineData("127.0.0.1:7480", "expected")]
    [InlineData("http://127.0.0.1:7480/base", "expected")]
    [InlineData("http://me:secret@127.0.0.1:7480", "expected")]
    [InlineData("", "expected")]
    public void An_address_that_would_be_open_or_is_none_is_refused_with_a_sentence(string listen, string says)
    {
        var fault = Assert.Single(new HttpOptions { Listen = listen }.Faults());
        Assert.StartsWith("Listen", fault, StringComparison.Ordinal);
        Assert.Contains(says, fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://127.0.0.1:7480")]
    [InlineData("http://127.1.2.3:0")]
    [InlineData("http://[::1]:7480")]
    [InlineData("http://localhost:7480")]
    public void Loopback_needs_no_more(string listen) => Assert.Empty(new HttpOptions { Listen = listen }.Faults());

    [Fact]
    public async Task The_program_ends_with_a_sentence_and_opens_nothing()
    {
        var folder = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        await using var program = ImgmtProgram.Start("serve", "--data", Path.Combine(folder, "data"), "--set", "Http:Listen=http://0.0.0.0:0");

        Assert.Equal(2, await program.ExitAsync());
        Assert.Contains("AllowPlainHttpOnNetwork", program.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", program.Output, StringComparison.Ordinal);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Whoever_says_so_may_listen_on_the_network_without_tls()
    {
        var root = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        var settings = new HostSettings(Path.Combine(root, "data")) { Http = new HttpOptions() }.With(["Http:Listen=http://0.0.0.0:0", "Http:AllowPlainHttpOnNetwork=true"]);
        await using (var host = await ServiceHost.StartAsync(settings, DoorsHost.Stop))
        {
            var note = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(root, "data", "endpoint.json"), DoorsHost.Stop)).RootElement;
            var url = note.GetProperty("url").GetString()!;
            Assert.StartsWith("http://127.0.0.1:", url, StringComparison.Ordinal);
            using var client = new HttpClient();
            Assert.Equal("live\n", await client.GetStringAsync(url + Routes.Liveness, DoorsHost.Stop));
        }

        Directory.Delete(root, recursive: true);
    }

    [Fact]
    public async Task With_a_certificate_tls_is_spoken_and_a_renewed_one_is_taken_without_a_restart()
    {
        var folder = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        var (file, keyFile) = (Path.Combine(folder, "server.pem"), Path.Combine(folder, "server.key"));
        var first = WriteCertificate(file, keyFile);
        await using (var server = await DoorsHost.StartInAsync(folder, ownsRoot: false, "Http:Listen=https://127.0.0.1:0", $"Http:CertificateFile={file}", $"Http:CertificateKeyFile={keyFile}"))
        {
            server.Trusted.Add(first);
            using var answer = await server.Admin.GetAsync(Routes.Me, DoorsHost.Stop);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("max-age=31536000", answer.Headers.GetValues("Strict-Transport-Security").Single());
            var session = await SignInTests.SignInAsync(server.Client(), server.AdministratorToken, "/");
            Assert.StartsWith("__Host-imgmt-session-", session.Cookie, StringComparison.Ordinal);
            Assert.Contains("secure", session.Attributes, StringComparison.OrdinalIgnoreCase);
            var note = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(server.Data, "endpoint.json"), DoorsHost.Stop)).RootElement;
            Assert.Equal(($"https://localhost:{server.Address.Port}", file), (note.GetProperty("url").GetString(), note.GetProperty("caFile").GetString()));

            var second = WriteCertificate(file, keyFile);
            File.SetLastWriteTimeUtc(file, DoorsHost.Now.UtcDateTime.AddSeconds(5));
            server.Trusted.Clear();
            server.Trusted.Add(second);
            Assert.Equal(HttpStatusCode.OK, (await server.Client(server.AdministratorToken).GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);

            await File.WriteAllTextAsync(file, "no certificate", DoorsHost.Stop);
            File.SetLastWriteTimeUtc(file, DoorsHost.Now.UtcDateTime.AddSeconds(9));
            Assert.Equal(HttpStatusCode.OK, (await server.Client(server.AdministratorToken).GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);

            using var raw = await RawConnection.OpenAsync(server.Address);
            await raw.WriteAsync($"GET {Routes.Liveness} HTTP/1.1\r\nHost: x\r\n\r\n");
            Assert.DoesNotContain("live", await raw.ReadToEndAsync(), StringComparison.Ordinal);
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_certificate_that_cannot_be_used_ends_the_start_with_a_sentence()
    {
        var folder = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        var file = Path.Combine(folder, "server.pem");
        await File.WriteAllTextAsync(file, "no certificate", DoorsHost.Stop);

        var problem = await Assert.ThrowsAsync<SettingsException>(() => DoorsHost.StartInAsync(folder, ownsRoot: false, "Http:Listen=https://127.0.0.1:0", $"Http:CertificateFile={file}"));

        Assert.Contains("PEM", problem.Message, StringComparison.Ordinal);
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>A fresh certificate for localhost that signs itself; returns its thumbprint.</summary>
    private static string WriteCertificate(string file, string keyFile)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DoorsHost.Now.AddMinutes(-5), DoorsHost.Now.AddDays(1));
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(file, certificate.ExportCertificatePem());
        return certificate.GetCertHashString();
    }
}
