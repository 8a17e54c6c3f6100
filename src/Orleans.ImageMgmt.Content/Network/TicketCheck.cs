using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>Who asks what.</summary>
/// <param name="Ticket">As it came; null when none did.</param>
/// <param name="Receiver">SHA-256 of the certificate of the connection; null when none was shown.</param>
/// <param name="Manifest">The content that the request names.</param>
/// <param name="Use">What the request wants.</param>
public sealed record BlockCaller(string? Ticket, Digest? Receiver, Digest Manifest, TicketUse Use);

/// <summary>Decides whether a ticket opens what is asked.</summary>
/// <param name="isIssuer">Whether a certificate may sign tickets: of our authority, and of the right kind.</param>
/// <param name="skew">How far the clocks of two machines may differ.</param>
/// <param name="maxLife">A ticket that is good for longer is refused: bounds what a careless issuer can do.</param>
/// <param name="time">This machine's clock.</param>
public sealed class TicketCheck(Func<X509Certificate2, bool> isIssuer, TimeSpan skew, TimeSpan maxLife, TimeProvider time)
{
    /// <summary>Tickets whose signature was found good, so that not every request costs a signature. Forgotten all at once when full.</summary>
    private const int Remembered = 1_024;

    private readonly ConcurrentDictionary<Digest, BlockTicket> good = new();

    /// <summary>The ticket, or why not. Digests are compared in constant time, and the signature before anything that the ticket says.</summary>
    public (BlockTicket? Ticket, BlockRefusal? Refusal) Check(BlockCaller caller)
    {
        if (caller.Ticket is not { Length: > 0 } text)
        {
            return (null, BlockRefusal.NoTicket);
        }

        var (ticket, refusal) = Signed(text);
        refusal ??= Judge(ticket!, caller);
        return refusal is null ? (ticket, null) : (null, refusal);
    }

    private BlockRefusal? Judge(BlockTicket ticket, BlockCaller caller)
    {
        var now = time.GetUtcNow();
        return ticket switch
        {
            _ when ticket.ExpiresAt - ticket.IssuedAt > maxLife => BlockRefusal.TooLong,
            _ when now > ticket.ExpiresAt + skew => BlockRefusal.Expired,
            _ when now < ticket.IssuedAt - skew => BlockRefusal.Early,
            _ when ticket.Use != caller.Use => BlockRefusal.OtherUse,
            _ when ticket.Use == TicketUse.Blocks && !Same(ticket.Receiver, caller.Receiver) => BlockRefusal.OtherReceiver,
            _ when !Same(ticket.Manifest, caller.Manifest) => BlockRefusal.OtherContent,
            _ => null,
        };
    }

    private (BlockTicket? Ticket, BlockRefusal? Refusal) Signed(string text)
    {
        if (text.Length > TicketText.MaxLength)
        {
            return (null, BlockRefusal.Unreadable);
        }

        var key = Digest.FromBytes(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
        if (good.TryGetValue(key, out var known))
        {
            return (known, null);
        }

        if (TicketText.TryParse(text) is not { } parts)
        {
            return (null, BlockRefusal.Unreadable);
        }

        var refusal = CheckSignature(parts);
        if (refusal is not null)
        {
            return (null, refusal);
        }

        if (good.Count >= Remembered)
        {
            good.Clear();
        }

        good[key] = parts.Ticket;
        return (parts.Ticket, null);
    }

    private BlockRefusal? CheckSignature(TicketParts parts)
    {
        try
        {
            using var signer = X509CertificateLoader.LoadCertificate(parts.Certificate);
            if (!isIssuer(signer))
            {
                return BlockRefusal.Stranger;
            }

            using var key = signer.GetECDsaPublicKey();
            return key is not null && key.VerifyData(parts.Signed, parts.Signature, HashAlgorithmName.SHA256) ? null : BlockRefusal.Altered;
        }
        catch (CryptographicException)
        {
            return BlockRefusal.Altered;
        }
    }

    private static bool Same(Digest? one, Digest? other) =>
        one is { Value.Length: > 0 } a && other is { Value.Length: > 0 } b && CryptographicOperations.FixedTimeEquals(a.ToBytes(), b.ToBytes());
}
