using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Orleans.ImageMgmt.Client;

/// <summary>One side of mutual TLS: the certificate that it shows, and the authority that has to have issued the other side's.</summary>
internal sealed class PrivateTrust
{
    private static readonly Oid ServerUse = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid ClientUse = new("1.3.6.1.5.5.7.3.2");

    private readonly X509Certificate2Collection authorities;
    private readonly TimeProvider time;

    public PrivateTrust(X509Certificate2 own, X509Certificate2Collection authorities, TimeProvider time)
    {
        (Own, this.authorities, this.time) = (own, authorities, time);
        Shown = SslStreamCertificateContext.Create(own, additionalCertificates: null, offline: true);
    }

    public X509Certificate2 Own { get; }

    /// <summary>Whose certificates count.</summary>
    public X509Certificate2Collection Authorities => authorities;

    /// <summary>The certificate as it is shown in a handshake; nothing is fetched to complete its chain.</summary>
    public SslStreamCertificateContext Shown { get; }

    /// <summary>Reads PEM files.</summary>
    /// <exception cref="TrustException">One cannot be read, or the key is not that of the certificate.</exception>
    public static PrivateTrust Read(string authority, string certificate, string key, TimeProvider time)
    {
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(authority);
            if (authorities.Count == 0)
            {
                throw new TrustException($"There is no certificate in {authority}. A PEM file with the certificate of the service's authority is expected.");
            }

            return new PrivateTrust(X509Certificate2.CreateFromPemFile(certificate, key), authorities, time);
        }
        catch (Exception problem) when (problem is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new TrustException($"The certificate {certificate} with its key {key} and its authority {authority} cannot be used: {problem.Message}", problem);
        }
    }

    /// <summary>Who the other side is, or why it is not let in.</summary>
    /// <param name="certificate">What it showed, or null.</param>
    /// <param name="asServer">Whether the other side is the server of the connection.</param>
    /// <param name="wanted">What it may be.</param>
    public (CertificateName? Name, string Reason) Check(X509Certificate2? certificate, bool asServer, params ReadOnlySpan<CertificateKind> wanted)
    {
        if (certificate is null)
        {
            return (null, "it showed no certificate");
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck; // nothing is fetched: a withdrawn caller is withdrawn with its authority
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTimeIgnored = false;
        chain.ChainPolicy.VerificationTime = time.GetUtcNow().LocalDateTime;
        chain.ChainPolicy.ApplicationPolicy.Add(asServer ? ServerUse : ClientUse);
        if (!chain.Build(certificate))
        {
            return (null, $"its certificate is not valid here: {string.Join(", ", chain.ChainStatus.Select(status => status.Status).Distinct())}");
        }

        return CertificateName.Of(certificate.SubjectName) is { } name && wanted.Contains(name.Kind)
            ? (name, "")
            : (null, $"its certificate is for {certificate.Subject}, which is no {WordOf(wanted[0])}");
    }

    private static string WordOf(CertificateKind kind) => kind switch
    {
        CertificateKind.Silo => "silo",
        CertificateKind.Blocks => "block server",
        _ => "caller",
    };
}

/// <summary>Keys or certificates cannot be used; the message is one sentence that says what to do.</summary>
public sealed class TrustException(string message, Exception? inner = null) : Exception(message, inner);
