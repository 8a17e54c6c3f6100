using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Goal: docs/limits.md names every limit, with the number that the program has.</summary>
public sealed partial class LimitTableTests
{
    [Fact]
    public void The_table_has_every_limit_of_the_program_with_its_number()
    {
        var settings = new HostSettings("data") { Http = new HttpOptions() };
        var options = OptionCatalog.Entries.Where(entry => !entry.IsMap && !entry.Key.EndsWith("Port", StringComparison.Ordinal) && (entry.Property.PropertyType == typeof(int) || entry.Property.PropertyType == typeof(long)))
            .Select(entry => (entry.Key, OptionText.Show(entry.Get(entry.Section.Of(settings)!), entry.Unit)));
        var constants = typeof(Limits).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Select(field => ($"{nameof(Limits)}.{field.Name}", Convert.ToString(field.GetRawConstantValue(), CultureInfo.InvariantCulture)!))
            .Append(($"{nameof(VersionMachine)}.{nameof(VersionMachine.OpenPublishesLimit)}", VersionMachine.OpenPublishesLimit.ToString(CultureInfo.InvariantCulture)));
        var said = Row().Matches(File.ReadAllText(Path.Combine(Sources.Root, "docs", "limits.md"))).Select(row => (row.Groups[1].Value, row.Groups[2].Value));

        Assert.Equal(
            options.Concat(constants).Select(limit => $"{limit.Item1} = {limit.Item2}").Order(StringComparer.Ordinal),
            said.Select(limit => $"{limit.Item1} = {limit.Item2}").Order(StringComparer.Ordinal));
    }

    [GeneratedRegex(@"^\| `([A-Za-z]+[:.][A-Za-z:]+)` \| ([^| ]+) \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
