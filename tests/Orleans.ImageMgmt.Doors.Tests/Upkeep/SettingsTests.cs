using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Goal: an operator learns every mistake of a configuration at once, with its place, and nothing that is misspelt is silently ignored.</summary>
public sealed class SettingsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("imgmt-settings-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_command_line_overrides_the_environment_and_that_the_file()
    {
        var file = Write("""{ "ImageMgmt": { "TransfersPerSilo": 1, "EnsuresAtOnce": 2, "StepRetry": "3s" } }""");

        var settings = Filled(file, [("IMGMT__IMAGEMGMT__ENSURESATONCE", "20"), ("IMGMT__ImageMgmt__StepRetry", "30s")], "ImageMgmt:StepRetry=40s");

        Assert.Equal((1, 20, TimeSpan.FromSeconds(40)), (settings.Options.TransfersPerSilo, settings.Options.EnsuresAtOnce, settings.Options.StepRetry));
        var places = settings.Effective.ToDictionary(o => o.Key, o => o.Place);
        Assert.Equal($"{file}:1", places["ImageMgmt:TransfersPerSilo"]);
        Assert.Equal("environment IMGMT__IMAGEMGMT__ENSURESATONCE", places["ImageMgmt:EnsuresAtOnce"]);
        Assert.Equal("--set ImageMgmt:StepRetry", places["ImageMgmt:StepRetry"]);
        Assert.Equal("default", places["Store:BatchRows"]);
    }

    [Fact]
    public void Every_fault_is_reported_at_once_with_its_place_and_the_nearest_key()
    {
        var file = Write("""
            {
              // a comment is fine
              "ImageMgmt": {
                "TransferPerSilo": 8,
                "Retry": { "MaxTries": "many" }
              },
              "Store": { "BatchRows": 0, },
            }
            """);

        var faults = Faults(file, [("IMGMT__LOG__FORMAT", "xml"), ("IMGMT_DATA", "not ours")], "Store:WriteTimeout=soon", "nonsense");

        Assert.Equal(
            [
                $"{file}:4: 'ImageMgmt:TransferPerSilo' is unknown; the nearest option is 'ImageMgmt:TransfersPerSilo'. 'imgmt config reference' lists all.",
                $"{file}:5: 'ImageMgmt:Retry:MaxTries' is 'many'; a whole number is expected.",
                $"{file}:7: Store:BatchRows is 0; it must be from 1 to 65536.",
                "--set Store:WriteTimeout: 'Store:WriteTimeout' is 'soon'; a duration such as 250ms, 90s, 5m, 1h30m or 7d is expected.",
                "--set nonsense: This is no setting: KEY=VALUE is expected, such as ImageMgmt:TransfersPerSilo=32.",
                "environment IMGMT__LOG__FORMAT: 'LOG:FORMAT' is 'xml'; Text, Json is expected.",
            ],
            faults.Order(StringComparer.Ordinal).OrderBy(f => f.StartsWith(file, StringComparison.Ordinal) ? 0 : 1));
    }

    [Theory]
    [InlineData("""{ "ImageMgmt": { "StepRetry": "1s", "stepRetry": "2s" } }""", ":1: 'ImageMgmt:stepRetry' is there twice.")]
    [InlineData("{ \"ImageMgmt\": {\n \"StepRetry\" 1 } }", ":2: This is not JSON: check commas, quotes and braces here and just before.")]
    [InlineData("[1]", ":1: An object of sections is expected, and lists hold plain values only.")]
    [InlineData("""{ "ImageMgmt": { "StepRetry": { "Deep": 1 } } }""", ":1: 'ImageMgmt:StepRetry:Deep' is unknown; the nearest option is 'ImageMgmt:StepRetry'. 'imgmt config reference' lists all.")]
    public void A_file_that_is_no_configuration_is_told_so_with_its_line(string text, string fault)
    {
        var file = Write(text);

        Assert.Equal([$"{file}{fault}"], Faults(file, []));
    }

    [Fact]
    public void A_file_that_was_named_has_to_be_there()
    {
        var fault = Assert.Single(Faults(Path.Combine(folder, "none.json"), []));

        Assert.Contains("The file cannot be read", fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("250ms", 250)]
    [InlineData("90s", 90_000)]
    [InlineData("1h30m", 5_400_000)]
    [InlineData("00:00:05", 5_000)]
    [InlineData("1.5s", 1_500)]
    public void Durations_are_read_as_people_write_them(string text, int milliseconds)
    {
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), Filled(null, [], $"ImageMgmt:FinaliseStall={text}").Options.FinaliseStall);
    }

    [Theory]
    [InlineData("64KiB", 65_536)]
    [InlineData("16 MiB", 16_777_216)]
    [InlineData("1MB", 1_000_000)]
    [InlineData("4096", 4_096)]
    public void Sizes_are_read_as_people_write_them(string text, int bytes)
    {
        Assert.Equal(bytes, Filled(null, [], $"Store:BatchBytes={text}").Store.BatchBytes);
    }

    [Theory]
    [InlineData("5")]
    [InlineData("5 parsecs")]
    [InlineData("-5s")]
    [InlineData("")]
    public void What_is_no_duration_is_refused(string text)
    {
        Assert.Contains("is expected", Assert.Single(Faults(null, [], $"ImageMgmt:FinaliseStall={text}")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_level_can_be_set_for_one_category()
    {
        var settings = Filled(null, [], "Log:Categories:Orleans.Runtime=debug");

        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Debug, settings.Log.Categories["Orleans.Runtime"]);
        Assert.Contains(settings.Effective, o => o == new EffectiveOption("Log:Categories:Orleans.Runtime", "Debug", "--set Log:Categories:Orleans.Runtime"));
    }

    [Fact]
    public void Every_default_reads_back_as_it_is_shown()
    {
        var before = Filled(null, []).Effective;

        var after = Filled(null, [], [.. before.Where(o => o.Value.Length > 0).Select(o => $"{o.Key}={o.Value}")]).Effective;

        Assert.Equal(before.Select(o => (o.Key, o.Value)), after.Select(o => (o.Key, o.Value)));
    }

    private HostSettings Filled(string? file, IReadOnlyList<(string Name, string Value)> environment, params string[] set)
    {
        var settings = new HostSettings(folder) { Http = new HttpOptions() };
        Assert.Empty(SettingsReader.Fill(settings, Request(file, environment, set)));
        return settings;
    }

    private IReadOnlyList<string> Faults(string? file, IReadOnlyList<(string Name, string Value)> environment, params string[] set) =>
        [.. SettingsReader.Fill(new HostSettings(folder) { Http = new HttpOptions() }, Request(file, environment, set)).Select(f => f.ToString())];

    private SettingsRequest Request(string? file, IReadOnlyList<(string Name, string Value)> environment, string[] set) =>
        new(folder) { File = file, NoFile = file is null, Environment = environment.ToDictionary(v => v.Name, v => v.Value), Assignments = set };

    private string Write(string text)
    {
        var file = Path.Combine(folder, "imgmt.json");
        File.WriteAllText(file, text);
        return file;
    }
}
