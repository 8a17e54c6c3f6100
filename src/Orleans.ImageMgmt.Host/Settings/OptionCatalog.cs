using System.Reflection;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>One section of the configuration and the class of options behind it.</summary>
/// <param name="Name">The first part of its keys.</param>
/// <param name="Type">The class; its own method Faults() says what is wrong with the values.</param>
/// <param name="Of">The object of a host; null where this host has none.</param>
internal sealed record OptionSection(string Name, Type Type, Func<HostSettings, object?> Of)
{
    /// <summary>Every fault of the values that an object holds now, in one sentence each.</summary>
    public IReadOnlyList<string> FaultsOf(object options) =>
        Type.GetMethod("Faults", Type.EmptyTypes)?.Invoke(options, null) as IReadOnlyList<string> ?? [];
}

/// <summary>One option: its key, and the way to it from the object of its section.</summary>
/// <param name="Key">As it is written, such as <c>ImageMgmt:Retry:MaxTries</c>.</param>
/// <param name="Section">Where it belongs.</param>
/// <param name="Path">Properties from the section's object to the value.</param>
internal sealed record OptionEntry(string Key, OptionSection Section, IReadOnlyList<PropertyInfo> Path)
{
    private static readonly string[] SecretEndings = ["Password", "Secret", "Token", "ConnectionString"];

    public PropertyInfo Property => Path[^1];

    /// <summary>A map takes any name behind its key, such as <c>Log:Categories:Orleans</c>.</summary>
    public bool IsMap => OptionText.MapValue(Property.PropertyType) is not null;

    public OptionUnit Unit => OptionText.UnitOf(this);

    /// <summary>Never shown, logged or put into a support bundle.</summary>
    public bool IsSecret => Property.PropertyType == typeof(string) && SecretEndings.Any(e => Property.Name.EndsWith(e, StringComparison.OrdinalIgnoreCase));

    public object? Get(object options) => Path.Aggregate((object?)options, (at, property) => at is null ? null : property.GetValue(at));

    public void Set(object options, object? value) => Property.SetValue(Path.SkipLast(1).Aggregate(options, (at, property) => property.GetValue(at)!), value);
}

/// <summary>Every option of the program, found in the option classes themselves, so that none can be forgotten.</summary>
internal static class OptionCatalog
{
    public static IReadOnlyList<OptionSection> Sections { get; } =
    [
        new("Backup", typeof(BackupOptions), settings => settings.Backup),
        new("Blocks", typeof(BlocksOptions), settings => settings.Blocks),
        new("Cluster", typeof(ClusterModeOptions), settings => settings.Cluster),
        new("Gateway", typeof(GatewayOptions), settings => settings.Gateway),
        new("Http", typeof(HttpOptions), settings => settings.Http),
        new("ImageMgmt", typeof(ImageMgmtOptions), settings => settings.Options),
        new("Log", typeof(LogOptions), settings => settings.Log),
        new("Probes", typeof(ProbesOptions), settings => settings.Probes),
        new("Store", typeof(DurableOptions), settings => settings.Store),
        new("Telemetry", typeof(TelemetryOptions), settings => settings.Telemetry),
        new("Trust", typeof(TrustOptions), settings => settings.Trust),
    ];

    public static IReadOnlyList<OptionEntry> Entries { get; } =
        [.. Sections.SelectMany(section => Walk(section, section.Name, section.Type, [])).OrderBy(e => e.Key, StringComparer.Ordinal)];

    /// <summary>The option that a key names, in any case; for a map, whatever stands behind its own key.</summary>
    public static OptionEntry? Find(string key) => Entries.FirstOrDefault(entry => entry.IsMap
        ? key.StartsWith(entry.Key + ":", StringComparison.OrdinalIgnoreCase) && key.Length > entry.Key.Length + 1
        : string.Equals(entry.Key, key, StringComparison.OrdinalIgnoreCase));

    /// <summary>The known key that is written most like this one; null when none is near.</summary>
    public static string? Nearest(string key)
    {
        var (best, distance) = Entries.Select(entry => (entry.Key, Distance: EditDistance(entry.Key.ToUpperInvariant(), key.ToUpperInvariant()))).MinBy(e => e.Distance);
        return distance <= Math.Max(3, key.Length / 2) ? best : null;
    }

    private static IEnumerable<OptionEntry> Walk(OptionSection section, string key, Type type, IReadOnlyList<PropertyInfo> path)
    {
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanWrite && p.CanRead))
        {
            IReadOnlyList<PropertyInfo> here = [.. path, property];
            var name = $"{key}:{property.Name}";
            if (OptionText.IsValue(property.PropertyType) || OptionText.MapValue(property.PropertyType) is not null)
            {
                yield return new OptionEntry(name, section, here);
            }
            else
            {
                foreach (var entry in Walk(section, name, property.PropertyType, here))
                {
                    yield return entry;
                }
            }
        }
    }

    /// <summary>Levenshtein's distance, one row at a time.</summary>
    private static int EditDistance(string from, string to)
    {
        var row = Enumerable.Range(0, to.Length + 1).ToArray();
        for (var i = 1; i <= from.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= to.Length; j++)
            {
                var next = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (from[i - 1] == to[j - 1] ? 0 : 1));
                (diagonal, row[j]) = (row[j], next);
            }
        }

        return row[to.Length];
    }
}
