using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Options of the grains and the transfer worker.</summary>
public sealed class ImageMgmtOptions
{
    /// <summary>Transfers that one silo runs at once, over all its pods. Default: 64: bounds memory and open files.</summary>
    public int TransfersPerSilo { get; set; } = 64;

    /// <summary>Transfers of one silo that read from one source pod at once, wherever they go to. Default: 64: what one silo runs at all, for a source that many
    /// receive from is read from its disk about once; fewer where sources lie on a slow share.</summary>
    public int TransfersPerSource { get; set; } = 64;

    /// <summary>A transfer that stages nothing for this long is stopped as timed out. Default: 60 s.</summary>
    public TimeSpan TransferStall { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>A finalise, prepare or delete that makes no progress for this long is stopped as timed out. Default: 10 minutes: a flush of a
    /// large disk to a slow share says nothing while it runs.</summary>
    public TimeSpan FinaliseStall { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>Longest time a probe or a listing of sources may take. Default: 15 s.</summary>
    public TimeSpan ProbeTimeout { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How often a shard asks pods that have not reported, and a version or publish asks below. Default: 10 s.</summary>
    public TimeSpan EnsureInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a shard gathers reports before it stores and tells them. Default: 100 ms: coalesces thousands of reports into few writes.</summary>
    public TimeSpan ReportLinger { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Pods that one shard asks at once. Default: 32.</summary>
    public int EnsuresAtOnce { get; set; } = 32;

    /// <summary>Wait before a grain tries a step again that threw, because the store or another grain did not answer; doubles up to a minute.
    /// Default: 2 s.</summary>
    public TimeSpan StepRetry { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>File to which every requested and staged chunk is appended, for audits; empty = none. Default: empty.</summary>
    public string TransferTrace { get; set; } = "";

    /// <summary>When pods give pieces of a content to each other, so that the source pod's link carries little more than one image: Remote (where its bytes
    /// come over a link), Always or Never. Default: Remote.</summary>
    public FanOutUse FanOut { get; set; } = FanOutUse.Remote;

    /// <summary>Bytes of the smallest piece that pods give each other; a large image is cut into about 256. The same on every silo. Default: 2 MiB:
    /// the last piece has to be passed on a few times when all others have come, and larger ones make small images wait for that.</summary>
    public long FanOutPieceBytes { get; set; } = 2L << 20;

    /// <summary>When copies are tried again. A copy of the default, for settings are bound into the object that is here.</summary>
    public RetryPolicy Retry { get; set; } = RetryPolicy.Default with { };

    /// <summary>When pods are probed. A copy of the default, as above.</summary>
    public ProbePolicy Probe { get; set; } = ProbePolicy.Default with { };

    /// <summary>How available copies are read back again. A copy of the default, as above.</summary>
    public ScrubPolicy Scrub { get; set; } = ScrubPolicy.Default with { };

    /// <summary>Every fault of these settings, in one sentence each, beginning with the name of the option; empty when they are good.</summary>
    public IReadOnlyList<string> Faults()
    {
        List<string> faults = [];
        Within(faults, nameof(TransfersPerSilo), TransfersPerSilo, 1, 4_096);
        Within(faults, nameof(TransfersPerSource), TransfersPerSource, 1, 4_096);
        Within(faults, nameof(EnsuresAtOnce), EnsuresAtOnce, 1, 1_024);
        Within(faults, nameof(TransferStall), TransferStall, TimeSpan.FromMilliseconds(100), TimeSpan.FromDays(1));
        Within(faults, nameof(FinaliseStall), FinaliseStall, TimeSpan.FromMilliseconds(100), TimeSpan.FromDays(1));
        Within(faults, nameof(ProbeTimeout), ProbeTimeout, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(10));
        Within(faults, nameof(EnsureInterval), EnsureInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromHours(1));
        Within(faults, nameof(ReportLinger), ReportLinger, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Within(faults, nameof(StepRetry), StepRetry, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1));
        Within(faults, nameof(FanOutPieceBytes), FanOutPieceBytes, 1L << 20, 1L << 30);
        Within(faults, "Retry:MaxTries", Retry.MaxTries, 1, 1_000);
        Within(faults, "Retry:MaxTime", Retry.MaxTime, TimeSpan.FromSeconds(1), TimeSpan.FromDays(365));
        Within(faults, "Retry:FirstDelay", Retry.FirstDelay, TimeSpan.Zero, TimeSpan.FromHours(1));
        Within(faults, "Retry:MaxDelay", Retry.MaxDelay, TimeSpan.Zero, TimeSpan.FromDays(1));
        Within(faults, "Probe:Interval", Probe.Interval, TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(1));
        Within(faults, "Probe:RetryInterval", Probe.RetryInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(1));
        Within(faults, "Probe:FailuresUntilUnreachable", Probe.FailuresUntilUnreachable, 1, 100);
        Within(faults, "Scrub:Every", Scrub.Every, TimeSpan.Zero, TimeSpan.FromDays(3_650));
        Within(faults, "Scrub:BytesPerSecond", Scrub.BytesPerSecond, 1 << 20, 1L << 40);
        Within(faults, "Scrub:Concurrency", Scrub.Concurrency, 1, 1_024);
        Within(faults, "Scrub:From", Scrub.From, TimeSpan.Zero, TimeSpan.FromDays(1));
        Within(faults, "Scrub:Until", Scrub.Until, TimeSpan.Zero, TimeSpan.FromDays(1));
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
