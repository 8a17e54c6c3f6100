namespace Orleans.ImageMgmt.Simulation;

/// <summary>A bug that can be built in on purpose, to prove that the invariants would see it.</summary>
public enum Plant
{
    None,

    /// <summary>A copy becomes available on the connector's word, whatever its receipt proves.</summary>
    AvailableWithoutProof,

    /// <summary>A publish is acknowledged before it is stored.</summary>
    AcknowledgeBeforeStore,

    /// <summary>A failed write's facts stay in memory.</summary>
    KeepUnwritten,

    /// <summary>Copies start whether a slot is free or not.</summary>
    IgnoreSlots,

    /// <summary>A transfer that goes on asks for everything again.</summary>
    ForgetStaged,

    /// <summary>Removing says done and leaves the staged bytes.</summary>
    LeaveStaged,

    /// <summary>A shard asks one pod after the other.</summary>
    OneAfterTheOther,

    /// <summary>A shard gives its order once and never asks again.</summary>
    AskOnce,

    /// <summary>A pod takes over an older order's generation.</summary>
    LowerGeneration,

    /// <summary>A version tells its image once and never again.</summary>
    TellOnce,

    /// <summary>A pod takes a read-back that found damage for one that found none.</summary>
    OverlookDamage,
}

/// <summary>One run of the world.</summary>
/// <param name="Seed">Everything random comes from it.</param>
/// <param name="Plant">A bug built in on purpose.</param>
/// <param name="Verbose">Print a line for each state change.</param>
public sealed record WorldOptions(int Seed, Plant Plant = Plant.None, bool Verbose = false)
{
    /// <summary>Faults are injected for this long, then they stop.</summary>
    public TimeSpan FaultTime { get; init; } = TimeSpan.FromMinutes(8);

    /// <summary>After the faults stop, everything has to end within this time.</summary>
    public TimeSpan CalmTime { get; init; } = TimeSpan.FromHours(2);

    /// <summary>Share of writes that the store does not take.</summary>
    public double WriteFailures { get; init; } = 0.005;

    /// <summary>Steps of one run: a run that needs more is stuck in a loop.</summary>
    public int MaxSteps { get; init; } = 400_000;
}

/// <summary>What one run was made of.</summary>
public sealed record RunResult(int Seed, int Steps, ulong TraceHash, IReadOnlyDictionary<string, int> Faults, Violation? Violation);

/// <summary>An invariant that did not hold, where, and the lines before it.</summary>
public sealed record Violation(int Seed, int Step, string Invariant, IReadOnlyList<string> LastLines);

/// <summary>Ends a run: an invariant does not hold.</summary>
public sealed class InvariantException(string invariant) : Exception(invariant);

/// <summary>Ends a turn: the process of one silo is gone.</summary>
internal sealed class SiloCrashed(Silo silo) : Exception
{
    internal Silo Silo { get; } = silo;
}

/// <summary>Ends a turn: the store did not take the write.</summary>
internal sealed class WriteFailed : Exception;
