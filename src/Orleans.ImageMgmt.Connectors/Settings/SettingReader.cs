using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Reads a pod's settings, remembers every fault and every key it was asked for, and says all faults at once.</summary>
internal sealed class SettingReader(PodSpec spec)
{
    private readonly List<string> faults = [];
    private readonly HashSet<string> known = new(StringComparer.Ordinal);
    private readonly SortedSet<string> documented = new(StringComparer.Ordinal);

    public string? Text(string key)
    {
        Document(key);
        return spec.Settings.TryGetValue(key, out var value) ? value : null;
    }

    public long Bytes(string key, long otherwise)
    {
        if (Text(key) is not { } text)
        {
            return otherwise;
        }

        if (!Quantity.TryBytes(text, out var bytes))
        {
            Fault($"'{key}' is '{text}'; a size such as 64MiB or 20GB is expected");
        }

        return bytes;
    }

    public int Count(string key, int otherwise, int most)
    {
        if (Text(key) is not { } text)
        {
            return otherwise;
        }

        if (!Quantity.TryCount(text, out var count) || count > most)
        {
            Fault($"'{key}' is '{text}'; a whole number from 0 to {most} is expected");
        }

        return count;
    }

    /// <summary>Up to a day.</summary>
    public TimeSpan Time(string key, TimeSpan otherwise)
    {
        if (Text(key) is not { } text)
        {
            return otherwise;
        }

        if (!Quantity.TryTime(text, out var time))
        {
            Fault($"'{key}' is '{text}'; a time such as 500ms, 2s or 1m is expected");
        }

        return time;
    }

    public T Choice<T>(string key, T otherwise, IReadOnlyDictionary<string, T> choices)
    {
        if (Text(key) is not { } text)
        {
            return otherwise;
        }

        if (choices.TryGetValue(text, out var choice))
        {
            return choice;
        }

        Fault($"'{key}' is '{text}'; one of {string.Join(", ", choices.Keys)} is expected");
        return otherwise;
    }

    /// <summary>All settings whose key begins with <paramref name="prefix"/>, by the rest of the key, in order.</summary>
    public IReadOnlyList<(string Name, string Value)> Family(string prefix)
    {
        documented.Add(prefix + "<name>");
        var found = spec.Settings.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal)).OrderBy(pair => pair.Key, StringComparer.Ordinal).ToList();
        known.UnionWith(found.Select(pair => pair.Key));
        return [.. found.Select(pair => (pair.Key[prefix.Length..], pair.Value))];
    }

    public void Fault(string sentence) => faults.Add(sentence);

    /// <summary>All faults and unknown keys in one fault, or null when there are none.</summary>
    public ConnectorFault? Finish()
    {
        var unknown = spec.Settings.Keys.Where(key => !known.Contains(key)).Order(StringComparer.Ordinal).ToList();
        if (unknown.Count > 0)
        {
            Fault($"unknown setting(s) {string.Join(", ", unknown.Select(key => $"'{key}'"))}; known are {string.Join(", ", documented)}");
        }

        return faults.Count == 0
            ? null
            : new ConnectorFault(
                FaultStage.Probe,
                FaultCause.Misconfigured,
                $"Pod {spec.Name} of family '{spec.Family}' cannot be connected: {string.Join("; ", faults)}.",
                "Correct the pod's settings and connect it again.");
    }

    private void Document(string key)
    {
        known.Add(key);
        documented.Add(key);
    }
}
