using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>What the transfers of this silo have done since it was started.</summary>
public sealed class TransferCounters
{
    /// <summary>Pods whose bytes are counted by name. A metrics server keeps a series for each of them for ever; 1,000 pods on each silo are as many as anybody draws.</summary>
    public const int PodLimit = 1_000;

    /// <summary>Stands for the pods beyond; no pod can have this name.</summary>
    public const string OtherPods = "(others)";

    private readonly ConcurrentDictionary<string, StrongBox<long>> byPod = new(StringComparer.Ordinal);
    private int podsNamed;
    private long bytesMoved;
    private long readBack;
    private long damaged;
    private long repaired;
    private long repairBytes;
    private long bytesFromPeers;
    private long chunksWrong;
    private long peersSetAside;

    /// <summary>Transfers, finalises and removals that run or wait for one of the silo's slots now.</summary>
    public int UnderWay => Running();

    /// <summary>Bytes that were staged on pods.</summary>
    public long BytesMoved => Interlocked.Read(ref bytesMoved);

    /// <summary>Final copies that were read back again, by the scrub or because somebody asked.</summary>
    public long CopiesReadBack => Interlocked.Read(ref readBack);

    /// <summary>Of those, copies that were found damaged.</summary>
    public long CopiesDamaged => Interlocked.Read(ref damaged);

    /// <summary>Damaged copies that were made whole.</summary>
    public long CopiesRepaired => Interlocked.Read(ref repaired);

    /// <summary>Bytes that travelled for repairs.</summary>
    public long RepairBytes => Interlocked.Read(ref repairBytes);

    /// <summary>Chunks that came with wrong bytes from pods that give pieces to others.</summary>
    public long ChunksWrong => Interlocked.Read(ref chunksWrong);

    /// <summary>Pods that were set aside in a fan-out because of that.</summary>
    public long PeersSetAside => Interlocked.Read(ref peersSetAside);

    /// <summary>Bytes that came from other pods than the source pod.</summary>
    public long BytesFromPeers => Interlocked.Read(ref bytesFromPeers);

    /// <summary>Of those, the ones that wait for a slot.</summary>
    public int Waiting => WaitingNow();

    /// <summary>Words from grain to grain that are under way outside of turns.</summary>
    public int ReportsUnderWay => Reporting();

    internal Func<int> Running { get; set; } = () => 0;

    internal Func<int> WaitingNow { get; set; } = () => 0;

    internal Func<int> Reporting { get; set; } = () => 0;

    /// <summary>Bytes that were staged, by pod; those of pods beyond <see cref="PodLimit"/> under <see cref="OtherPods"/>.</summary>
    public IReadOnlyList<KeyValuePair<string, long>> ByPod() => [.. byPod.Select(p => KeyValuePair.Create(p.Key, Interlocked.Read(ref p.Value.Value)))];

    internal void ReadBack(bool isDamaged)
    {
        Interlocked.Increment(ref readBack);
        Interlocked.Add(ref damaged, isDamaged ? 1 : 0);
    }

    internal void Repaired(long bytes)
    {
        Interlocked.Increment(ref repaired);
        Interlocked.Add(ref repairBytes, bytes);
    }

    internal void CameFromPeer(int bytes) => Interlocked.Add(ref bytesFromPeers, bytes);

    internal void ChunkWasWrong(bool isAside)
    {
        Interlocked.Increment(ref chunksWrong);
        Interlocked.Add(ref peersSetAside, isAside ? 1 : 0);
    }

    internal void Moved(PodName pod, int bytes)
    {
        Interlocked.Add(ref bytesMoved, bytes);
        Interlocked.Add(ref BoxOf(pod.Value).Value, bytes);
    }

    private StrongBox<long> BoxOf(string pod)
    {
        if (byPod.TryGetValue(pod, out var box))
        {
            return box;
        }

        var name = Volatile.Read(ref podsNamed) < PodLimit ? pod : OtherPods;
        var made = new StrongBox<long>();
        var kept = byPod.GetOrAdd(name, made);
        if (ReferenceEquals(kept, made))
        {
            Interlocked.Increment(ref podsNamed);
        }

        return kept;
    }
}
