using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>A word with one text form: parsed once at the edge, valid ever after.</summary>
public interface IWord<TSelf> where TSelf : struct, IWord<TSelf>
{
    /// <summary>The text form.</summary>
    string Value { get; }

    /// <summary>Reads the text form. False when it breaks <see cref="Rule"/>; the word is of no use then.</summary>
    static abstract bool TryCreate(string? text, out TSelf word);

    /// <summary>What a valid text looks like, for error sentences.</summary>
    static abstract string Rule { get; }
}

/// <summary>Name of an image: <c>[A-Za-z0-9_-]{1,64}</c>.</summary>
/// <param name="Value">The text form; use <see cref="TryCreate"/> for text from elsewhere.</param>
[GenerateSerializer, Immutable, Alias(Aliases.ImageName), JsonConverter(typeof(WordConverter<ImageName>))]
public readonly record struct ImageName([property: Id(0)] string Value) : IWord<ImageName>
{
    /// <summary>What a valid text looks like, for error sentences.</summary>
    public static string Rule => "1 to 64 letters, digits, '_' or '-'";

    /// <summary>Reads the text form. False when it breaks <see cref="Rule"/>; the word is of no use then.</summary>
    public static bool TryCreate(string? text, out ImageName word)
    {
        word = new ImageName(text ?? "");
        return WordRules.IsName(text, allowDot: false);
    }

    /// <summary>The text form.</summary>
    public override string ToString() => Value;
}

/// <summary>Name of a version inside its image: <c>[A-Za-z0-9._-]{1,64}</c>, and not dots alone.</summary>
/// <param name="Value">The text form; use <see cref="TryCreate"/> for text from elsewhere.</param>
[GenerateSerializer, Immutable, Alias(Aliases.VersionName), JsonConverter(typeof(WordConverter<VersionName>))]
public readonly record struct VersionName([property: Id(0)] string Value) : IWord<VersionName>
{
    /// <summary>What the first import of an image is called.</summary>
    public static VersionName First { get; } = new("1.0");

    /// <summary>What a valid text looks like, for error sentences.</summary>
    public static string Rule => "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit";

    /// <summary>Reads the text form. False when it breaks <see cref="Rule"/>; the word is of no use then.</summary>
    public static bool TryCreate(string? text, out VersionName word)
    {
        word = new VersionName(text ?? "");
        return WordRules.IsName(text, allowDot: true) && char.IsAsciiLetterOrDigit(text[0]);
    }

    /// <summary>The text form.</summary>
    public override string ToString() => Value;
}

/// <summary>Name of a pod: <c>[A-Za-z0-9_-]{1,64}</c>.</summary>
/// <param name="Value">The text form; use <see cref="TryCreate"/> for text from elsewhere.</param>
[GenerateSerializer, Immutable, Alias(Aliases.PodName), JsonConverter(typeof(WordConverter<PodName>))]
public readonly record struct PodName([property: Id(0)] string Value) : IWord<PodName>
{
    /// <summary>What a valid text looks like, for error sentences.</summary>
    public static string Rule => "1 to 64 letters, digits, '_' or '-'";

    /// <summary>Reads the text form. False when it breaks <see cref="Rule"/>; the word is of no use then.</summary>
    public static bool TryCreate(string? text, out PodName word)
    {
        word = new PodName(text ?? "");
        return WordRules.IsName(text, allowDot: false);
    }

    /// <summary>The text form.</summary>
    public override string ToString() => Value;
}

/// <summary>Id of an operation, chosen by the caller (it is the idempotency key too): <c>[A-Za-z0-9_-]{1,64}</c>.</summary>
/// <param name="Value">The text form; use <see cref="TryCreate"/> for text from elsewhere.</param>
[GenerateSerializer, Immutable, Alias(Aliases.OperationId), JsonConverter(typeof(WordConverter<OperationId>))]
public readonly record struct OperationId([property: Id(0)] string Value) : IWord<OperationId>
{
    /// <summary>What a valid text looks like, for error sentences.</summary>
    public static string Rule => "1 to 64 letters, digits, '_' or '-'";

    /// <summary>Reads the text form. False when it breaks <see cref="Rule"/>; the word is of no use then.</summary>
    public static bool TryCreate(string? text, out OperationId word)
    {
        word = new OperationId(text ?? "");
        return WordRules.IsName(text, allowDot: false);
    }

    /// <summary>The text form.</summary>
    public override string ToString() => Value;
}

/// <summary>One version of one image, written <c>image/version</c>.</summary>
/// <param name="Image">The image.</param>
/// <param name="Version">The version's name in it.</param>
[GenerateSerializer, Immutable, Alias(Aliases.VersionId), JsonConverter(typeof(WordConverter<VersionId>))]
public readonly record struct VersionId([property: Id(0)] ImageName Image, [property: Id(1)] VersionName Version) : IWord<VersionId>
{
    /// <summary>What a valid text looks like, for error sentences.</summary>
    public static string Rule => "IMAGE/VERSION";

    /// <summary>The text form: <c>image/version</c>.</summary>
    [JsonIgnore]
    public string Value => $"{Image.Value}/{Version.Value}";

    /// <summary>Reads the text form. False when it breaks <see cref="Rule"/>; the word is of no use then.</summary>
    public static bool TryCreate(string? text, out VersionId word)
    {
        var slash = text?.IndexOf('/', StringComparison.Ordinal) ?? -1;
        word = default;
        if (slash < 0 || !ImageName.TryCreate(text![..slash], out var image)
            || !VersionName.TryCreate(text[(slash + 1)..], out var version))
        {
            return false;
        }

        word = new VersionId(image, version);
        return true;
    }

    /// <summary>The text form.</summary>
    public override string ToString() => Value;
}

/// <summary>Rises whenever the intent for a version changes; a connector refuses an older one.</summary>
/// <param name="Value">The number; 0 is before the first.</param>
[GenerateSerializer, Immutable, Alias(Aliases.Generation), JsonConverter(typeof(GenerationConverter))]
public readonly record struct Generation([property: Id(0)] long Value) : IComparable<Generation>
{
    /// <summary>Before the first intent.</summary>
    public static Generation None => new(0);

    /// <summary>The one of the next intent.</summary>
    public Generation Next() => new(Value + 1);

    /// <summary>By number.</summary>
    public int CompareTo(Generation other) => Value.CompareTo(other.Value);

    /// <summary>Whether the left one is older.</summary>
    public static bool operator <(Generation left, Generation right) => left.Value < right.Value;

    /// <summary>Whether the left one is newer.</summary>
    public static bool operator >(Generation left, Generation right) => left.Value > right.Value;

    /// <summary>Whether the left one is not newer.</summary>
    public static bool operator <=(Generation left, Generation right) => left.Value <= right.Value;

    /// <summary>Whether the left one is not older.</summary>
    public static bool operator >=(Generation left, Generation right) => left.Value >= right.Value;

    /// <summary>The number.</summary>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

internal static class WordRules
{
    internal const int NameLength = 64;

    internal static bool IsName([NotNullWhen(true)] string? text, bool allowDot)
    {
        if (text is null || text.Length is 0 or > NameLength)
        {
            return false;
        }

        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-') && !(allowDot && c == '.'))
            {
                return false;
            }
        }

        return true;
    }
}
