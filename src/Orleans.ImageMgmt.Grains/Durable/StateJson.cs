using System.Text.Json;
using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Root of everything a grain stores.</summary>
public abstract class StoredState
{
    /// <summary>The schema it was written with. Set when it is saved.</summary>
    public int SchemaVersion { get; set; }

    /// <summary>The newest schema this program knows for the type. Raised when the meaning of a field changes; a new optional field does not need it.</summary>
    [JsonIgnore]
    public virtual int KnownSchemaVersion => 1;

    /// <summary>Fields of a newer program. Kept and written back, so that a rolling upgrade or a step back loses nothing.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? UnknownFields { get; set; }
}

/// <summary>How state becomes bytes: JSON in UTF-8, enums as words, unknown fields kept on state roots.</summary>
public static class StateJson
{
    /// <summary>Nesting of stored JSON; ours has no recursive type, so this is far above what occurs.</summary>
    private const int Depth = 32;

    public static JsonSerializerOptions Options { get; } = Make();

    /// <summary>Bytes of <paramref name="state"/>, marked with the schema this program writes.</summary>
    public static byte[] Save<TState>(TState state) where TState : class
    {
        if (state is StoredState root)
        {
            root.SchemaVersion = root.KnownSchemaVersion;
        }

        return JsonSerializer.SerializeToUtf8Bytes(state, Options);
    }

    /// <summary>State from bytes.</summary>
    /// <param name="json">What <see cref="Save"/> made.</param>
    /// <param name="what">Names the row in an error.</param>
    /// <exception cref="StateSchemaException">It was written by a newer program.</exception>
    /// <exception cref="JsonException">It is not such a state.</exception>
    public static TState Load<TState>(ReadOnlySpan<byte> json, string what)
    {
        var state = JsonSerializer.Deserialize<TState>(json, Options) ?? throw new JsonException($"The stored record {what} is empty.");
        if (state is StoredState root)
        {
            Check(root, what);
        }

        return state;
    }

    /// <exception cref="StateSchemaException">The state was written with a newer schema than this program knows.</exception>
    public static void Check(StoredState state, string what)
    {
        if (state.SchemaVersion > state.KnownSchemaVersion)
        {
            throw new StateSchemaException(what, state.SchemaVersion, state.KnownSchemaVersion);
        }
    }

    private static JsonSerializerOptions Make()
    {
        var options = new JsonSerializerOptions
        {
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            MaxDepth = Depth,
            AllowDuplicateProperties = false,
            Converters = { new JsonStringEnumConverter(namingPolicy: null, allowIntegerValues: false) },
        };
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }
}
