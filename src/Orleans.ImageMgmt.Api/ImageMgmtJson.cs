using System.Text.Json;
using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Api;

/// <summary>How the API's JSON is written and read: camelCase names and words, absent instead of null.</summary>
public static class ImageMgmtJson
{
    /// <summary>Depth of nesting that is read; no record of the API is deeper than half of it.</summary>
    public const int DepthLimit = 32;

    /// <summary>What a client reads with: fields that it does not know yet are passed over, so that the server may add some.</summary>
    public static JsonSerializerOptions Options { get; } = Make(JsonUnmappedMemberHandling.Skip);

    /// <summary>What the server reads with: a field that it does not know is a mistake of the caller.</summary>
    public static JsonSerializerOptions Strict { get; } = Make(JsonUnmappedMemberHandling.Disallow);

    /// <summary>Sets options up as the API wants them.</summary>
    public static void Apply(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        options.PropertyNameCaseInsensitive = false;
        options.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.RespectNullableAnnotations = true;
        options.MaxDepth = DepthLimit;
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false));
    }

    private static JsonSerializerOptions Make(JsonUnmappedMemberHandling unmapped)
    {
        var options = new JsonSerializerOptions { UnmappedMemberHandling = unmapped };
        Apply(options);
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }
}
