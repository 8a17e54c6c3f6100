using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>What lists show, from stored state alone: for a rebuild, and to compare lists with the state. Takes all rows once, in the order of their keys and names.</summary>
internal sealed class StateProjections
{
    /// <summary>Revisions of the ended copies of one pod: their rows come before the pod's hot row, which may still hold an older word of them.</summary>
    private readonly Dictionary<VersionId, long> ended = [];
    private string pod = "";

    /// <summary>What lists show of one row.</summary>
    /// <exception cref="StateSchemaException">It was written by a newer program.</exception>
    public IEnumerable<Projection> Of(StoredRow row) => row.Name switch
    {
        "image" => row.Load<StoredImage>().Project(),
        "version" => row.Load<StoredVersion>().Project(),
        "publish" => row.Load<StoredPublish>().Project(),
        "pod" => OfPod(row.Key, row.Load<StoredPod>()).Project(),
        _ when row.Name.StartsWith("copy/", StringComparison.Ordinal) => Noted(row.Key, row.Load<StoredCopy>()).Project(),
        _ => [], // shards, request keys, tokens and the note of a restore show nothing
    };

    private StoredCopy Noted(string key, StoredCopy stored)
    {
        if (pod != key)
        {
            ended.Clear();
            pod = key;
        }

        if (stored.Copy is { } copy)
        {
            ended[copy.Version] = copy.Revision;
        }

        return stored;
    }

    private StoredPod OfPod(string key, StoredPod stored) => new()
    {
        Pod = stored.Pod,
        Moving = [.. stored.Moving.Where(copy => pod != key || !ended.TryGetValue(copy.Version, out var revision) || revision < copy.Revision)],
    };
}
