using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>A word with one text form: parsed once at the edge, valid ever after.</summary>
public interface IWord<TSelf> where TSelf : struct, IWord<TSelf>
{
    string Value { get; }

    static abstract bool TryCreate(string? text, out TSelf word);

    /// <summary>What a valid text looks like, for error sentences.</summary>
    static abstract string Rule { get; }
}

/// <summary>Name of an image: <c>[A-Za-z0-9_-]{1,64}</c>.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.ImageName), JsonConverter(typeof(WordConverter<ImageName>))]
public readonly record struct ImageName([property: Id(0)] string Value) : IWord<ImageName>
{
    public static string Rule => "1 to 64 letters, digits, '_' or '-'";

    public static bool TryCreate(string? text, out ImageName word)
    {
        word = new ImageName(text ?? "");
        return WordRules.IsName(text, allowDot: false);
    }

    public override string ToString() => Value;
}

/// <summary>Name of a version inside its image: <c>[A-Za-z0-9._-]{1,64}</c>, and not dots alone.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.VersionName), JsonConverter(typeof(WordConverter<VersionName>))]
public readonly record struct VersionName([property: Id(0)] string Value) : IWord<VersionName>
{
    /// <summary>What the first import of an image is called.</summary>
    public static VersionName First { get; } = new("1.0");

    public static string Rule => "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit";

    public static bool TryCreate(string? text, out VersionName word)
    {
        word = new VersionName(text ?? "");
        return WordRules.IsName(text, allowDot: true) && char.IsAsciiLetterOrDigit(text[0]);
    }

    public override string ToString() => Value;
}

/// <summary>Name of a pod: <c>[A-Za-z0-9_-]{1,64}</c>.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.PodName), JsonConverter(typeof(WordConverter<PodName>))]
public readonly record struct PodName([property: Id(0)] string Value) : IWord<PodName>
{
    public static string Rule => "1 to 64 letters, digits, '_' or '-'";

    public static bool TryCreate(string? text, out PodName word)
    {
        word = new PodName(text ?? "");
        return WordRules.IsName(text, allowDot: false);
    }

    public override string ToString() => Value;
}

/// <summary>Id of an operation, chosen by the caller (it is the idempotency key too): <c>[A-Za-z0-9_-]{1,64}</c>.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.OperationId), JsonConverter(typeof(WordConverter<OperationId>))]
public readonly record struct OperationId([property: Id(0)] string Value) : IWord<OperationId>
{
    public static string Rule => "1 to 64 letters, digits, '_' or '-'";

    public static bool TryCreate(string? text, out OperationId word)
    {
        word = new OperationId(text ?? "");
        return WordRules.IsName(text, allowDot: false);
    }

    public override string ToString() => Value;
}

/// <summary>One version of one image, written <c>image/version</c>.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.VersionId), JsonConverter(typeof(WordConverter<VersionId>))]
public readonly record struct VersionId([property: Id(0)] ImageName Image, [property: Id(1)] VersionName Version) : IWord<VersionId>
{
    public static string Rule => "IMAGE/VERSION";

    [JsonIgnore]
    public string Value => $"{Image.Value}/{Version.Value}";

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

    public override string ToString() => Value;
}

/// <summary>Rises whenever the intent for a version changes; a connector refuses an older one.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.Generation), JsonConverter(typeof(GenerationConverter))]
public readonly record struct Generation([property: Id(0)] long Value) : IComparable<Generation>
{
    public static Generation None => new(0);

    public Generation Next() => new(Value + 1);

    public int CompareTo(Generation other) => Value.CompareTo(other.Value);

    public static bool operator <(Generation left, Generation right) => left.Value < right.Value;

    public static bool operator >(Generation left, Generation right) => left.Value > right.Value;

    public static bool operator <=(Generation left, Generation right) => left.Value <= right.Value;

    public static bool operator >=(Generation left, Generation right) => left.Value >= right.Value;

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
