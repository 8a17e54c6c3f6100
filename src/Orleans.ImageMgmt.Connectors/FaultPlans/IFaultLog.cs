using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Hears of every fault that a plan injects, at the moment it does. Called from transfer threads; must not block.</summary>
public interface IFaultLog
{
    void Injected(InjectedFault fault);
}

/// <summary>A fault that was made on purpose.</summary>
/// <param name="Pod">On which pod.</param>
/// <param name="Stage">In which call.</param>
/// <param name="Kind">What kind.</param>
/// <param name="Sentence">What was done, for people.</param>
/// <param name="At">When.</param>
public sealed record InjectedFault(PodName Pod, FaultStage Stage, FaultKind Kind, string Sentence, DateTimeOffset At);

/// <summary>Nobody listens.</summary>
public sealed class SilentFaultLog : IFaultLog
{
    public static SilentFaultLog Instance { get; } = new();

    public void Injected(InjectedFault fault)
    {
    }
}
