using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: a server with a certificate of a private authority is trusted when that authority is named, and not before.</summary>
public sealed class PrivateAuthorityTests : IDisposable
{
    private readonly Shell shell = new();

    public void Dispose() => shell.Dispose();

    [Fact]
    public async Task A_private_authority_is_trusted_once_it_is_named()
    {
        var (certificate, key, authority) = MakeCertificates();
        await using var server = await Server.StartAsync(shell, "Http:Listen=https://127.0.0.1:0", $"Http:CertificateFile={certificate}", $"Http:CertificateKeyFile={key}");
        var url = Server.Endpoint(shell).GetLeftPart(UriPartial.Authority);
        var token = Path.Combine(shell.Variables["IMGMT_DATA"]!, "administrator.token");

        var stranger = (await shell.ImgctlAsync("pod", "list", "--url", url, "--token-file", token)).With(ExitCodes.NotReachable);
        Assert.Contains("shows a certificate that is not trusted here.", stranger.ErrorLines[0], StringComparison.Ordinal);
        Assert.Contains("--ca-file", stranger.ErrorLines[1], StringComparison.Ordinal);
        (await shell.ImgctlAsync("pod", "list", "--url", url, "--token-file", token, "--ca-file", authority)).With(0);
        (await shell.ImgctlAsync("context", "set", "private", "--server", url, "--token-from", token, "--ca", authority)).With(0);
        (await shell.ImgctlAsync("pod", "list")).With(0);
    }

    private (string Certificate, string Key, string Authority) MakeCertificates()
    {
        var now = TimeProvider.System.GetUtcNow();
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var rootRequest = new CertificateRequest("CN=Private authority of a test", rootKey, HashAlgorithmName.SHA256);
        rootRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        using var root = rootRequest.CreateSelfSigned(now.AddDays(-1), now.AddDays(2));

        using var serverKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=imgmt of a test", serverKey, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var server = request.Create(root, now.AddDays(-1), now.AddDays(1), [1, 2, 3, 4]);
        return (Write("server.pem", server.ExportCertificatePem()), Write("server.key", serverKey.ExportPkcs8PrivateKeyPem()), Write("authority.pem", root.ExportCertificatePem()));
    }

    private string Write(string name, string content)
    {
        var path = Path.Combine(shell.Home, name);
        File.WriteAllText(path, content);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }
}
