using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Orleans.ImageMgmt.Client;

namespace Orleans.ImageMgmt.Host;

/// <summary>The keys of this silo: made at the first start in <c>trust</c> of the data directory and renewed before they end, or given as files.</summary>
internal sealed class SiloTrust
{
    private const string FolderName = "trust";
    private const string AuthorityName = "authority.pem"; // the key too: for this user alone
    private const string AuthorityCertificateName = "ca.crt";
    private const string SiloName = "silo.pem";

    private readonly Lock gate = new();
    private readonly string folder;
    private readonly TrustOptions options;
    private readonly TimeProvider time;
    private readonly FileTrust? given;
    private readonly CertificateKind[] kinds;
    private PrivateTrust current;

    private SiloTrust(string folder, TrustOptions options, TimeProvider time, CertificateKind[] kinds)
    {
        (this.folder, this.options, this.time, this.kinds) = (folder, options, time, kinds);
        given = options.AreFilesGiven ? ReadGiven() : null;
        current = given?.Current() ?? ReadOwn();
    }

    /// <summary>The certificate of the authority, for those who call this silo.</summary>
    public string AuthorityFile => options.AreFilesGiven ? options.Authority : Path.Combine(folder, AuthorityCertificateName);

    /// <exception cref="TrustException">The keys cannot be made, read or used.</exception>
    public static SiloTrust Open(string dataDirectory, TrustOptions options, TimeProvider time) =>
        new(Path.Combine(Path.GetFullPath(dataDirectory), FolderName), options, time, [CertificateKind.Silo]);

    /// <summary>As <see cref="Open"/>, for a block server that is no silo: its certificate may be one that says so.</summary>
    /// <exception cref="TrustException">The keys cannot be made, read or used.</exception>
    public static SiloTrust OpenForBlocks(string dataDirectory, TrustOptions options, TimeProvider time) =>
        new(Path.Combine(Path.GetFullPath(dataDirectory), FolderName), options, time, [CertificateKind.Blocks, CertificateKind.Silo]);

    /// <summary>Whether a service has made keys in this data directory.</summary>
    public static bool HasKeys(string dataDirectory) => File.Exists(Path.Combine(Path.GetFullPath(dataDirectory), FolderName, AuthorityName));

    /// <summary>What this silo shows and accepts now; asked at every handshake, so that a renewal needs no restart.</summary>
    public PrivateTrust Current()
    {
        lock (gate)
        {
            if (given is not null)
            {
                return given.Current();
            }

            if (IsDue(current.Own))
            {
                try
                {
                    current = ReadOwn();
                }
                catch (TrustException)
                {
                    // What is here is still good, or the other side will say that it is not.
                }
            }

            return current;
        }
    }

    /// <summary>Makes a key and a certificate for a caller of the gateway, and puts them with the authority's certificate into a folder.</summary>
    /// <exception cref="TrustException">The authority's key is not here, or the folder cannot be written.</exception>
    public void IssueClient(string name, string role, TimeSpan life, string into) =>
        Issue(new CertificateName(name, CertificateKind.Client, role), life, into, "client");

    /// <summary>The same for a block server at a site: <c>blocks.key</c>, <c>blocks.crt</c> and the authority's certificate.</summary>
    /// <exception cref="TrustException">The authority's key is not here, or the folder cannot be written.</exception>
    public void IssueBlocks(string name, TimeSpan life, string into) => Issue(new CertificateName(name, CertificateKind.Blocks, ""), life, into, "blocks");

    /// <summary>Makes a key and a certificate with which a silo joins a cluster, and puts them with the authority's certificate into a folder.</summary>
    /// <exception cref="TrustException">The authority's key is not here, or the folder cannot be written.</exception>
    public void IssueSilo(TimeSpan life, string into) => Issue(CertificateName.Silo, life, into, "silo");

