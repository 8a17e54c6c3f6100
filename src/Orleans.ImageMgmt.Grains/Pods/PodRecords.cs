using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;
using Orleans.Storage;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// What a pod has stored. Copies in motion, and those that are read back or repaired, lie in one hot record; a copy that ends is written to a record of its own, and leaves the hot one
/// with its next write, so that an end costs one write. Of two records of one copy the one with the higher revision counts.
/// </summary>
internal sealed class PodRecords(IGrainStorage storage, GrainId grain, PodName name)
{
    private readonly StateCell<StoredPod> hot = new(storage, "pod", grain);
    private Dictionary<VersionId, Copy> moving = [];

    /// <summary>The ended records of copies in motion, as they were read: their next write need not read them again.</summary>
    private readonly Dictionary<VersionId, StateCell<StoredCopy>> endedOf = [];
    private (VersionId Version, StateCell<StoredCopy> Cell)? lastRead;
    private long? measured;

    public Pod Pod => Measured(hot.Current.Pod) ?? PodMachine.Initial(name);

    /// <summary>A transfer ended; the average is stored with the next write that there is anyway.</summary>
    public void Measure(long bytesPerSecond) => measured = Forecast.Average(Pod.BytesPerSecond, bytesPerSecond);

    public IReadOnlyCollection<Copy> Moving => moving.Values;

    public async Task ReadAsync()
    {
        endedOf.Clear();
        lastRead = null;
        await hot.ReadAsync();
        var found = new Dictionary<VersionId, Copy>();
        foreach (var copy in hot.Current.Moving)
        {
            var ended = await ReadEndedAsync(copy.Version);
            if (ended is null || ended.Revision < copy.Revision)
            {
                found[copy.Version] = copy;
                Keep(copy.Version);
            }
        }

        moving = found;
    }

    public async Task<Copy> GetAsync(VersionId version) => moving.TryGetValue(version, out var copy)
        ? copy
        : await ReadEndedAsync(version) ?? CopyMachine.Initial(version, name);

    /// <summary>Stores changed copies, and the pod where it changed. After an exception nothing here can be trusted: read again.</summary>
    /// <param name="pod">The pod as it shall be, or null when it did not change.</param>
    /// <param name="changed">The copies that changed.</param>
    /// <param name="lines">For the activity log.</param>
    public async Task WriteAsync(Pod? pod, IReadOnlyList<Copy> changed, IReadOnlyList<Projection> lines)
    {
        var next = new Dictionary<VersionId, Copy>(moving);
        var hotChanges = pod is not null;
        foreach (var copy in changed)
        {
            if (copy.IsHot)
            {
                next[copy.Version] = copy;
                hotChanges = true;
                Keep(copy.Version);
            }
            else
            {
                await WriteEndedAsync(copy, hotChanges ? [] : lines);
                lines = hotChanges ? lines : [];
                next.Remove(copy.Version);
            }
        }

        if (hotChanges)
        {
            await hot.ChangeAsync(current => new StoredPod
            {
                Pod = Measured(pod ?? current.Pod),
                Moving = [.. next.Values],
                UnknownFields = current.UnknownFields,
                ThisWriteOnly = lines,
                Before = current,
            }, decidesOnce: true);
        }

        moving = next;
    }

    private Pod? Measured(Pod? pod) => pod is null || measured is null ? pod : pod with { BytesPerSecond = measured };

    private void Keep(VersionId version)
    {
        if (lastRead is { } read && read.Version == version)
        {
            endedOf.TryAdd(version, read.Cell);
        }
    }

    private async Task<Copy?> ReadEndedAsync(VersionId version)
    {
        var cell = await CellOfAsync(version);
        lastRead = (version, cell);
        return cell.Current.Copy;
    }

    private async Task WriteEndedAsync(Copy copy, IReadOnlyList<Projection> lines)
    {
        lastRead = null;
        var cell = endedOf.Remove(copy.Version, out var known) ? known : await CellOfAsync(copy.Version);
        await cell.ChangeAsync(current => new StoredCopy { Copy = copy, UnknownFields = current.UnknownFields, ThisWriteOnly = lines }, decidesOnce: true);
    }

    private async Task<StateCell<StoredCopy>> CellOfAsync(VersionId version)
    {
        var cell = new StateCell<StoredCopy>(storage, $"copy/{version}", grain);
        await cell.ReadAsync();
        return cell;
    }
}
