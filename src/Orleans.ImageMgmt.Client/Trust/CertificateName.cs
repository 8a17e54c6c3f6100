using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Orleans.ImageMgmt.Client;

/// <summary>What a certificate of a service's own authority is for.</summary>
internal enum CertificateKind
{
    /// <summary>A silo: may join the others, and answers clients.</summary>
    Silo,

    /// <summary>A caller of the gateway: never a silo.</summary>
    Client,

    /// <summary>A block server at a site, and a receiver of blocks there: never a silo, and no caller of the gateway.</summary>
    Blocks,
}

/// <summary>Who a certificate names: <c>CN=name, OU=role, O=imgmt silo</c>, <c>O=imgmt client</c> or <c>O=imgmt blocks</c>.</summary>
/// <remarks>The kind stands in the subject and not only in the key usages, because one that is wrong there must not open the other port.</remarks>
/// <param name="Name">The silo's or the caller's name.</param>
/// <param name="Kind">What it is for.</param>
/// <param name="Role">The caller's role; empty for a silo and for a block server.</param>
internal sealed record CertificateName(string Name, CertificateKind Kind, string Role)
{
    private const string SiloOrganization = "imgmt silo";
    private const string ClientOrganization = "imgmt client";
    private const string BlocksOrganization = "imgmt blocks";

    /// <summary>Object identifiers of the parts of a subject (X.520).</summary>
    private const string CommonNameId = "2.5.4.3";
    private const string OrganizationId = "2.5.4.10";
    private const string OrganizationalUnitId = "2.5.4.11";

    /// <summary>The name that silos are called by in a handshake; whose certificate it is decides, not this.</summary>
    public const string SiloHost = "imgmt-silo";

    public static CertificateName Silo { get; } = new(SiloHost, CertificateKind.Silo, "");

    public X500DistinguishedName ToSubject()
    {
        var subject = new X500DistinguishedNameBuilder();
        subject.AddOrganizationName(Kind switch
        {
            CertificateKind.Silo => SiloOrganization,
            CertificateKind.Blocks => BlocksOrganization,
            _ => ClientOrganization,
        });
        if (Role.Length > 0)
        {
            subject.AddOrganizationalUnitName(Role);
        }

        subject.AddCommonName(Name);
        return subject.Build();
    }

    /// <summary>Null when the subject is not written exactly so: every part once, no other parts.</summary>
    public static CertificateName? Of(X500DistinguishedName subject)
    {
        var parts = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            foreach (var part in subject.EnumerateRelativeDistinguishedNames())
            {
                if (part.HasMultipleElements || part.GetSingleElementValue() is not { } value || !parts.TryAdd(part.GetSingleElementType().Value!, value))
                {
                    return null;
                }
            }
        }
        catch (CryptographicException)
        {
            return null;
        }

        if (!parts.Remove(CommonNameId, out var name) || !parts.Remove(OrganizationId, out var organization))
        {
            return null;
        }

        var role = parts.Remove(OrganizationalUnitId, out var unit) ? unit : "";
        return (organization, parts.Count) switch
        {
            (SiloOrganization, 0) when role.Length == 0 => new CertificateName(name, CertificateKind.Silo, role),
            (BlocksOrganization, 0) when role.Length == 0 => new CertificateName(name, CertificateKind.Blocks, role),
            (ClientOrganization, 0) when role.Length > 0 => new CertificateName(name, CertificateKind.Client, role),
            _ => null,
        };
    }
}
