using System.Globalization;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>What an import asks, checked, and how its version is called.</summary>
internal sealed record ImportPlan(PodName Pod, SourceRef Source, VersionName? Version, VersionName? From, Wire.VersionStep? Step)
{
    /// <summary>Numbers that are tried when a step's own is taken.</summary>
    private const int NextLimit = Limits.VersionsPerImage;

    public static ImportPlan Read(Ask ask, Wire.ImportRequest body)
    {
        var pod = ask.Word<PodName>("pod", body.Pod);
        var version = ask.Word<VersionName>("version", body.Version);
        var from = ask.Word<VersionName>("from", body.From);
        var digest = ask.Word<Digest>("sha256", body.Sha256);
        SourceFormat? format = null;
        if (body.Format is not null && !TryFormat(body.Format, out format))
        {
            ask.Fault("format", "field.invalid", $"It must be one of {string.Join(", ", Enum.GetValues<SourceFormat>().Select(f => Wording.Camel(f)))}.");
        }

        if (body.Source.Length is 0 or > Limits.SettingLength || body.Source.Any(char.IsControl))
        {
            ask.Fault("source", "field.invalid", $"It must have 1 to {Limits.SettingLength} characters, and no control characters.");
        }

        if (body is { Version: not null, Step: not null })
        {
            ask.Fault("step", "field.conflict", "It cannot be given together with version.");
        }

        if (body.Description.Length > Limits.DescriptionLength)
        {
            ask.Fault("description", "field.too-long", $"It has {body.Description.Length} characters; at most {Limits.DescriptionLength} are kept.");
        }

        return new ImportPlan(pod ?? default, new SourceRef(body.Source, digest, format), version, from, body.Step);
    }

    /// <summary>The version's name, and the one it comes from.</summary>
    public Reply<ImportName> NameIn(Image image)
    {
        var live = image.Versions.Where(v => v.Status is not (VersionStatus.Failed or VersionStatus.Deleted)).ToList();
        if (Version is { } named)
        {
            return Reply.Of(new ImportName(named, From));
        }

        if (Step is not { } step)
        {
            return live.Count == 0
                ? Reply.Of(new ImportName(VersionName.First, From))
                : Reply.Refused<ImportName>("version.exists", $"Image {image.Name} has versions already.", "Name the new version, or say by which step it comes from another.");
        }

        if (From is { } parent && live.All(v => v.Name != parent))
        {
            return Reply.Refused<ImportName>("version.unknown-parent", $"{image.Name} has no version {parent} to come from.", "Name one of the image's versions.");
        }

        if ((From ?? live.LastOrDefault()?.Name) is not { } from)
        {
            return Reply.Of(new ImportName(VersionName.First, null));
        }

        return After(from, step, live) is { } next
            ? Reply.Of(new ImportName(next, from))
            : Reply.Refused<ImportName>("version.not-numbered", $"Version {from} is not numbered like 1.0 or 1.0.1, so it has no {Wording.Camel(step)} step.", "Name the new version instead.");
    }

    private static VersionName? After(VersionName from, Wire.VersionStep step, List<VersionEntry> live)
    {
        var parts = from.Value.Split('.');
        var numbers = new int[3];
        for (var at = 0; at < parts.Length; at++)
        {
            if (at >= numbers.Length || !int.TryParse(parts[at], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[at]) || numbers[at] >= int.MaxValue - NextLimit)
            {
                return null;
            }
        }

        for (var more = 1; more <= NextLimit; more++)
        {
            var text = step switch
            {
                Wire.VersionStep.Major => string.Create(CultureInfo.InvariantCulture, $"{numbers[0] + more}.0"),
                Wire.VersionStep.Minor => string.Create(CultureInfo.InvariantCulture, $"{numbers[0]}.{numbers[1] + more}"),
                _ => string.Create(CultureInfo.InvariantCulture, $"{numbers[0]}.{numbers[1]}.{numbers[2] + more}"),
            };
            if (live.All(v => v.Name.Value != text))
            {
                return new VersionName(text);
            }
        }

        return null;
    }

    private static bool TryFormat(string text, out SourceFormat? format)
    {
        foreach (var known in Enum.GetValues<SourceFormat>())
        {
            if (Wording.Camel(known) == text)
            {
                format = known;
                return true;
            }
        }

        format = null;
        return false;
    }
}

/// <summary>The name of a version to be, and the version that it comes from.</summary>
internal sealed record ImportName(VersionName Version, VersionName? From);
