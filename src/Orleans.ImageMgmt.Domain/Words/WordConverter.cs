using System.Text.Json;
using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>Writes a word as its text and refuses text that is no such word.</summary>
public sealed class WordConverter<T> : JsonConverter<T> where T : struct, IWord<T>
{
    /// <summary>Reads a word.</summary>
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Parse(reader.GetString());

    /// <summary>Writes a word.</summary>
    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteStringValue(value.Value);

    /// <summary>Reads a word that is a key.</summary>
    public override T ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Parse(reader.GetString());

    /// <summary>Writes a word that is a key.</summary>
    public override void WriteAsPropertyName(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WritePropertyName(value.Value);

    private static T Parse(string? text) =>
        T.TryCreate(text, out var word) ? word : throw new JsonException($"'{text}' is not a {typeof(T).Name}: {T.Rule}.");
}

/// <summary>Writes a generation as its number.</summary>
public sealed class GenerationConverter : JsonConverter<Generation>
{
    /// <summary>Reads the number.</summary>
    public override Generation Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetInt64());

    /// <summary>Writes the number.</summary>
    public override void Write(Utf8JsonWriter writer, Generation value, JsonSerializerOptions options) => writer.WriteNumberValue(value.Value);
}
