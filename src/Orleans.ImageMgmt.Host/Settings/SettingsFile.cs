using System.Text;
using System.Text.Json;

namespace Orleans.ImageMgmt.Host;

/// <summary>One value as it was written, and where.</summary>
/// <param name="Key">Parts joined by colons.</param>
/// <param name="Text">The value.</param>
/// <param name="Place">File and line, variable, or argument.</param>
internal sealed record SettingText(string Key, string Text, string Place);

/// <summary>What is wrong with the configuration, and where.</summary>
internal sealed record SettingFault(string Place, string Message)
{
    public override string ToString() => $"{Place}: {Message}";
}

/// <summary>Reads a configuration file: JSON with comments and trailing commas, sections as objects. Every value keeps its line.</summary>
internal static class SettingsFile
{
    /// <summary>A configuration larger than this is none.</summary>
    private const long SizeLimit = 1L << 20;

    private const int Depth = 8;

    public static IReadOnlyList<SettingText> Read(string path, List<SettingFault> faults)
    {
        byte[] bytes;
        try
        {
            if (new FileInfo(path).Length > SizeLimit)
            {
                faults.Add(new SettingFault(path, $"The file is larger than {SizeLimit >> 20} MiB."));
                return [];
            }

            bytes = File.ReadAllBytes(path);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            faults.Add(new SettingFault(path, $"The file cannot be read: {problem.Message}"));
            return [];
        }

        var values = new List<SettingText>();
        try
        {
            Walk(bytes, path, values, faults);
        }
        catch (JsonException problem)
        {
            faults.Add(new SettingFault($"{path}:{problem.LineNumber + 1}", "This is not JSON: check commas, quotes and braces here and just before."));
        }

        return values;
    }

    private static void Walk(byte[] bytes, string path, List<SettingText> values, List<SettingFault> faults)
    {
        ReadOnlySpan<byte> text = bytes;
        text = text.StartsWith("\uFEFF"u8) ? text[3..] : text;
        var reader = new Utf8JsonReader(text, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = Depth });
        var keys = new Stack<string>();
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var list = default(StringBuilder);
        var name = "";
        while (reader.Read())
        {
            var place = $"{path}:{Line(text, (int)reader.TokenStartIndex)}";
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    name = reader.GetString()!;
                    break;
                case JsonTokenType.StartObject when list is null:
                    keys.Push(keys.Count == 0 ? "" : Join(keys.Peek(), name));
                    break;
                case JsonTokenType.EndObject when list is null:
                    keys.Pop();
                    break;
                case JsonTokenType.StartArray when list is null && keys.Count > 0:
                    list = new StringBuilder();
                    break;
                case JsonTokenType.EndArray when list is not null:
                    Add(Join(keys.Peek(), name), list.ToString(), place);
                    list = null;
                    break;
                case JsonTokenType.String or JsonTokenType.Number or JsonTokenType.True or JsonTokenType.False or JsonTokenType.Null when keys.Count > 0:
                    var value = reader.TokenType == JsonTokenType.String ? reader.GetString()! : reader.TokenType == JsonTokenType.Null ? "" : Encoding.UTF8.GetString(reader.ValueSpan);
                    if (list is null)
                    {
                        Add(Join(keys.Peek(), name), value, place);
                    }
                    else
                    {
                        list.Append(list.Length == 0 ? "" : ",").Append(value);
                    }

                    break;
                default:
                    faults.Add(new SettingFault(place, "An object of sections is expected, and lists hold plain values only."));
                    return;
            }
        }

        void Add(string key, string value, string place)
        {
            if (seen.Add(key))
            {
                values.Add(new SettingText(key, value, place));
            }
            else
            {
                faults.Add(new SettingFault(place, $"'{key}' is there twice."));
            }
        }
    }

    private static string Join(string section, string name) => section.Length == 0 ? name : $"{section}:{name}";

    private static int Line(ReadOnlySpan<byte> text, int at) => text[..at].Count((byte)'\n') + 1;
}
