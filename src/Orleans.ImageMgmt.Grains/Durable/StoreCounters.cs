using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>What the store has done since it was opened; also published as instruments of the meter <see cref="MeterName"/>.</summary>
public sealed class StoreCounters : IDisposable
{
    public const string MeterName = "Orleans.ImageMgmt.Store";

    /// <summary>Seconds, from a read in memory to a device that is stuck.</summary>
    private static readonly double[] Bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private readonly Meter meter = new(MeterName);
    private readonly TagList tags;
    private readonly Histogram<double> commitSeconds;
    private readonly Histogram<double> writeSeconds;
    private readonly Histogram<double> readSeconds;
    private long commits;
    private long rows;
    private long listRows;
    private long conflicts;
    private long failures;

    /// <param name="system">The database, as <c>db.system.name</c> of the semantic conventions calls it.</param>
    internal StoreCounters(string system)
    {
        System = system;
        tags = new TagList { { "db.system.name", system } };
        commitSeconds = Seconds("imgmt.store.commit.duration", "Time of one commit, sync included");
        writeSeconds = Seconds("imgmt.store.write.duration", "Time of one write for who asked, from the queue to the answer");
        readSeconds = Seconds("imgmt.store.read.duration", "Time of one read, with the wait for a connection");
        Count("imgmt.store.commits", "{commit}", () => Commits, "Transactions committed");
        Count("imgmt.store.rows", "{row}", () => Rows, "Row writes asked for in committed transactions");
        Count("imgmt.store.conflicts", "{write}", () => Conflicts, "Writes refused because the row had changed");
        Count("imgmt.store.failures", "{batch}", () => Failures, "Batches that could not be stored");
        meter.CreateObservableUpDownCounter("imgmt.store.queued", () => Measured(QueueLength()), "{write}", "Writes that wait for the store");
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

    internal string System { get; }

    internal Func<int> QueueLength { get; set; } = () => 0;

    public void Dispose() => meter.Dispose();

    internal void AddCommit(long rowCount, long listRowCount)
    {
        Interlocked.Increment(ref commits);
        Interlocked.Add(ref listRows, listRowCount);
        Interlocked.Add(ref rows, rowCount);
    }

    internal void AddDuration(TimeSpan duration) => commitSeconds.Record(duration.TotalSeconds, tags);

    internal void AddWrite(TimeSpan duration) => writeSeconds.Record(duration.TotalSeconds, tags);

    internal void AddRead(TimeSpan duration) => readSeconds.Record(duration.TotalSeconds, tags);

    internal void AddConflict() => Interlocked.Increment(ref conflicts);

    internal void AddFailure() => Interlocked.Increment(ref failures);

    private Measurement<T> Measured<T>(T value) where T : struct => new(value, in tags);

    private Histogram<double> Seconds(string name, string description) =>
        meter.CreateHistogram(name, "s", description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = Bounds });

    private void Count(string name, string unit, Func<long> value, string description) =>
        meter.CreateObservableCounter(name, () => Measured(value()), unit, description);
}
