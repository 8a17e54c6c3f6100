using System.Text.Json;

namespace Orleans.ImageMgmt.Simulation;

/// <summary>The durable map: what is in it survives every crash. A record is written whole or not at all.</summary>
internal sealed class Store
{
    private readonly Dictionary<string, object> records = new(StringComparer.Ordinal);

    internal IEnumerable<KeyValuePair<string, object>> All => records;

    internal T? Read<T>(string key) where T : class => records.GetValueOrDefault(key) as T;

    internal IEnumerable<T> Of<T>() => records.Values.OfType<T>();

    internal IReadOnlyList<string> Keys => [.. records.Keys.Order(StringComparer.Ordinal)];

    internal void Write(string key, object noun) => records[key] = noun;

    /// <summary>What a process that starts finds: the record as its JSON text gives it back.</summary>
    internal void Reload(string key)
    {
        var noun = records[key];
        records[key] = JsonSerializer.Deserialize(JsonSerializer.Serialize(noun, noun.GetType()), noun.GetType())!;
    }
}
