using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Goal: silo-config/reference.json names every option, with the default that the code has and the reason that the code gives.
/// With IMGMT_WRITE_REFERENCE=1 the test writes it anew.</summary>
public sealed partial class ReferenceTests
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
    };

    [Fact]
    public void The_reference_says_of_every_option_what_the_code_says()
    {
        var settings = new HostSettings("data") { Http = new HttpOptions() };
        var made = JsonSerializer.Serialize(OptionCatalog.Entries.Select(entry => new Row(
            entry.IsMap ? $"{entry.Key}:NAME" : entry.Key,
            entry.IsMap ? "" : OptionText.Show(entry.Get(entry.Section.Of(settings)!), entry.Unit),
            Unit(entry),
            OptionText.WordsOf(entry) is { Count: > 0 } words ? words : null,
            Reason(entry))), Json) + "\n";
        var path = Path.Combine(Sources.Root, "silo-config", "reference.json");
        if (Environment.GetEnvironmentVariable("IMGMT_WRITE_REFERENCE") == "1")
        {
            File.WriteAllText(path, made);
        }

        Assert.True(File.ReadAllText(path) == made, "silo-config/reference.json is not what the option classes say: run this test with IMGMT_WRITE_REFERENCE=1 and commit the file.");
    }

    [Fact]
    public void The_program_prints_the_committed_reference()
    {
        Assert.Equal(File.ReadAllText(Path.Combine(Sources.Root, "silo-config", "reference.json")), ConfigCommand.Reference());
    }

    [Fact]
    public void Every_option_has_a_reason()
    {
        Assert.All(OptionCatalog.Entries, entry => Assert.True(Reason(entry).Length > 10, $"{entry.Key} has no documentation comment."));
    }

    [Fact]
    public void Every_class_of_options_in_the_host_and_the_grains_is_a_section_and_checks_itself()
    {
        var known = OptionCatalog.Sections.Select(s => s.Type).ToList();
        var found = known.Select(t => t.Assembly).Distinct().SelectMany(a => a.GetTypes())
            .Where(t => t is { IsClass: true, IsAbstract: false, IsNested: false } && t.Name.EndsWith("Options", StringComparison.Ordinal) && t.Namespace?.StartsWith("Orleans.ImageMgmt", StringComparison.Ordinal) == true);

        Assert.Equal(found.OrderBy(t => t.Name, StringComparer.Ordinal), known.OrderBy(t => t.Name, StringComparer.Ordinal));
        Assert.All(known, type => Assert.True(type.GetMethod("Faults", Type.EmptyTypes)?.ReturnType == typeof(IReadOnlyList<string>), $"{type.Name} has no Faults()."));
    }

    private static string Unit(OptionEntry entry) => entry.Unit switch
    {
        OptionUnit.YesOrNo => "true or false",
        OptionUnit.Words => "word",
        OptionUnit.Bytes => "bytes (64KiB, 16MiB, …)",
        OptionUnit.Duration => "duration (250ms, 90s, 5m, 24h, 7d)",
        OptionUnit.Count => "count",
        _ => "text",
    };

    /// <summary>The comment of a property, or of the parameter that a record makes it from.</summary>
    private static string Reason(OptionEntry entry)
    {
        var owner = entry.Property.DeclaringType!;
        var members = XDocument.Load(Path.ChangeExtension(owner.Assembly.Location, ".xml")).Descendants("member").ToDictionary(m => m.Attribute("name")!.Value);
        var text = members.GetValueOrDefault($"P:{owner.FullName}.{entry.Property.Name}")?.Element("summary")
            ?? members.GetValueOrDefault($"T:{owner.FullName}")?.Elements("param").FirstOrDefault(p => p.Attribute("name")!.Value == entry.Property.Name);
        return text is null ? "" : Space().Replace(string.Concat(text.Nodes().Select(Plain)), " ").Trim();
    }

    private static string Plain(XNode node) => node switch
    {
        XText text => text.Value,
        XElement { Name.LocalName: "see" } see => see.Attribute("cref")?.Value.Split('.')[^1] ?? "",
        XElement element => element.Value,
        _ => "",
    };

    private sealed record Row(string Key, string Default, string Unit, IReadOnlyList<string>? Words, string Reason);

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();
}
