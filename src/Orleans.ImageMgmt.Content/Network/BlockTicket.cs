using System.Text.Json;
using System.Text.Json.Serialization;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>What a ticket opens.</summary>
public enum TicketUse
{
    /// <summary>Manifest, ranges and blocks, for the holder of one certificate.</summary>
    Blocks,

    /// <summary>The whole artefact, for a platform that fetches it by address and has no certificate of ours: whoever has the address.</summary>
    Artefact,
}

/// <summary>The right to read one content from one pod's copy, for a short time.</summary>
/// <param name="Serial">Tells tickets apart: limits count by it.</param>
/// <param name="Pod">The pod whose copy is read.</param>
/// <param name="Version">The copy's version there.</param>
/// <param name="Manifest">SHA-256 of the content's encoded manifest: the one content that may be read.</param>
/// <param name="Receiver">SHA-256 of the certificate that the receiver shows in the handshake; for <see cref="TicketUse.Artefact"/> nobody's.</param>
/// <param name="Use">What it opens.</param>
/// <param name="IssuedAt">Not good before.</param>
/// <param name="ExpiresAt">Not good afterwards.</param>
public sealed record BlockTicket(
    Guid Serial, PodName Pod, VersionId Version, Digest Manifest, Digest? Receiver, TicketUse Use, DateTimeOffset IssuedAt, DateTimeOffset ExpiresAt)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    internal byte[] Encode() => JsonSerializer.SerializeToUtf8Bytes(this, Json);

    /// <summary>Null when the bytes are no ticket.</summary>
    internal static BlockTicket? TryDecode(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return JsonSerializer.Deserialize<BlockTicket>(bytes, Json);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>A signed ticket as it travels.</summary>
/// <param name="Text">What goes into the request's header, or into an address.</param>
/// <param name="ExpiresAt">When a new one has to be there.</param>
public sealed record IssuedTicket(string Text, DateTimeOffset ExpiresAt);
