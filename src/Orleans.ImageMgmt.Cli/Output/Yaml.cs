using System.Text.Json;
using YamlDotNet.Serialization;

namespace Orleans.ImageMgmt.Cli;

/// <summary>The same record as in JSON, as YAML: same names, same order, same values.</summary>
internal static class Yaml
{
    private static readonly ISerializer Serializer = new SerializerBuilder().WithQuotingNecessaryStrings(quoteYaml1_1Strings: true).WithIndentedSequences().Build();

    public static string Write(JsonElement json) => Serializer.Serialize(ToGraph(json));

    private static object? ToGraph(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => json.EnumerateObject().ToDictionary(member => member.Name, member => ToGraph(member.Value)),
        JsonValueKind.Array => json.EnumerateArray().Select(ToGraph).ToList(),
        JsonValueKind.String => json.GetString(),
        JsonValueKind.Number => json.TryGetInt64(out var whole) ? whole : json.GetDouble(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };
}
