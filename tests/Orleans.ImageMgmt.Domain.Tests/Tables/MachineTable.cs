using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text;
using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>One row label and what it stands for.</summary>
internal sealed record Sample<T>(string Label, T Value);

/// <summary>A machine as four functions, so that one table writer serves all six.</summary>
internal sealed record Machine<TNoun, TCommand, TEvent, TStep>(
    Func<TNoun, TCommand, Decision<TEvent>> Decide, Func<TNoun, TEvent, TNoun> Evolve, Func<TNoun, TStep> Next)
    where TNoun : notnull where TCommand : notnull where TEvent : notnull where TStep : notnull;

/// <summary>Writes every state × every command as text, and refuses to leave a case of a closed family out.</summary>
internal static class MachineTable
{
    private const int StateWidth = 34;
    private const int CommandWidth = 38;

    internal static string Write<TNoun, TCommand, TEvent, TStep>(string name, Machine<TNoun, TCommand, TEvent, TStep> machine,
        IReadOnlyList<Sample<TNoun>> states, IReadOnlyList<Sample<TCommand>> commands)
        where TNoun : notnull where TCommand : notnull where TEvent : notnull where TStep : notnull
    {
        var events = new HashSet<Type>();
        var steps = new HashSet<Type>();
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"# {name}: what each state does next\n\n");
        foreach (var state in states)
        {
            var step = machine.Next(state.Value);
            steps.Add(step.GetType());
            text.Append(Row(state.Label, "", Show(step)));
        }

        text.Append(CultureInfo.InvariantCulture, $"\n# {name}: every state x every command\n");
        foreach (var state in states)
        {
            text.Append('\n');
            foreach (var command in commands)
            {
                var decision = machine.Decide(state.Value, command.Value);
                events.UnionWith(decision.Events.Select(e => e.GetType()));
                text.Append(Row(state.Label, command.Label, Outcome(machine, state.Value, decision)));
            }
        }

        MustHoldAll<TCommand>(commands.Select(c => c.Value.GetType()), "command");
        MustHoldAll<TEvent>(events, "event");
        MustHoldAll<TStep>(steps, "step");
        return text.ToString();
    }

    /// <summary>Fails when an enum value has no sample, unless it is listed as never reached, with its reason.</summary>
    internal static void MustReachAll<TState>(IEnumerable<TState> reached, params TState[] never) where TState : struct, Enum
    {
        var missing = Enum.GetValues<TState>().Except(reached).Except(never).ToList();
        Assert.True(missing.Count == 0, $"No sample is in state {string.Join(", ", missing)}: add one to the table.");
    }

    private static void MustHoldAll<TFamily>(IEnumerable<Type> seen, string what)
    {
        var cases = typeof(TFamily).GetNestedTypes(BindingFlags.Public).Where(t => t.IsSubclassOf(typeof(TFamily)));
        var missing = cases.Except(seen).Select(t => t.Name).ToList();
        Assert.True(missing.Count == 0, $"The table of {typeof(TFamily).Name} reaches no {what} {string.Join(", ", missing)}: add samples that do.");
    }

    private static string Outcome<TNoun, TCommand, TEvent, TStep>(Machine<TNoun, TCommand, TEvent, TStep> machine, TNoun before, Decision<TEvent> decision)
        where TNoun : notnull where TCommand : notnull where TEvent : notnull where TStep : notnull
    {
        if (decision.Refusal is { } refusal)
        {
            return "refused " + refusal.Code;
        }

        if (decision.Events.Count == 0)
        {
            return "-";
        }

        var after = decision.Events.Aggregate(before, machine.Evolve);
        return $"{string.Join(" + ", decision.Events.Select(e => e.GetType().Name))}: {Difference(before, after)}";
    }

    private static string Row(string state, string command, string rest) =>
        (command.Length == 0 ? $"{state.PadRight(StateWidth)} {rest}" : $"{state.PadRight(StateWidth)} {command.PadRight(CommandWidth)} {rest}").TrimEnd() + "\n";

    private static string Difference(object before, object after)
    {
        var changes = after.GetType().GetProperties().Where(p => p.Name is not ("ChangedAt" or "Revision" or "EqualityContract"))
            .Select(p => (p.Name, Was: Show(p.GetValue(before)), Is: Show(p.GetValue(after)))).Where(c => c.Was != c.Is)
            .Select(c => $"{c.Name} {c.Was}>{c.Is}").ToList();
        return changes.Count == 0 ? "(no change)" : string.Join(", ", changes);
    }

    private static string Show(object? value) => value switch
    {
        null => "none",
        string s => s.Length == 0 ? "''" : s,
        bool b => b ? "yes" : "no",
        DateTimeOffset t => $"{(t - Samples.Start).TotalSeconds.ToString("0", CultureInfo.InvariantCulture)}s",
        ConnectorFault f => f.Code,
        Receipt r => $"receipt({r.Pod}{(r.VerifiedAt == Samples.Start ? "" : $" at {Show(r.VerifiedAt)}")})",
        ContentDamage d => $"{d.BadChunks} bad",
        CopyCheck c => $"{c.Operation?.Value ?? "scrub"}:{c.State}{(c.Fault is null ? "" : $" {c.Fault.Code}")}",
        ContentDescription c => $"content({c.ContentDigest.Short()[..2]})",
        SourceRef s => s.Path,
        PublishOrder o => $"order({o.Operation})",
        AccessToken t => $"{t.Name}:{t.Role}:{t.StatusAt(Samples.Now)}{(t.LastUsedAt is null ? "" : ":used")}{(t.ExpiryNotedAt is null ? "" : ":noted")}#{t.Hash.Short()[..2]}",
        PodSpec s => $"spec({s.Slots} slots)",
        TargetTotals t => $"{t.All}/{t.Available}/{t.Failed}/{t.Cancelled}",
        RetryScope r => $"all@{r.AllRound}{string.Concat(r.PodRounds.Select(p => $"+{p.Key}@{p.Value}"))}",
        ShardTarget t => $"{t.Pod}:{t.Outcome}{(t.IsRetryAsked ? "!" : "")}",
        UnstartedPublish u => $"{u.Operation}@{u.Generation}",
        VersionEntry v => $"{v.Name}:{v.Status}{(v.IsBegun ? "" : "?")}",
        IDictionary d => "{" + string.Join(" ", d.Keys.Cast<object>().Select(k => $"{k}:{Show(d[k])}").Order(StringComparer.Ordinal)) + "}",
        IEnumerable list => "[" + string.Join(" ", list.Cast<object>().Select(Show)) + "]",
        _ when value.GetType().IsNested => Nested(value),
        IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    private static string Nested(object value)
    {
        var parts = value.GetType().GetProperties().Where(p => p.Name != "EqualityContract").Select(p => Show(p.GetValue(value))).ToList();
        return parts.Count == 0 ? value.GetType().Name : $"{value.GetType().Name}({string.Join(", ", parts)})";
    }
}
