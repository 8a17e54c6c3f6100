using System.Buffers.Text;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Orleans.ImageMgmt.Content;

/// <summary>
/// The text of a ticket: <c>imgmtb1.PAYLOAD.CERTIFICATE.SIGNATURE</c>, each part in base64url (RFC 4648). The payload is JSON; the certificate
/// is the signer's, DER; the signature is ECDSA with SHA-256 over the text's first part, a dot and the payload.
/// </summary>
/// <remarks>The signer's certificate travels along, so that a server needs to know the authority alone: no key is handed out, and a renewed
/// certificate signs at once. A server can check tickets and cannot make any.</remarks>
public static class TicketText
{
    /// <summary>A ticket is about 1,200 characters; a longer text than this is none.</summary>
    public const int MaxLength = 4 << 10;

    private const string Prefix = "imgmtb1";

    /// <param name="ticket">What is allowed.</param>
    /// <param name="signer">A certificate with its key, of a kind that may issue tickets.</param>
    /// <exception cref="CryptographicException">The certificate has no elliptic-curve key.</exception>
    public static IssuedTicket Sign(BlockTicket ticket, X509Certificate2 signer)
    {
        using var key = signer.GetECDsaPrivateKey() ?? throw new CryptographicException("A ticket is signed with an elliptic-curve key, and this certificate has none.");
        var payload = ticket.Encode();
        var signature = key.SignData(Signed(payload), HashAlgorithmName.SHA256);
        return new IssuedTicket(
            $"{Prefix}.{Base64Url.EncodeToString(payload)}.{Base64Url.EncodeToString(signer.RawData)}.{Base64Url.EncodeToString(signature)}", ticket.ExpiresAt);
    }

    /// <summary>Takes a text apart. Null when it is no ticket.</summary>
    internal static TicketParts? TryParse(string text)
    {
        var parts = text.Length <= MaxLength ? text.Split('.') : [];
        if (parts.Length != 4 || parts[0] != Prefix)
        {
            return null;
        }

        try
        {
            var payload = Base64Url.DecodeFromChars(parts[1]);
            return BlockTicket.TryDecode(payload) is { } ticket
                ? new TicketParts(ticket, Signed(payload), Base64Url.DecodeFromChars(parts[2]), Base64Url.DecodeFromChars(parts[3]))
                : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static byte[] Signed(byte[] payload) => [.. Encoding.ASCII.GetBytes(Prefix), (byte)'.', .. payload];
}

/// <summary>A ticket that nobody has checked yet.</summary>
internal sealed record TicketParts(BlockTicket Ticket, byte[] Signed, byte[] Certificate, byte[] Signature);
