using System.Text.Json;
using System.Text.Json.Serialization;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>What <c>imgmt serve --plan</c> brings about: pods connected, versions imported and published. Applying it twice changes nothing.</summary>
internal sealed record Plan
{
    /// <summary>Imports of one plan; a longer list is several plans.</summary>
    private const int ImportLimit = 1_000;

    private const long FileLimit = 16L << 20;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public IReadOnlyList<PlannedPod> Pods { get; init; } = [];

    public IReadOnlyList<PlannedImport> Imports { get; init; } = [];

    /// <exception cref="SettingsException">The file cannot be read or is no plan; the message says what and where.</exception>
    public static Plan Read(string path)
    {
        try
        {
            if (new FileInfo(path).Length > FileLimit)
            {
                throw new SettingsException($"The plan {path} is larger than {FileLimit >> 20} MiB.");
            }

            var plan = JsonSerializer.Deserialize<Plan>(File.ReadAllBytes(path), Json) ?? throw new SettingsException($"The plan {path} is empty.");
            return plan.Imports.Count <= ImportLimit && plan.Pods.Count <= Limits.Pods
                ? plan
                : throw new SettingsException($"The plan {path} has more than {ImportLimit} imports or {Limits.Pods} pods.");
        }
        catch (Exception problem) when (problem is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new SettingsException($"The plan {path} cannot be read: {problem.Message}");
        }
    }
}

/// <summary>A pod to connect.</summary>
internal sealed record PlannedPod
{
    public required PodName Name { get; init; }

    public string Family { get; init; } = "filesystem";

    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    public int Slots { get; init; } = 2;

    public PodSpec ToSpec() => new(Name, Family, Settings, Labels, Slots);
}

/// <summary>A version to import, and to publish when <see cref="Publish"/> says so.</summary>
internal sealed record PlannedImport
{
    public required ImageName Image { get; init; }

    public required VersionName Version { get; init; }

    public VersionName? From { get; init; }

    public required PodName Pod { get; init; }

    public required string Source { get; init; }

    /// <summary>SHA-256 that the source is expected to have.</summary>
    public Digest? Sha256 { get; init; }

    public SourceFormat? Format { get; init; }

    public string Description { get; init; } = "";

    public bool Publish { get; init; }

    /// <summary>Targets by name; none = all connected pods.</summary>
    public IReadOnlyList<PodName>? Pods { get; init; }

    public VersionId Id => new(Image, Version);
}
