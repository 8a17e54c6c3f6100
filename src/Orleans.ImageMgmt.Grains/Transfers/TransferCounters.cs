namespace Orleans.ImageMgmt.Grains;

/// <summary>What the transfers of this silo have done since it was started.</summary>
public sealed class TransferCounters
{
    private long bytesMoved;

    /// <summary>Transfers, finalises and removals that run or wait for one of the silo's slots now.</summary>
    public int UnderWay => Running();

    /// <summary>Bytes that were staged on pods.</summary>
    public long BytesMoved => Interlocked.Read(ref bytesMoved);

    internal Func<int> Running { get; set; } = () => 0;

    internal void Moved(int bytes) => Interlocked.Add(ref bytesMoved, bytes);
}
