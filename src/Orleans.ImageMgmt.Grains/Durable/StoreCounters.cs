using System.Diagnostics.Metrics;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>What the store has done since it was opened; also published as instruments of the meter <see cref="MeterName"/>.</summary>
public sealed class StoreCounters : IDisposable
{
    public const string MeterName = "Orleans.ImageMgmt.Durable";

    private readonly Meter meter = new(MeterName);
    private readonly Histogram<double> commitSeconds;
    private long commits;
    private long rows;
    private long listRows;
    private long conflicts;
    private long failures;

    internal StoreCounters()
    {
        commitSeconds = meter.CreateHistogram<double>("imagemgmt.store.commit.duration", "s", "Time of one commit, sync included");
        meter.CreateObservableCounter("imagemgmt.store.commits", () => Commits, description: "Transactions committed");
        meter.CreateObservableCounter("imagemgmt.store.rows", () => Rows, description: "Row writes asked for in committed transactions");
        meter.CreateObservableCounter("imagemgmt.store.conflicts", () => Conflicts, description: "Requests refused for a stale ETag");
        meter.CreateObservableCounter("imagemgmt.store.failures", () => Failures, description: "Batches that could not be stored");
        meter.CreateObservableGauge("imagemgmt.store.queue", () => QueueLength(), description: "Requests waiting for the writer");
    }

    /// <summary>Where the instruments of this store are found among those of others.</summary>
    public Meter Meter => meter;

    /// <summary>Requests that wait for the writer now.</summary>
    public int Queued => QueueLength();

    /// <summary>Transactions committed.</summary>
    public long Commits => Interlocked.Read(ref commits);

    /// <summary>Row writes asked for in those, refused ones included.</summary>
    public long Rows => Interlocked.Read(ref rows);

    /// <summary>Changes of lists and lines of the activity log asked for together with those.</summary>
    public long ListRows => Interlocked.Read(ref listRows);

    /// <summary>Requests refused for a stale ETag.</summary>
    public long Conflicts => Interlocked.Read(ref conflicts);

    /// <summary>Batches that could not be stored.</summary>
    public long Failures => Interlocked.Read(ref failures);

    internal Func<int> QueueLength { get; set; } = () => 0;

    public void Dispose() => meter.Dispose();

    internal void AddCommit(long rowCount, long listRowCount)
    {
        Interlocked.Increment(ref commits);
        Interlocked.Add(ref listRows, listRowCount);
        Interlocked.Add(ref rows, rowCount);
    }

    internal void AddDuration(TimeSpan duration) => commitSeconds.Record(duration.TotalSeconds);

    internal void AddConflict() => Interlocked.Increment(ref conflicts);

    internal void AddFailure() => Interlocked.Increment(ref failures);
}
