using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// Raises every intent of a restored store by the same number. The service may have given out higher generations after the backup was made, and
/// a connector refuses an older one than it has seen. The number is the time of the restore in milliseconds: no version ever had that many intents
/// since the backup, and a later restore of the same backup is above an earlier one. What receipts say stays: it is a fact.
/// </summary>
internal sealed class GenerationLift(long by)
{
    /// <summary>Revisions of the ended copies of one pod: their rows come before the pod's hot row, which may still hold an older word of them.</summary>
    private readonly Dictionary<VersionId, long> ended = [];
    private string pod = "";

    /// <summary>The row as it has to be written, or null when it holds no generation. Rows come in the order of their keys and names.</summary>
    public RowWrite? Of(StoredRow row) => row.Name switch
    {
        "version" => Write<StoredVersion>(row, state => new StoredVersion
        {
            Version = state.Version is { } version ? Lifted(version) : null,
            Unconfirmed = [.. state.Unconfirmed.Select(Lifted)],
            UnknownFields = state.UnknownFields,
        }),
        "publish" => Write<StoredPublish>(row, state => new StoredPublish
        {
            Publish = state.Publish is { Order: { } order } publish ? publish with { Order = Lifted(order) } : state.Publish,
            UnknownFields = state.UnknownFields,
        }),
        "shard" => Write<StoredShard>(row, state => new StoredShard
        {
            Shard = state.Shard is { Order: { } order } shard ? shard with { Order = Lifted(order) } : state.Shard,
            UnknownFields = state.UnknownFields,
        }),
        "pod" => Write<StoredPod>(row, state => new StoredPod
        {
            Pod = state.Pod,
            Moving = [.. state.Moving.Where(copy => pod != row.Key || !ended.TryGetValue(copy.Version, out var revision) || revision < copy.Revision).Select(Lifted)],
            UnknownFields = state.UnknownFields,
        }),
        _ when row.Name.StartsWith("copy/", StringComparison.Ordinal) =>
            Write<StoredCopy>(row, state => new StoredCopy { Copy = state.Copy is { } copy ? Lifted(Noted(row.Key, copy)) : null, UnknownFields = state.UnknownFields }),
        _ => null,
    };

    private static RowWrite Write<TState>(StoredRow row, Func<TState, TState> lift) where TState : Recorded
    {
        var state = lift(StateJson.Load<TState>(row.Payload.Span, $"{row.Key} {row.Name}"));
        return new RowWrite(row.Key, row.Name, row.ETag, StateJson.Save(state), [.. state.Project()]);
    }

    private Copy Noted(string key, Copy copy)
    {
        if (pod != key)
        {
            ended.Clear();
            pod = key;
        }

        ended[copy.Version] = copy.Revision;
        return copy;
    }

    private Version Lifted(Version version) => version with
    {
        Generation = Lifted(version.Generation),
        ImportGeneration = Lifted(version.ImportGeneration),
        Unstarted = [.. version.Unstarted.Select(u => u with { Generation = Lifted(u.Generation) })],
    };

    private PublishOrder Lifted(PublishOrder order) => order with { Generation = Lifted(order.Generation) };

    private Copy Lifted(Copy copy) => copy with { Generation = Lifted(copy.Generation), DeletedGeneration = Lifted(copy.DeletedGeneration) };

    /// <summary>None stays none: it means that there never was one.</summary>
    private Generation Lifted(Generation generation) => generation == Generation.None ? generation : new Generation(generation.Value + by);
}
