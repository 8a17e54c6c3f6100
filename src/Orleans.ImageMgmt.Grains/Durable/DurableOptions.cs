namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Settings of the embedded durable store.</summary>
public sealed class DurableOptions
{
    /// <summary>Write requests that may wait for the writer; further callers wait their turn before queueing. Default: 4,096.</summary>
    public int QueueLength { get; set; } = 4_096;

    /// <summary>Rows in one commit: bounds how long a commit, and so a write behind it, can take. Default: 2,048.</summary>
    public int BatchRows { get; set; } = 2_048;

    /// <summary>Payload bytes in one commit, the last request excepted: bounds the growth of the write-ahead log. Default: 16 MiB.</summary>
    public long BatchBytes { get; set; } = 16L << 20;

    /// <summary>Rows in one request. Default: 256.</summary>
    public int RowsPerWrite { get; set; } = 256;

    /// <summary>Bytes of one row's payload. A larger one means that a state grows without bound. Default: 16 MiB: room for a version with 10,000 targets
    /// in several publishes at once, and for an image of 1,000 versions with the longest descriptions and paths.</summary>
    public int PayloadLimit { get; set; } = 16 << 20;

    /// <summary>Projected rows of one written row. Default: 1,024.</summary>
    public int ProjectionsPerRow { get; set; } = 1_024;

    /// <summary>How long a write may wait in the queue, and again how long its commit may take. Must stay below half of the grain call time-out (30 s). Default: 12 s.</summary>
    public TimeSpan WriteTimeout { get; set; } = TimeSpan.FromSeconds(12);

    /// <summary>How long a read may wait for a connection and run. Default: 10 s.</summary>
    public TimeSpan ReadTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the database waits for a lock before it reports itself busy; whole seconds. Default: 2 s.</summary>
    public TimeSpan BusyTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How often a batch is tried again when the database was busy. Default: 3.</summary>
    public int BusyRetries { get; set; } = 3;

    /// <summary>Connections for reading. Default: 4.</summary>
    public int Readers { get; set; } = 4;

    /// <summary>Lines of the activity log that are kept; older ones are removed as new ones come. Default: 1,000,000.</summary>
    public int ActivityRows { get; set; } = 1_000_000;

    /// <summary>How long a rebuild of the catalog may take. Default: 30 min.</summary>
    public TimeSpan RebuildTimeout { get; set; } = TimeSpan.FromMinutes(30);

    /// <summary>How long closing waits for what is queued. Default: 15 s.</summary>
    public TimeSpan CloseTimeout { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Accept a data directory on a network file system, whose locks and syncs may not hold what they promise. Default: false.</summary>
    public bool AllowNetworkFileSystem { get; set; }

    /// <summary>Every fault of these settings, in one sentence each; empty when they are good.</summary>
    public IReadOnlyList<string> Faults()
    {
        List<string> faults = [];
        Within(faults, nameof(QueueLength), QueueLength, 1, 1 << 20);
        Within(faults, nameof(BatchRows), BatchRows, 1, 1 << 16);
        Within(faults, nameof(BatchBytes), BatchBytes, 1 << 10, 1L << 30);
        Within(faults, nameof(RowsPerWrite), RowsPerWrite, 1, 1 << 16);
        Within(faults, nameof(PayloadLimit), PayloadLimit, 1 << 10, 1 << 28);
        Within(faults, nameof(ProjectionsPerRow), ProjectionsPerRow, 1, 1 << 16);
        Within(faults, nameof(BusyRetries), BusyRetries, 0, 100);
        Within(faults, nameof(Readers), Readers, 1, 64);
        Within(faults, nameof(ActivityRows), ActivityRows, 1, int.MaxValue);
        Within(faults, nameof(WriteTimeout), WriteTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5));
        Within(faults, nameof(ReadTimeout), ReadTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5));
        Within(faults, nameof(BusyTimeout), BusyTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1));
        Within(faults, nameof(RebuildTimeout), RebuildTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));
        Within(faults, nameof(CloseTimeout), CloseTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
        return faults;
    }

    private static void Within<T>(List<string> faults, string name, T value, T least, T most) where T : IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
        {
            faults.Add($"{name} is {value}; it must be from {least} to {most}.");
        }
    }
}
