using System.Collections;

namespace Orleans.ImageMgmt.Host;

/// <summary>An option as it is in force.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Value">Its value, as it would be written; a secret is hidden.</param>
/// <param name="Place">Where it came from.</param>
internal sealed record EffectiveOption(string Key, string Value, string Place)
{
    public const string Default = "default";

    public const string Hidden = "(hidden)";
}

/// <summary>Where the values of a configuration come from, each overriding the ones before it: file, environment, command line.</summary>
/// <param name="DataFolder">Its own configuration file is taken where none is named.</param>
internal sealed record SettingsRequest(string DataFolder)
{
    /// <summary>For a server that is installed once on a machine.</summary>
    public const string MachineFile = "/etc/imgmt/imgmt.json";

    /// <summary>Beside the data, for one that is not.</summary>
    public const string FileName = "imgmt.json";

    private const string Prefix = "IMGMT__";

    /// <summary>Named by the user: it must be there.</summary>
    public string? File { get; init; }

    public IReadOnlyDictionary<string, string> Environment { get; init; } = OfProcess();

    /// <summary><c>KEY=VALUE</c> of the command line.</summary>
    public IReadOnlyList<string> Assignments { get; init; } = [];

    /// <summary>Take no file that nobody named.</summary>
    public bool NoFile { get; init; }

    /// <summary>The file that is read, or null.</summary>
    public string? FileInForce => File is not null || NoFile ? File : new[] { Path.Combine(DataFolder, FileName), MachineFile }.FirstOrDefault(System.IO.File.Exists);

    public IReadOnlyList<SettingText> Read(List<SettingFault> faults)
    {
        var values = new List<SettingText>();
        if (FileInForce is { } file)
        {
            values.AddRange(SettingsFile.Read(file, faults));
        }

        values.AddRange(Environment.Where(v => v.Key.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)).OrderBy(v => v.Key, StringComparer.Ordinal)
            .Select(v => new SettingText(v.Key[Prefix.Length..].Replace("__", ":", StringComparison.Ordinal), v.Value, $"environment {v.Key}")));
        foreach (var assignment in Assignments)
        {
            var equals = assignment.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0)
            {
                values.Add(new SettingText(assignment[..equals], assignment[(equals + 1)..], $"--set {assignment[..equals]}"));
            }
            else
            {
                faults.Add(new SettingFault($"--set {assignment}", "This is no setting: KEY=VALUE is expected, such as ImageMgmt:TransfersPerSilo=32."));
            }
        }

        return values;
    }

    private static Dictionary<string, string> OfProcess()
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry variable in System.Environment.GetEnvironmentVariables())
        {
            found[(string)variable.Key] = (string?)variable.Value ?? "";
        }

        return found;
    }
}

/// <summary>Puts the values of a configuration into the option objects of a host, and finds every fault of it at once.</summary>
internal static class SettingsReader
{
    /// <summary>Fills the option objects of <paramref name="settings"/>. Nothing may be started from them when there are faults.</summary>
    public static IReadOnlyList<SettingFault> Fill(HostSettings settings, SettingsRequest request)
    {
        var faults = new List<SettingFault>();
        var inForce = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase); // key to place, the last one wins
        foreach (var value in request.Read(faults))
        {
            if (OptionCatalog.Find(value.Key) is not { } entry)
            {
                faults.Add(new SettingFault(value.Place, Unknown(value.Key)));
            }
            else if (entry.Section.Of(settings) is not { } options)
            {
                faults.Add(new SettingFault(value.Place, $"'{value.Key}' means nothing here: this host has no section {entry.Section.Name}."));
            }
            else if (Put(entry, options, value) is { } wrong)
            {
                faults.Add(new SettingFault(value.Place, wrong));
            }
            else
            {
                inForce[entry.IsMap ? value.Key : entry.Key] = value.Place;
            }
        }

        faults.AddRange(OptionCatalog.Sections.SelectMany(section => Check(section, settings, inForce)));
        settings.Effective = [.. Show(settings, inForce)];
        return faults;
    }

    /// <summary>Fills the option objects, or throws with every fault in one message.</summary>
    /// <exception cref="SettingsException">The configuration has faults.</exception>
    public static HostSettings FillOrThrow(this HostSettings settings, SettingsRequest request) => Fill(settings, request) is { Count: > 0 } faults
        ? throw new SettingsException(string.Join(Environment.NewLine, [$"The configuration has {faults.Count} {(faults.Count == 1 ? "fault" : "faults")}:", .. faults.Select(f => $"  {f}")]))
        : settings;

    private static string? Put(OptionEntry entry, object options, SettingText value)
    {
        var type = OptionText.MapValue(entry.Property.PropertyType) ?? entry.Property.PropertyType;
        if (!OptionText.TryParse(type, entry.Unit, value.Text, out var parsed, out var expected))
        {
            return $"'{value.Key}' is {(entry.IsSecret ? "unreadable" : $"'{value.Text}'")}; {expected} is expected.";
        }

        if (entry.IsMap)
        {
            ((IDictionary)entry.Get(options)!)[value.Key[(entry.Key.Length + 1)..]] = parsed;
        }
        else
        {
            entry.Set(options, parsed);
        }

        return null;
    }

    private static IEnumerable<SettingFault> Check(OptionSection section, HostSettings settings, Dictionary<string, string> inForce)
    {
        if (section.Of(settings) is not { } options)
        {
            yield break;
        }

        foreach (var fault in section.FaultsOf(options))
        {
            // A fault begins with the property's name: that finds the place where its value was written.
            var key = $"{section.Name}:{fault.Split(' ', 2)[0]}";
            yield return new SettingFault(inForce.GetValueOrDefault(key, EffectiveOption.Default), $"{section.Name}:{fault}");
        }
    }

    private static IEnumerable<EffectiveOption> Show(HostSettings settings, Dictionary<string, string> inForce)
    {
        foreach (var entry in OptionCatalog.Entries)
        {
            if (entry.Section.Of(settings) is not { } options)
            {
                continue;
            }

            if (entry.IsMap)
            {
                foreach (DictionaryEntry pair in (IDictionary)entry.Get(options)!)
                {
                    var key = $"{entry.Key}:{pair.Key}";
                    yield return new EffectiveOption(key, OptionText.Show(pair.Value, entry.Unit), inForce.GetValueOrDefault(key, EffectiveOption.Default));
                }

                continue;
            }

            var shown = OptionText.Show(entry.Get(options), entry.Unit);
            yield return new EffectiveOption(entry.Key, entry.IsSecret && shown.Length > 0 ? EffectiveOption.Hidden : shown, inForce.GetValueOrDefault(entry.Key, EffectiveOption.Default));
        }
    }

    private static string Unknown(string key) =>
        $"'{key}' is unknown{(OptionCatalog.Nearest(key) is { } near ? $"; the nearest option is '{near}'" : "")}. 'imgmt config reference' lists all.";
}
