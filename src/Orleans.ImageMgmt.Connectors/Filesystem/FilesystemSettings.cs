using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Settings of a pod of the family <c>filesystem</c>. Keys and defaults are in this project's README.</summary>
internal sealed record FilesystemSettings(
    IReadOnlyList<(string Name, string Folder)> Datastores,
    string? Sources,
    IReadOnlyList<string> AllowedSources,
    IReadOnlySet<string> ExpectMount,
    long Reserve,
    ReadBackPolicy ReadBack)
{
    private static readonly Dictionary<string, ReadBackPolicy> ReadBackChoices = new(StringComparer.Ordinal) { ["each"] = ReadBackPolicy.Each, ["sampled"] = ReadBackPolicy.Sampled };

    /// <summary>Datastores of one pod: each one is looked at in every call.</summary>
    public const int MaxDatastores = 16;

    /// <summary>Bytes that stay free on a datastore: room for manifests and receipts, and for others who write there.</summary>
    public const long DefaultReserve = 64L << 20;

    public static ConnectorResult<FilesystemSettings> Read(PodSpec spec)
    {
        var reader = new SettingReader(spec);
        var datastores = reader.Family("datastore.");
        if (datastores.Count is 0 or > MaxDatastores)
        {
            reader.Fault($"{datastores.Count} settings 'datastore.<name>'; 1 to {MaxDatastores} are expected");
        }

        foreach (var (name, folder) in datastores)
        {
            if (!PodName.TryCreate(name, out _))
            {
                reader.Fault($"'datastore.{name}': a name has {PodName.Rule}");
            }

            CheckFolder(reader, $"datastore.{name}", folder);
        }

        foreach (var twice in datastores.GroupBy(datastore => Path.TrimEndingDirectorySeparator(datastore.Value), StringComparer.Ordinal).Where(group => group.Count() > 1))
        {
            reader.Fault($"the datastores {string.Join(", ", twice.Select(datastore => $"'{datastore.Name}'"))} are one folder");
        }

        var sources = reader.Text("sources");
        if (sources is not null)
        {
            CheckFolder(reader, "sources", sources);
        }

        var allowed = (reader.Text("allowed-sources") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        foreach (var folder in allowed)
        {
            CheckFolder(reader, "allowed-sources", folder);
        }

        var mounts = (reader.Text("expect-mount") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).ToHashSet(StringComparer.Ordinal);
        foreach (var name in mounts.Where(name => datastores.All(datastore => datastore.Name != name)))
        {
            reader.Fault($"'expect-mount' names '{name}', which is no datastore");
        }

        var reserve = reader.Bytes("reserve", DefaultReserve);
        var readBack = reader.Choice("read-back", ReadBackPolicy.Each, ReadBackChoices);
        return reader.Finish() is { } fault ? fault : new FilesystemSettings(datastores, sources, allowed, mounts, reserve, readBack);
    }

    private static void CheckFolder(SettingReader reader, string key, string folder)
    {
        if (!folder.StartsWith('/') || folder.Contains('\0', StringComparison.Ordinal) || folder.Split('/').Any(part => part is "." or ".."))
        {
            reader.Fault($"'{key}' is '{folder}'; an absolute path without '.' and '..' is expected");
        }
        else if (Path.TrimEndingDirectorySeparator(folder) == "/")
        {
            reader.Fault($"'{key}' is the root of the machine; name a folder of its own");
        }
    }
}
