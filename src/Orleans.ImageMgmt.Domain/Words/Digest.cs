using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>A SHA-256 (FIPS 180-4) in its one text form: <c>sha256:</c> and 64 lower-case hexadecimal digits.</summary>
/// <param name="Value">The text form; use <see cref="TryCreate"/> for text from elsewhere.</param>
[GenerateSerializer, Immutable, Alias(Aliases.Digest), JsonConverter(typeof(WordConverter<Digest>))]
public readonly record struct Digest([property: Id(0)] string Value) : IWord<Digest>
{
    /// <summary>Bytes of a SHA-256.</summary>
    public const int ByteLength = 32;

    private const string Prefix = "sha256:";

    /// <summary>What a valid text looks like, for error sentences.</summary>
    public static string Rule => "64 hexadecimal digits, with or without 'sha256:' before them";

    /// <summary>Reads the text form, with or without the prefix, in either case. False when it breaks <see cref="Rule"/>.</summary>
    public static bool TryCreate([NotNullWhen(true)] string? text, out Digest word)
    {
        var hex = text is not null && text.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) ? text[Prefix.Length..] : text ?? "";
        var valid = hex.Length == ByteLength * 2 && hex.All(char.IsAsciiHexDigit);
        word = new Digest(valid ? Prefix + hex.ToLowerInvariant() : "");
        return valid;
    }

    /// <exception cref="ArgumentException">Not exactly 32 bytes.</exception>
    public static Digest FromBytes(ReadOnlySpan<byte> bytes) => bytes.Length == ByteLength
        ? new Digest(Prefix + Convert.ToHexStringLower(bytes))
        : throw new ArgumentException($"A SHA-256 has {ByteLength} bytes, not {bytes.Length}.", nameof(bytes));

    /// <summary>The 32 bytes.</summary>
    public byte[] ToBytes() => Convert.FromHexString(Value.AsSpan(Prefix.Length));

    /// <summary>The first twelve hexadecimal digits, for people.</summary>
    public string Short() => Value is { Length: > 19 } ? Value[Prefix.Length..(Prefix.Length + 12)] : Value;

    /// <summary>The text form, prefix included.</summary>
    public override string ToString() => Value;
}
