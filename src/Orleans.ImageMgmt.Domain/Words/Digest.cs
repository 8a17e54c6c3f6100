using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>A SHA-256 (FIPS 180-4) in its one text form: <c>sha256:</c> and 64 lower-case hexadecimal digits.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.Digest), JsonConverter(typeof(WordConverter<Digest>))]
public readonly record struct Digest([property: Id(0)] string Value) : IWord<Digest>
{
    public const int ByteLength = 32;

    private const string Prefix = "sha256:";

    public static string Rule => "64 hexadecimal digits, with or without 'sha256:' before them";

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

    public byte[] ToBytes() => Convert.FromHexString(Value.AsSpan(Prefix.Length));

    /// <summary>The first twelve hexadecimal digits, for people.</summary>
    public string Short() => Value is { Length: > 19 } ? Value[Prefix.Length..(Prefix.Length + 12)] : Value;

    public override string ToString() => Value;
}
