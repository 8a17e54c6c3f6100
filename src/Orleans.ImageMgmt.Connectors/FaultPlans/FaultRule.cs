using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>What a scripted fault does.</summary>
public enum FaultKind
{
    /// <summary>The call (or, with a place, the transfer at that place) breaks with a fault.</summary>
    Refuse,

    /// <summary>Bytes come no faster than a rate.</summary>
    Slow,

    /// <summary>Nothing moves for a while, then it goes on.</summary>
    Stall,

    /// <summary>So many calls are answered, so many refused, in turns.</summary>
    Flap,

    /// <summary>A byte of a chunk is changed on its way.</summary>
    Corrupt,

    /// <summary>Success is claimed that is none.</summary>
    Lie,

    /// <summary>The datastore runs out of room.</summary>
    NoRoom,
}

/// <summary>One line of a fault plan.</summary>
/// <param name="Stage">On which calls; null on all.</param>
/// <param name="Kind">What happens.</param>
/// <param name="Times">How often at most; null for ever.</param>
/// <param name="AfterPercent">When this much of what a transfer needs has been given out; null from the start.</param>
/// <param name="Chunk">When this chunk is read; null any.</param>
/// <param name="Cause">The cause a <see cref="FaultKind.Refuse"/> or <see cref="FaultKind.Flap"/> answers with.</param>
/// <param name="Pause">How long a <see cref="FaultKind.Stall"/> lasts.</param>
/// <param name="BytesPerSecond">Rate of <see cref="FaultKind.Slow"/>.</param>
/// <param name="Period">Calls in one turn of <see cref="FaultKind.Flap"/>.</param>
/// <param name="ChancePercent">How likely the rule applies to one call; drawn from the plan's seed.</param>
/// <param name="Text">The line as written.</param>
public sealed record FaultRule(
    FaultStage? Stage,
    FaultKind Kind,
    int? Times,
    double? AfterPercent,
    int? Chunk,
    FaultCause Cause,
    TimeSpan Pause,
    long BytesPerSecond,
    int Period,
    double ChancePercent,
    string Text)
{
    /// <summary>Acts inside a transfer, not at the beginning of a call.</summary>
    internal bool IsInside => AfterPercent is not null || Chunk is not null || Kind is FaultKind.Corrupt or FaultKind.Slow
        || (Kind == FaultKind.Lie && Stage == FaultStage.Receive);

    /// <summary>Always on, beside whichever other rule is the current one.</summary>
    internal bool IsBackground => Kind is FaultKind.Slow or FaultKind.Flap;

    internal bool Concerns(FaultStage stage) => Stage is null || Stage == stage;
}
