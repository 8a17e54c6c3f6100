using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>
/// A script of faults for one pod, the same for a simulated and a real connector. The grammar is in this project's README:
/// <c>receive:stall=2s:after=40%:times=1; receive:corrupt:chunk=7:times=2; probe:flap=3</c>.
/// </summary>
public sealed class FaultPlan
{
    /// <summary>Rules of one plan: enough for a story, few enough to read.</summary>
    public const int MaxRules = 64;

    private FaultPlan(IReadOnlyList<FaultRule> rules, int seed)
    {
        Rules = rules;
        Seed = seed;
    }

    /// <summary>No faults at all.</summary>
    public static FaultPlan Empty { get; } = new([], 0);

    public IReadOnlyList<FaultRule> Rules { get; }

    /// <summary>Decides every draw of <c>chance</c>.</summary>
    public int Seed { get; }

    /// <summary>Reads a plan; when it cannot, says everything that is wrong with it in one sentence.</summary>
    public static bool TryParse(string text, int seed, out FaultPlan plan, out string error)
    {
        var faults = new List<string>();
        var rules = new List<FaultRule>();
        foreach (var line in text.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var rule = FaultRuleParser.Parse(line, faults);
            if (rule is not null)
            {
                rules.Add(rule);
            }
        }

        if (rules.Count > MaxRules)
        {
            faults.Add($"{rules.Count} rules are more than {MaxRules}");
        }

        error = string.Join("; ", faults);
        plan = faults.Count == 0 ? new FaultPlan(rules, seed) : Empty;
        return faults.Count == 0;
    }
}
