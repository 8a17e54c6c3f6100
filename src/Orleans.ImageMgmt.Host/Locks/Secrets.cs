using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>The text of a token: <c>imgmt_</c> and 256 random bits in base64url (RFC 4648). The beginning lets scanners of leaked secrets know it.</summary>
internal static partial class Secrets
{
    public const string Prefix = "imgmt_";

    private const int Bytes = 32;

    /// <summary>Length of every token.</summary>
    public const int Length = 49;

    public static string New() => Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(Bytes));

    /// <summary>The hash of what looks like a token, or null.</summary>
    public static Digest? HashOf(string text) => text.Length == Length && text.StartsWith(Prefix, StringComparison.Ordinal) && Base64Url.IsValid(text.AsSpan(Prefix.Length))
        ? Digest.FromBytes(SHA256.HashData(Encoding.ASCII.GetBytes(text))) : null;

    /// <summary>Text with every token in it made unreadable: the last net before a log.</summary>
    public static string Scrub(string text) => text.Contains(Prefix, StringComparison.Ordinal) ? TokenText().Replace(text, Prefix + "(hidden)") : text;

    [GeneratedRegex("imgmt_[A-Za-z0-9_-]{43}")]
    private static partial Regex TokenText();
}
