using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Api;

/// <summary>
/// Goal: the API's description is complete, true, and changes only on purpose. Method: the document of a running server against the committed one,
/// rules for every operation and schema, and examples that a server is asked for again. IMGMT_ACCEPT_GOLDEN=1 writes the committed files anew.
/// </summary>
public sealed partial class DescriptionTests
{
    private const string DocumentPath = "src/Orleans.ImageMgmt.Api/openapi.json";
    private const string ExamplesPath = "src/Orleans.ImageMgmt.Host/Doors/Description/examples.json";

    private static readonly JsonSerializerOptions pretty = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [Fact]
    public async Task The_committed_description_is_the_one_that_the_server_gives()
    {
        await using var host = await PodsHost.StartAsync();
        var document = JsonNode.Parse(await host.Http.GetStringAsync(Routes.OpenApi, host.Stop))!;
        Assert.StartsWith("3.1", (string)document["openapi"]!, StringComparison.Ordinal);
        Compare(DocumentPath, document);
    }

    [Fact]
    public async Task The_build_writes_the_description_beside_the_program()
    {
        var built = AppContext.BaseDirectory.Replace("Orleans.ImageMgmt.Doors.Tests", "Orleans.ImageMgmt.Host", StringComparison.Ordinal);
        Compare(DocumentPath, JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(built, "openapi.json"), TestContext.Current.CancellationToken))!);
    }

    [Fact]
    public async Task Every_operation_and_every_schema_says_what_it_is()
    {
        await using var host = await PodsHost.StartAsync();
        var document = JsonNode.Parse(await host.Http.GetStringAsync(Routes.OpenApi, host.Stop))!;
        List<string> faults = [];
        var ids = new HashSet<string>();
        foreach (var (path, item) in document["paths"]!.AsObject())
        {
            foreach (var (method, operation) in item!.AsObject())
            {
                CheckOperation($"{method} {path}", operation!, ids, faults);
            }
        }

        foreach (var (name, schema) in document["components"]!["schemas"]!.AsObject())
        {
            CheckSchema(name, schema!, faults);
        }

        Assert.True(faults.Count == 0, string.Join('\n', faults));
        Assert.True(ids.Count > 40);
    }

    [Fact]
    public async Task The_examples_are_what_a_server_answers()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ImportAsync("paris");
        await host.Client.PublishAsync("win", "1.0", new PublishRequest { Reason = "change 4711" }, "publish-1", cancellationToken: host.Stop);
        await host.EndOfAsync("publish-1");
        await host.UntilAsync(() => host.Client.GetVersionAsync("win", "1.0", host.Stop), v => v.Status == VersionStatus.Available);
        var examples = new JsonObject();
        foreach (var (id, path) in new (string, string)[]
        {
            ("GetPod", "/pods/paris"), ("ListPods", "/pods?name=paris"), ("ListSources", "/pods/source/sources"), ("GetImage", "/images/win"), ("ListImages", "/images"),
            ("GetImageVersion", "/images/win/versions/1.0"), ("ListVersions", "/images/win/versions"), ("ListCopies", "/images/win/versions/1.0/copies?state=available"),
            ("GetCopy", "/images/win/versions/1.0/copies/paris"), ("ListReceipts", "/images/win/versions/1.0/receipts"), ("GetOperation", "/operations/publish-1"),
            ("ListTargets", "/operations/publish-1/targets"), ("ListOperations", "/operations?kind=publish"),
        })
        {
            var text = await host.Http.GetStringAsync(Routes.Root + path, host.Stop);
            examples[id] = JsonNode.Parse(Normal(text.Replace(host.Root, "/srv/imgmt", StringComparison.Ordinal)));
        }

        Compare(ExamplesPath, examples);
    }

    private static void CheckOperation(string where, JsonNode operation, HashSet<string> ids, List<string> faults)
    {
        var id = (string?)operation["operationId"];
        if (string.IsNullOrEmpty(id) || !ids.Add(id))
        {
            faults.Add($"{where} has no id of its own");
        }

        if (string.IsNullOrEmpty((string?)operation["summary"]))
        {
            faults.Add($"{where} has no summary");
        }

        if (operation["tags"]?.AsArray().Count is not 1)
        {
            faults.Add($"{where} has no tag");
        }

        var answers = operation["responses"]!.AsObject();
        foreach (var status in (string[])["401", "403"])
        {
            if (answers[status]?["content"]?[Problem.MediaType]?["schema"] is null)
            {
                faults.Add($"{where} describes no problem document for {status}");
            }
        }

        faults.AddRange(answers.Where(a => string.IsNullOrEmpty((string?)a.Value!["description"])).Select(a => $"{where} does not say what {a.Key} means"));
        faults.AddRange((operation["parameters"]?.AsArray() ?? []).Where(p => string.IsNullOrEmpty((string?)p!["description"]) || p!["schema"] is null).Select(p => $"{where} does not describe {p!["name"]}"));
    }

    private static void CheckSchema(string name, JsonNode schema, List<string> faults)
    {
        if (string.IsNullOrEmpty((string?)schema["description"]))
        {
            faults.Add($"schema {name} has no description");
        }

        foreach (var (property, value) in schema["properties"]?.AsObject() ?? [])
        {
            // A reference is described where it leads to.
            if (string.IsNullOrEmpty((string?)value!["description"]) && !value.ToJsonString().Contains("$ref", StringComparison.Ordinal))
            {
                faults.Add($"schema {name}.{property} has no description");
            }

            var isTyped = value["type"] is not null || value["$ref"] is not null || value["oneOf"] is not null || value["enum"] is not null;
            var isOpen = value["type"]?.ToJsonString().Contains("object", StringComparison.Ordinal) == true && value["properties"] is null && value["additionalProperties"] is null;
            if (!isTyped || isOpen)
            {
                faults.Add($"schema {name}.{property} has no type: {value.ToJsonString()}");
            }
        }
    }

    private static void Compare(string path, JsonNode made)
    {
        var file = Path.Combine(ProblemTests.Repository(), path);
        var text = made.ToJsonString(pretty) + "\n";
        if (Environment.GetEnvironmentVariable("IMGMT_ACCEPT_GOLDEN") == "1")
        {
            File.WriteAllText(file, text);
            return;
        }

        var committed = File.Exists(file) ? File.ReadAllText(file).Split('\n') : [];
        var lines = committed.Except(text.Split('\n')).Take(15).Select(l => "- " + l).Concat(text.Split('\n').Except(committed).Take(15).Select(l => "+ " + l)).ToList();
        Assert.True(lines.Count == 0 && committed.Length == text.Split('\n').Length, $"{path} differs. Read each line; if it is meant, run again with IMGMT_ACCEPT_GOLDEN=1.\n{string.Join('\n', lines)}");
    }

    /// <summary>Times, tags and rates are never the same twice.</summary>
    private static string Normal(string text) => Moving().Replace(Times().Replace(text, "\"2026-01-31T12:00:00+00:00\""), m => m.Groups[1].Value == "etag" ? "\"etag\":\"1f\"" : $"\"{m.Groups[1].Value}\":0");

    [GeneratedRegex("\"20\\d\\d-[^\"]*T[^\"]*\"")]
    private static partial Regex Times();

    [GeneratedRegex("\"(etag|bytesPerSecond|remainingSeconds)\":(?:\"[^\"]*\"|\\d+)")]
    private static partial Regex Moving();
}
