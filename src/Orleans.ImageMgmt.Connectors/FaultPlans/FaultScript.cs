using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>A plan being played on one pod: which rules have fired how often, and how many calls have come.</summary>
/// <remarks>Besides the rules that are always on (slow, flap), one rule at a time is current for a stage: the first in the written
/// order that has firings left. So a plan reads as a story, and the same calls always meet the same faults.</remarks>
internal sealed class FaultScript(FaultPlan plan, PodName pod, TimeProvider time, IFaultLog log)
{
    private readonly Lock gate = new();
    private readonly int[] fired = new int[plan.Rules.Count];
    private readonly int[] calls = new int[plan.Rules.Count];
    private readonly Random draws = new(plan.Seed);

    public TimeProvider Time => time;

    public PodName Pod => pod;

    /// <summary>The faults that a call to this stage meets.</summary>
    public FaultTurn Begin(FaultStage stage)
    {
        lock (gate)
        {
            FaultRule? current = null;
            FaultRule? slow = null;
            FaultRule? flap = null;
            for (var i = 0; i < plan.Rules.Count; i++)
            {
                var rule = plan.Rules[i];
                if (!rule.Concerns(stage))
                {
                    continue;
                }

                calls[i]++;
                var likely = rule.ChancePercent >= 100 || draws.NextDouble() * 100 < rule.ChancePercent;
                if (!likely || IsSpent(i))
                {
                    continue;
                }

                switch (rule.Kind)
                {
                    case FaultKind.Slow:
                        slow ??= rule;
                        break;
                    case FaultKind.Flap:
                        flap ??= (calls[i] - 1) / rule.Period % 2 == 1 ? rule : null;
                        break;
                    default:
                        current ??= rule;
                        break;
                }
            }

            return new FaultTurn(this, stage, current, slow, flap);
        }
    }

    /// <summary>Counts one firing and tells the log; false when the rule has none left.</summary>
    public bool Fire(FaultRule rule, FaultStage stage, string sentence)
    {
        lock (gate)
        {
            var index = IndexOf(rule);
            if (IsSpent(index))
            {
                return false;
            }

            fired[index]++;
        }

        log.Injected(new InjectedFault(pod, stage, rule.Kind, sentence, time.GetUtcNow()));
        return true;
    }

    private bool IsSpent(int index) => plan.Rules[index].Times is { } times && fired[index] >= times;

    private int IndexOf(FaultRule rule)
    {
        for (var i = 0; i < plan.Rules.Count; i++)
        {
            if (ReferenceEquals(plan.Rules[i], rule))
            {
                return i;
            }
        }

        throw new InvalidOperationException($"'{rule.Text}' is not of this plan.");
    }
}

/// <summary>What one call meets.</summary>
/// <param name="Script">The plan being played.</param>
/// <param name="Stage">Of the call.</param>
/// <param name="Current">The one-off rule whose turn it is.</param>
/// <param name="Slow">A rate that holds for the whole call.</param>
/// <param name="Flap">Set when the pod is away right now.</param>
internal sealed record FaultTurn(FaultScript Script, FaultStage Stage, FaultRule? Current, FaultRule? Slow, FaultRule? Flap)
{
    public bool ActsInside => Slow is not null || Current is { IsInside: true };

    public bool Fire(FaultRule rule, string sentence) => Script.Fire(rule, Stage, sentence);

    public ConnectorFault ToFault(FaultRule rule, string where) => rule.Kind == FaultKind.NoRoom
        ? new ConnectorFault(Stage, FaultCause.NoRoom, $"Pod {Script.Pod} ran out of room {where} (fault plan: {rule.Text}).", "Free room on the datastore; the transfer goes on by itself.")
        : new ConnectorFault(Stage, rule.Cause, $"Pod {Script.Pod} did not answer {where} (fault plan: {rule.Text}).", "Nothing to do: the call is made again.");
}
