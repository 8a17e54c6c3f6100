using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>Reads a JSON body and names every fault at once: unknown, missing, doubled and mistyped fields, each with its place.</summary>
internal static class StrictBody
{
    /// <summary>Bytes of a body; uploads are streams and have a limit of their own. Default: 1 MiB.</summary>
    public const int SizeLimit = 1 << 20;

    /// <summary>Faults that are listed; whoever has more begins with these.</summary>
    public const int FaultLimit = 100;

    private static readonly JsonDocumentOptions Parsing = new() { MaxDepth = ImageMgmtJson.DepthLimit, AllowDuplicateProperties = false };

    /// <returns>The body, or null when faults were added.</returns>
    /// <exception cref="RequestProblem">It is no JSON, too large or of another media type.</exception>
    public static async Task<T?> ReadAsync<T>(HttpContext http, List<FieldFault> faults, bool mayBeEmpty) where T : class
    {
        var bytes = await ReadBytesAsync(http);
        if (bytes.Length == 0)
        {
            return mayBeEmpty ? JsonSerializer.Deserialize<T>("{}"u8, ImageMgmtJson.Strict)
                : throw new RequestProblem(StatusCodes.Status400BadRequest, RequestProblem.Malformed, "The request has no body.", "Send the fields as a JSON object.");
        }

        if (!http.Request.HasJsonContentType())
        {
            throw ProblemMiddleware.MediaType(http.Request.ContentType);
        }

        using var document = Parse(bytes);
        var before = faults.Count;
        Check(document.RootElement, ImageMgmtJson.Strict.GetTypeInfo(typeof(T)), "", faults);
        if (faults.Count > before)
        {
            return null;
        }

        try
        {
            return document.Deserialize<T>(ImageMgmtJson.Strict);
        }
        catch (JsonException problem)
        {
            faults.Add(Fault(problem.Path?.TrimStart('$', '.') ?? "", "field.invalid", "It cannot be read."));
            return null;
        }
    }

    private static async Task<ReadOnlyMemory<byte>> ReadBytesAsync(HttpContext http)
    {
        if (http.Request.ContentLength > SizeLimit)
        {
            throw TooLarge();
        }

        using var kept = new MemoryStream();
        var buffer = new byte[16 << 10];
        int count;
        while ((count = await http.Request.Body.ReadAsync(buffer, http.RequestAborted)) > 0)
        {
            await kept.WriteAsync(buffer.AsMemory(0, count), CancellationToken.None);
            if (kept.Length > SizeLimit)
            {
                throw TooLarge();
            }
        }

        return kept.GetBuffer().AsMemory(0, (int)kept.Length);
    }

    private static RequestProblem TooLarge() => new(StatusCodes.Status413PayloadTooLarge, "request.too-large",
        $"The body is larger than {SizeLimit >> 20} MiB.", "Send less; a disk is sent as an upload.");

    private static JsonDocument Parse(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            return JsonDocument.Parse(bytes, Parsing);
        }
        catch (JsonException problem)
        {
            var isDouble = problem.Message.Contains("uplicate", StringComparison.Ordinal);
            throw new RequestProblem(StatusCodes.Status400BadRequest, RequestProblem.Malformed,
                isDouble ? "The body names a field twice." : $"The body is no JSON at line {problem.LineNumber + 1}, byte {problem.BytePositionInLine + 1}.",
                "Send one JSON object in UTF-8.");
        }
    }

    private static void Check(JsonElement value, JsonTypeInfo type, string path, List<FieldFault> faults)
    {
        if (faults.Count >= FaultLimit)
        {
            return;
        }

        switch (type.Kind, value.ValueKind)
        {
            case (JsonTypeInfoKind.Object, JsonValueKind.Object):
                CheckObject(value, type, path, faults);
                break;
            case (JsonTypeInfoKind.Dictionary, JsonValueKind.Object):
                var ofValue = ImageMgmtJson.Strict.GetTypeInfo(type.ElementType!);
                foreach (var member in value.EnumerateObject())
                {
                    CheckValue(member.Value, ofValue, Join(path, member.Name), mayBeNull: false, faults);
                }

                break;
            case (JsonTypeInfoKind.Enumerable, JsonValueKind.Array):
                var at = 0;
                var ofElement = ImageMgmtJson.Strict.GetTypeInfo(type.ElementType!);
                foreach (var element in value.EnumerateArray())
                {
                    CheckValue(element, ofElement, $"{path}[{at++}]", mayBeNull: false, faults);
                }

                break;
            case (JsonTypeInfoKind.None, _):
                CheckScalar(value, type, path, faults);
                break;
            default:
                faults.Add(Fault(path, "field.wrong-type", $"{Shown(type.Type)} is expected, not {Shown(value)}."));
                break;
        }
    }

    private static void CheckObject(JsonElement value, JsonTypeInfo type, string path, List<FieldFault> faults)
    {
        var known = type.Properties.ToDictionary(p => p.Name, StringComparer.Ordinal);
        foreach (var member in value.EnumerateObject())
        {
            if (known.TryGetValue(member.Name, out var property))
            {
                CheckValue(member.Value, ImageMgmtJson.Strict.GetTypeInfo(property.PropertyType), Join(path, member.Name), property.IsSetNullable, faults);
            }
            else
            {
                faults.Add(Fault(Join(path, member.Name), "field.unknown", $"It is unknown here; known are {string.Join(", ", known.Keys)}."));
            }
        }

        foreach (var property in type.Properties.Where(p => p.IsRequired && !value.TryGetProperty(p.Name, out _)))
        {
            faults.Add(Fault(Join(path, property.Name), "field.required", "It is missing."));
        }
    }

    private static void CheckValue(JsonElement value, JsonTypeInfo type, string path, bool mayBeNull, List<FieldFault> faults)
    {
        if (value.ValueKind != JsonValueKind.Null)
        {
            Check(value, type, path, faults);
        }
        else if (!mayBeNull)
        {
            faults.Add(Fault(path, "field.null", "It cannot be null; leave it out."));
        }
    }

    private static void CheckScalar(JsonElement value, JsonTypeInfo type, string path, List<FieldFault> faults)
    {
        try
        {
            value.Deserialize(type);
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException or FormatException)
        {
            faults.Add(Fault(path, "field.wrong-type", $"{Shown(type.Type)} is expected, not {Shown(value)}."));
        }
    }

    private static string Shown(Type type)
    {
        var plain = Nullable.GetUnderlyingType(type) ?? type;
        return plain switch
        {
            { IsEnum: true } => $"one of {string.Join(", ", Enum.GetNames(plain).Select(JsonNamingPolicy.CamelCase.ConvertName))}",
            _ when plain == typeof(string) => "a text",
            _ when plain == typeof(int) || plain == typeof(long) => "a whole number",
            _ when plain == typeof(bool) => "true or false",
            _ when plain == typeof(DateTimeOffset) => "a time such as 2026-01-31T12:00:00Z",
            _ when plain.IsAssignableTo(typeof(System.Collections.IDictionary)) || plain.Name.Contains("Dictionary", StringComparison.Ordinal) => "an object of texts",
            _ when plain.IsAssignableTo(typeof(System.Collections.IEnumerable)) => "a list",
            _ => "an object",
        };
    }

    private static string Shown(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "this text",
        JsonValueKind.Number => "this number",
        JsonValueKind.Null => "null",
        _ => "true or false",
    };

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";

    private static FieldFault Fault(string field, string code, string message) => new() { Field = field, Code = code, Message = message };
}
