using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Orleans.ImageMgmt.Client;

namespace Orleans.ImageMgmt.Host;

/// <summary>The service's own certificate authority: a key that signs, and every certificate of it that still counts.</summary>
internal sealed class PrivateAuthority(X509Certificate2 signer, X509Certificate2Collection trusted)
{
    /// <summary>How long a certificate that the authority has signed is good; a silo's is renewed when a third of it is left.</summary>
    public static TimeSpan LeafLife { get; } = TimeSpan.FromDays(365);

    private static readonly TimeSpan AuthorityLife = TimeSpan.FromDays(3650);

    /// <summary>Certificates begin a little in the past, so that a clock that is behind does not refuse them.</summary>
    private static readonly TimeSpan Skew = TimeSpan.FromMinutes(10);

    private const string Subject = "O=imgmt authority, CN=imgmt authority";
    private const int SerialBytes = 16;

    public X509Certificate2Collection Trusted => trusted;

    /// <summary>True when what it signs today would not be good for as long as promised.</summary>
    public bool IsDue(DateTimeOffset now) => signer.NotAfter - now < LeafLife * 2;

    /// <summary>A new key. Certificates of the one before stay trusted until they end.</summary>
    public static PrivateAuthority Make(PrivateAuthority? before, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(Subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        var signer = request.CreateSelfSigned(now - Skew, now + AuthorityLife);
        return new PrivateAuthority(signer, [signer, .. before?.Trusted.Where(old => old.NotAfter > now) ?? []]);
    }

    /// <exception cref="CryptographicException">The text is no such authority.</exception>
    public static PrivateAuthority Parse(string pem)
    {
        var trusted = new X509Certificate2Collection();
        trusted.ImportFromPem(pem);
        return trusted.Count == 0
            ? throw new CryptographicException("it holds no certificate.")
            : new PrivateAuthority(X509Certificate2.CreateFromPem(trusted[0].ExportCertificatePem(), pem), trusted);
    }

    /// <summary>Key and certificates, the signing one first.</summary>
    public string ToPem() => $"{KeyPem(signer)}\n{CertificatesPem()}";

    public string CertificatesPem() => string.Concat(trusted.Select(certificate => certificate.ExportCertificatePem() + "\n"));

    /// <summary>Signs a fresh key for a name.</summary>
    public X509Certificate2 Issue(CertificateName name, TimeSpan life, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name.ToSubject(), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(UsesOf(name.Kind), critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(signer, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        var end = now + life < signer.NotAfter ? now + life : signer.NotAfter;
        using var certificate = request.Create(signer, now - Skew > signer.NotBefore ? now - Skew : signer.NotBefore, end, RandomNumberGenerator.GetBytes(SerialBytes));
        return certificate.CopyWithPrivateKey(key);
    }

    public static string KeyPem(X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPrivateKey() ?? throw new CryptographicException("it has no key.");
        return key.ExportPkcs8PrivateKeyPem();
    }

    private static OidCollection UsesOf(CertificateKind kind)
    {
        var uses = new OidCollection { new Oid("1.3.6.1.5.5.7.3.2") }; // TLS client
        if (kind != CertificateKind.Client)
        {
            uses.Add(new Oid("1.3.6.1.5.5.7.3.1")); // TLS server
        }

        return uses;
    }
}
