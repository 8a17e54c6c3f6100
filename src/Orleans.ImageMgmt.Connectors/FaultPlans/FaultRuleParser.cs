using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Reads one rule: <c>STAGE:PART[:PART…]</c>, exactly one part naming the kind.</summary>
internal sealed class FaultRuleParser
{
    private static readonly Dictionary<string, FaultStage?> Stages = new(StringComparer.Ordinal)
    {
        ["any"] = null,
        ["probe"] = FaultStage.Probe,
        ["list-sources"] = FaultStage.ListSources,
        ["prepare"] = FaultStage.Prepare,
        ["open"] = FaultStage.Open,
        ["receive"] = FaultStage.Receive,
        ["finalise"] = FaultStage.Finalise,
        ["verify"] = FaultStage.Verify,
        ["delete"] = FaultStage.Delete,
        ["inventory"] = FaultStage.Inventory,
    };

    private static readonly Dictionary<string, FaultCause> Causes = new(StringComparer.Ordinal)
    {
        ["unreachable"] = FaultCause.Unreachable,
        ["timed-out"] = FaultCause.TimedOut,
        ["denied"] = FaultCause.Denied,
        ["read-only"] = FaultCause.ReadOnly,
        ["input-output"] = FaultCause.InputOutput,
        ["unexpected"] = FaultCause.Unexpected,
    };

    private readonly string line;
    private readonly List<string> faults;
    private FaultKind? kind;
    private int? times;
    private double? after;
    private int? chunk;
    private FaultCause? cause;
    private TimeSpan pause;
    private long rate;
    private int period;
    private double? chance;

    private FaultRuleParser(string line, List<string> faults)
    {
        this.line = line;
        this.faults = faults;
    }

    public static FaultRule? Parse(string line, List<string> faults) => new FaultRuleParser(line, faults).Read();

    private FaultRule? Read()
    {
        var before = faults.Count;
        var parts = line.Split(':', StringSplitOptions.TrimEntries);
        if (!Stages.TryGetValue(parts[0], out var stage))
        {
            Fault($"'{parts[0]}' is no stage; known are {string.Join(", ", Stages.Keys)}");
        }

        foreach (var part in parts.Skip(1))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            Take(equals < 0 ? part : part[..equals], equals < 0 ? null : part[(equals + 1)..]);
        }

        if (kind is null)
        {
            Fault("no kind; known are refuse, slow=RATE, stall=TIME, flap=CALLS, corrupt, lie, noroom");
        }

        if (faults.Count == before)
        {
            CheckTogether(stage);
        }

        return faults.Count > before
            ? null
            : new FaultRule(
                stage, kind!.Value, times ?? (kind is FaultKind.Slow or FaultKind.Flap ? null : 1), after, chunk,
                cause ?? FaultCause.Unreachable, pause, rate, period, chance ?? 100, line);
    }

    private void Take(string name, string? value)
    {
        switch (name)
        {
            case "refuse" or "corrupt" or "lie" or "noroom":
                Kind(name switch { "refuse" => FaultKind.Refuse, "corrupt" => FaultKind.Corrupt, "lie" => FaultKind.Lie, _ => FaultKind.NoRoom });
                Expect(value is null, name, "no value");
                break;
            case "slow":
                Kind(FaultKind.Slow);
                Expect(Quantity.TryRate(value ?? "", out rate), name, "a rate such as 20MB/s");
                break;
            case "stall":
                Kind(FaultKind.Stall);
                Expect(Quantity.TryTime(value ?? "", out pause), name, "a time such as 2s");
                break;
            case "flap":
                Kind(FaultKind.Flap);
                Expect(Quantity.TryCount(value ?? "", out period) && period > 0, name, "a number of calls");
                break;
            case "times":
                Expect(Quantity.TryCount(value ?? "", out var count) && count > 0, name, "a number above 0");
                times = count;
                break;
            case "after":
                Expect(Quantity.TryPercent(value ?? "", out var part), name, "a percentage such as 40%");
                after = part;
                break;
            case "chunk":
                Expect(Quantity.TryCount(value ?? "", out var number), name, "a chunk number");
                chunk = number;
                break;
            case "chance":
                Expect(Quantity.TryPercent(value ?? "", out var likely), name, "a percentage such as 10%");
                chance = likely;
                break;
            case "cause":
                Expect(Causes.TryGetValue(value ?? "", out var word), name, $"one of {string.Join(", ", Causes.Keys)}");
                cause = word;
                break;
            default:
                Fault($"'{name}' is unknown; kinds are refuse, slow, stall, flap, corrupt, lie, noroom; options are times, after, chunk, chance, cause");
                break;
        }
    }

    private void CheckTogether(FaultStage? stage)
    {
        var moves = stage is FaultStage.Receive or FaultStage.Open;
        Expect(moves || (after is null && chunk is null), "after/chunk", "the stage receive or open");
        Expect(moves || kind is not (FaultKind.Slow or FaultKind.Corrupt), "slow/corrupt", "the stage receive or open");
        Expect(kind != FaultKind.Lie || stage is FaultStage.Receive or FaultStage.Finalise, "lie", "the stage receive or finalise");
        Expect(kind != FaultKind.NoRoom || stage is FaultStage.Receive or FaultStage.Prepare, "noroom", "the stage receive or prepare");
        Expect(cause is null || kind is FaultKind.Refuse or FaultKind.Flap, "cause", "the kind refuse or flap");
        Expect(after is null || chunk is null, "after and chunk", "only one of the two");
        Expect(kind != FaultKind.Flap || (after is null && chunk is null), "flap", "no place: it counts calls");
    }

    private void Kind(FaultKind found)
    {
        Expect(kind is null, "kind", "exactly one");
        kind = found;
    }

    private void Expect(bool holds, string name, string wanted)
    {
        if (!holds)
        {
            Fault($"'{name}' wants {wanted}");
        }
    }

    private void Fault(string sentence) => faults.Add($"in '{line}': {sentence}");
}