    private void Issue(CertificateName name, TimeSpan life, string into, string file)
    {
        if (options.AreFilesGiven)
        {
            throw new TrustException($"This service uses the authority {options.Authority} (Trust:Authority) and has no key of it. Issue the certificate where that authority is kept: with this command and --data FOLDER of that authority, or with tools of your own, for TLS clients, with the subject {name.ToSubject().Decode(X500DistinguishedNameFlags.None)}.");
        }

        var (authority, certificate) = Guarded(() =>
        {
            var own = PrivateAuthority.Parse(ReadSecret(Path.Combine(folder, AuthorityName)));
            return (own, own.Issue(name, life, time.GetUtcNow()));
        });
        using var issued = certificate;
        try
        {
            PrivateFiles.MakeFolder(into);
            PrivateFiles.Write(Path.Combine(into, $"{file}.key"), PrivateAuthority.KeyPem(certificate) + "\n", isSecret: true);
            PrivateFiles.Write(Path.Combine(into, $"{file}.crt"), certificate.ExportCertificatePem() + "\n", isSecret: false);
            PrivateFiles.Write(Path.Combine(into, AuthorityCertificateName), authority.CertificatesPem(), isSecret: false);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new TrustException($"The certificate cannot be written into {into}: {problem.Message} Name another folder.", problem);
        }
    }

    private bool IsDue(X509Certificate2 own) => own.NotAfter - time.GetUtcNow() < PrivateAuthority.LeafLife / 3;

    private FileTrust ReadGiven()
    {
        if (options.Authority.Length == 0 || options.Certificate.Length == 0 || options.Key.Length == 0)
        {
            throw new TrustException("Trust:Authority, Trust:Certificate and Trust:Key belong together: give all three files, or none.");
        }

        return Guarded(() =>
        {
            PrivateFiles.RequirePrivate(options.Key, options.AllowGroupRead);
            var trust = new FileTrust(options.Authority, options.Certificate, options.Key, time);
            return trust.Current().Check(trust.Current().Own, asServer: true, kinds) is { Name: null } no
                ? throw new TrustException($"The certificate {options.Certificate} cannot be this {(kinds[0] == CertificateKind.Silo ? "silo" : "block server")}'s: {no.Reason}.")
                : trust;
        });
    }

    private PrivateTrust ReadOwn() => Guarded(() =>
    {
        PrivateFiles.MakeFolder(folder);
        PrivateFiles.RequirePrivate(folder);
        var now = time.GetUtcNow();
        var authorityFile = Path.Combine(folder, AuthorityName);
        var authority = File.Exists(authorityFile) ? PrivateAuthority.Parse(ReadSecret(authorityFile)) : null;
        if (authority is null || authority.IsDue(now))
        {
            authority = PrivateAuthority.Make(authority, now);
            PrivateFiles.Write(authorityFile, authority.ToPem(), isSecret: true);
        }

        var certificates = Path.Combine(folder, AuthorityCertificateName);
        if (!File.Exists(certificates) || File.ReadAllText(certificates) != authority.CertificatesPem())
        {
            PrivateFiles.Write(certificates, authority.CertificatesPem(), isSecret: false);
        }

        var siloFile = Path.Combine(folder, SiloName);
        var own = File.Exists(siloFile) ? ParseSilo(ReadSecret(siloFile)) : null;
        if (own is null || IsDue(own) || !authority.Trusted.Any(signer => signer.SubjectKeyIdentifier() == own.AuthorityKeyIdentifier()))
        {
            own = authority.Issue(CertificateName.Silo, PrivateAuthority.LeafLife, now);
            PrivateFiles.Write(siloFile, $"{PrivateAuthority.KeyPem(own)}\n{own.ExportCertificatePem()}\n", isSecret: true);
        }

        return new PrivateTrust(own, authority.Trusted, time);
    });

    private static X509Certificate2 ParseSilo(string pem) => X509Certificate2.CreateFromPem(pem, pem);

    private static string ReadSecret(string path)
    {
        PrivateFiles.RequirePrivate(path);
        return File.ReadAllText(path);
    }

    private T Guarded<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception problem) when (problem is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new TrustException($"The keys in {folder} cannot be used: {problem.Message} Put back what was there, or remove the folder to have new keys; callers then need new certificates.", problem);
        }
    }
}

/// <summary>Which key signed which.</summary>
internal static class KeyIdentifiers
{
    public static string? SubjectKeyIdentifier(this X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509SubjectKeyIdentifierExtension>().FirstOrDefault()?.SubjectKeyIdentifier;

    public static string? AuthorityKeyIdentifier(this X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509AuthorityKeyIdentifierExtension>().FirstOrDefault()?.KeyIdentifier is { } id ? Convert.ToHexString(id.Span) : null;
}
