using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Host;

/// <summary>The server's certificate, read again when its files change, so that a renewal needs no restart. A bad file leaves the one before in force.</summary>
internal sealed class ServerCertificate : IDisposable
{
    private readonly Lock gate = new();
    private readonly string file;
    private readonly string? keyFile;
    private readonly ILogger log;
    private (DateTime, DateTime) stamp;
    private SslServerAuthenticationOptions options;

    /// <exception cref="SettingsException">It cannot be read or used.</exception>
    public ServerCertificate(HttpOptions http, ILogger<ServerCertificate> log)
    {
        (file, keyFile, this.log) = (Path.GetFullPath(http.CertificateFile!), http.CertificateKeyFile is { Length: > 0 } key ? Path.GetFullPath(key) : null, log);
        try
        {
            stamp = Stamp();
            options = Read();
        }
        catch (Exception problem) when (problem is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new SettingsException($"Http:CertificateFile '{file}' cannot be used: {problem.Message} A PEM file with a certificate, its chain and (here or in Http:CertificateKeyFile) its key is expected.");
        }
    }

    public string File => file;

    public X509Certificate2 Current { get; private set; } = null!;

    public SslServerAuthenticationOptions Options()
    {
        lock (gate)
        {
            try
            {
                if (Stamp() is var now && now != stamp)
                {
                    stamp = now; // also when it is bad: it is read once
                    options = Read();
                }
            }
            catch (Exception problem) when (problem is CryptographicException or IOException or UnauthorizedAccessException)
            {
                LocksLog.CertificateUnusable(log, file, problem);
            }

            return options;
        }
    }

    public void Dispose() => Current.Dispose();

    private (DateTime, DateTime) Stamp() => (System.IO.File.GetLastWriteTimeUtc(file), keyFile is null ? default : System.IO.File.GetLastWriteTimeUtc(keyFile));

    private SslServerAuthenticationOptions Read()
    {
        var certificate = X509Certificate2.CreateFromPemFile(file, keyFile);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(file);
        chain.RemoveAt(0); // the first one is the server's own
        var made = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(certificate, chain, offline: true),
            EnabledSslProtocols = System.Security.Authentication.SslProtocols.Tls12 | System.Security.Authentication.SslProtocols.Tls13,
        };
        Current = certificate; // a handshake may still use the one before: the collector takes it
        LocksLog.CertificateRead(log, file, certificate.NotAfter.ToUniversalTime());
        return made;
    }
}
