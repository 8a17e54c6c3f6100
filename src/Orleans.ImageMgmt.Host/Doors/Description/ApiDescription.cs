using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>The API's description (OpenAPI 3.1), made from the endpoints themselves.</summary>
internal static class ApiDescription
{
    private const string DocumentName = "v1";
    private const string Scheme = "bearer";

    private static readonly Dictionary<string, string> PathParameters = new(StringComparer.Ordinal)
    {
        ["pod"] = "Name of the pod.",
        ["image"] = "Name of the image.",
        ["version"] = "Name of the version, such as 1.0.",
        ["operation"] = "Id of the operation.",
        ["upload"] = "Id of the upload.",
        ["backup"] = "Name of the backup.",
        ["token"] = "Name of the token.",
    };

    public static void AddApiDescription(this IServiceCollection services) => services.AddOpenApi(DocumentName, options =>
    {
        options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        options.ShouldInclude = endpoint => $"/{endpoint.RelativePath}".StartsWith(Routes.Root, StringComparison.Ordinal);
        options.AddDocumentTransformer((document, _, _) => Finish(document));
        options.AddOperationTransformer((operation, context, _) => Complete(operation, context));
    });

    public static void MapApiDescription(this WebApplication app) =>
        app.MapOpenApi("/openapi/{documentName}.json").RequireAuthorization(Roles.Viewer);

    private static Task Finish(OpenApiDocument document)
    {
        document.Info = new OpenApiInfo
        {
            Title = "ImageMgmt",
            Version = DocumentName,
            Description = "Keeps golden VM images in one catalog and puts a verified copy of each published version on every connected pod.",
        };
        document.Servers = []; // the address is whoever asks'
        document.Tags = document.Paths.Values.SelectMany(path => path.Operations ?? []).SelectMany(operation => operation.Value.Tags ?? new HashSet<OpenApiTagReference>())
            .Select(tag => tag.Name ?? "").Distinct().Order(StringComparer.Ordinal).Select(name => new OpenApiTag { Name = name }).ToHashSet(); // not the program's own name
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            [Scheme] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "A token of this server, as made by POST /api/v1/tokens." },
        };
        document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Scheme, document)] = [] }];
        document.Components.Schemas?.Remove("ProblemDetails"); // ours says more, and is what is sent
        if (document.Components.Schemas?.TryGetValue(nameof(VersionStep), out var step) == true)
        {
            step.Description ??= "Which part of a version's number rises."; // the generator forgets the words of an enumeration that is only used as an optional one
        }

        return Task.CompletedTask;
    }

    private static Task Complete(OpenApiOperation operation, OpenApiOperationTransformerContext context)
    {
        var metadata = context.Description.ActionDescriptor.EndpointMetadata;
        var route = "/" + context.Description.RelativePath;
        operation.Tags ??= new HashSet<OpenApiTagReference>();
        operation.Tags.Clear();
        operation.Tags.Add(new OpenApiTagReference(route[(Routes.Root.Length + 1)..].Split('/')[0], context.Document));
        operation.Parameters = [.. PathParametersOf(route), .. metadata.OfType<DoorParameter>().Select(Parameter)];
        operation.Responses ??= [];
        foreach (var always in (string[])["401", "403"])
        {
            operation.Responses.TryAdd(always, new OpenApiResponse());
        }

        foreach (var (status, answer) in operation.Responses)
        {
            answer.Description = Described(status);
            if (status[0] is '4' or '5' && answer is OpenApiResponse refusal)
            {
                refusal.Content = new Dictionary<string, OpenApiMediaType> { [Problem.MediaType] = new() { Schema = new OpenApiSchemaReference(nameof(Problem), context.Document) } };
            }
        }

        if (operation.OperationId is { } id && Examples.Value.TryGetPropertyValue(id, out var example) && example is not null
            && operation.Responses?.FirstOrDefault(r => r.Key.StartsWith('2')).Value?.Content?.FirstOrDefault().Value is OpenApiMediaType answered)
        {
            answered.Example = example.DeepClone();
        }

        return Task.CompletedTask;
    }

    /// <summary>What a server really answered; a test asks one again and compares.</summary>
    private static Lazy<JsonObject> Examples { get; } = new(() =>
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("examples.json")!;
        return JsonNode.Parse(stream)!.AsObject();
    });

    private static IEnumerable<IOpenApiParameter> PathParametersOf(string route) =>
        route.Split('/').Where(part => part.StartsWith('{')).Select(part => part.Trim('{', '}')).Select(name => new OpenApiParameter
        {
            Name = name, In = ParameterLocation.Path, Required = true, Description = PathParameters.GetValueOrDefault(name, $"The {name}."),
            Schema = new OpenApiSchema { Type = JsonSchemaType.String },
        });

    private static IOpenApiParameter Parameter(DoorParameter parameter)
    {
        var plain = parameter.Type switch
        {
            { IsEnum: true } words => new OpenApiSchema
            {
                Type = JsonSchemaType.String, Enum = [.. Enum.GetNames(words).Select(w => (JsonNode)JsonValue.Create(JsonNamingPolicy.CamelCase.ConvertName(w)))],
            },
            _ when parameter.Type == typeof(int) => new OpenApiSchema { Type = JsonSchemaType.Integer, Format = "int32" },
            _ when parameter.Type == typeof(long) => new OpenApiSchema { Type = JsonSchemaType.Integer, Format = "int64" },
            _ => new OpenApiSchema { Type = JsonSchemaType.String },
        };
        return new OpenApiParameter
        {
            Name = parameter.Name,
            In = parameter.In == "header" ? ParameterLocation.Header : ParameterLocation.Query,
            Description = parameter.Description,
            Required = parameter.IsRequired,
            Schema = parameter.IsRepeated ? new OpenApiSchema { Type = JsonSchemaType.Array, Items = plain } : plain,
        };
    }

    private static string Described(string status) => status switch
    {
        "200" => "Done.",
        "201" => "Made.",
        "202" => "Accepted: the operation goes on by itself.",
        "204" => "Done; there is nothing to show.",
        "400" => "The body is no JSON.",
        "401" => "There is no valid token.",
        "403" => "The token's role does not allow it.",
        "404" => "There is no such thing.",
        "409" => "The thing is not as the request needs it.",
        "412" => "The record has changed since it was read.",
        "413" => "The body is too large.",
        "415" => "The body has another media type.",
        "422" => "Fields of the request cannot be used; all of them are named.",
        "429" => "Too much at once.",
        "502" => "The pod did not play along.",
        "503" => "The service cannot take work now.",
        "507" => "There is no room for it.",
        "504" => "The pod was too slow.",
        _ => "Another answer.",
    };
}
