namespace Orleans.ImageMgmt.Grains;

/// <summary>What the transfers of this silo have done since it was started.</summary>
public sealed class TransferCounters
{
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

    internal Func<int> Running { get; set; } = () => 0;

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

    internal void Moved(int bytes) => Interlocked.Add(ref bytesMoved, bytes);
}
