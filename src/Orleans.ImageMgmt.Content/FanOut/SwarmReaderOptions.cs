namespace Orleans.ImageMgmt.Content;

/// <summary>Bounds of one receiver in a fan-out.</summary>
internal sealed record SwarmReaderOptions
{
    /// <summary>Longest wait for one read of at most 1 MiB from another pod, after which it is asked from somebody else. Default: 30 s: half of what a transfer waits.</summary>
    public TimeSpan ReadLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the tracker may be silent before pieces are asked from the source pod without it. Default: 10 s.</summary>
    public TimeSpan TrackerPatience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Wait before the tracker is asked again that did not answer. Default: 1 s.</summary>
    public TimeSpan TrackerRetry { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A piece is late after so many times the usual time. Default: 1.5, as in the simulation.</summary>
    public double LateAfter { get; init; } = 1.5;

    /// <summary>The usual time of a piece before one was measured. Default: 10 s.</summary>
    public TimeSpan FirstTypical { get; init; } = TimeSpan.FromSeconds(10);

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
