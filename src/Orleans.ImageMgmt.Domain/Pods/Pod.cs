using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>The life of a pod.</summary>
public enum PodState
{
    /// <summary>Known, not yet probed with success.</summary>
    Connecting,

    /// <summary>Answers; gets work.</summary>
    Connected,

    /// <summary>Did not answer the last probes; its work waits.</summary>
    Unreachable,

    /// <summary>Finishes what it has, gets nothing new.</summary>
    Draining,

    /// <summary>Record kept; no work, no probes.</summary>
    Disconnected,
}

/// <summary>One site as the service knows it.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.Pod)]
public sealed record Pod
{
    /// <summary>The pod's name.</summary>
    [Id(0)] public required PodName Name { get; init; }

    /// <summary>How it stands.</summary>
    [Id(1)] public PodState State { get; init; } = PodState.Disconnected;

    /// <summary>Null until the pod was connected for the first time.</summary>
    [Id(2)] public PodSpec? Spec { get; init; }

    /// <summary>Failed probes in a row, counted up to <see cref="ProbePolicy.FailuresUntilUnreachable"/>.</summary>
    [Id(3)] public int FailedProbes { get; init; }

    /// <summary>When it was probed last, UTC; null: not since it was connected.</summary>
    [Id(4)] public DateTimeOffset? ProbedAt { get; init; }

    /// <summary>Why the last probe failed; null: it did not.</summary>
    [Id(5)] public ConnectorFault? Fault { get; init; }

    /// <summary>When this record last changed, UTC.</summary>
    [Id(6)] public DateTimeOffset ChangedAt { get; init; }

    /// <summary>Exponential average over the transfers that ended here, in bytes a second, without the time that caps held them back; null before the first.
    /// Stored with the next change of the pod or of what moves on it: an end alone costs no write for it.</summary>
    [Id(7)] public long? BytesPerSecond { get; init; }

    /// <summary>May begin or go on with transfers.</summary>
    [JsonIgnore]
    public bool Works => State is PodState.Connected || (State is PodState.Draining && FailedProbes == 0);
}

/// <summary>What is asked of a pod, and what the world reports about it.</summary>
public abstract record PodCommand
{
    private PodCommand()
    {
    }

    /// <summary>Connect it, or change how it is connected.</summary>
    /// <param name="Spec">How it is connected.</param>
    public sealed record Connect(PodSpec Spec) : PodCommand;

    /// <summary>Other labels, for selectors; how the pod is connected stays.</summary>
    /// <param name="Labels">All labels that it has from now on.</param>
    public sealed record Relabel(IReadOnlyDictionary<string, string> Labels) : PodCommand;

    /// <summary>Other caps; how the pod is connected stays.</summary>
    /// <param name="Caps">All caps that it has from now on.</param>
    public sealed record Cap(PodCaps Caps) : PodCommand;

    /// <summary>A probe was answered.</summary>
    public sealed record Probed : PodCommand;

    /// <summary>A probe was not answered.</summary>
    /// <param name="Fault">What went wrong, with the next step.</param>
    public sealed record ProbeFailed(ConnectorFault Fault) : PodCommand;

    /// <summary>Give it nothing new.</summary>
    public sealed record Drain : PodCommand;

    /// <summary>Stop using the pod.</summary>
    /// <param name="Moving">Copies in motion on it; it is refused while there are any.</param>
    public sealed record Disconnect(int Moving) : PodCommand;
}

/// <summary>What happened to a pod.</summary>
public abstract record PodEvent
{
    private PodEvent()
    {
    }

    /// <summary>It is to be used from now on; its first probe is due.</summary>
    /// <param name="Spec">How it is connected.</param>
    public sealed record Connecting(PodSpec Spec) : PodEvent;

    /// <summary>It has other labels.</summary>
    /// <param name="Labels">All labels that it has from now on.</param>
    public sealed record Relabelled(IReadOnlyDictionary<string, string> Labels) : PodEvent;

    /// <summary>It has other caps.</summary>
    /// <param name="Caps">All caps that it has from now on.</param>
    public sealed record Capped(PodCaps Caps) : PodEvent;

    /// <summary>It answered a probe.</summary>
    public sealed record Answered : PodEvent;

    /// <summary>It did not answer a probe.</summary>
    /// <param name="Fault">What went wrong, with the next step.</param>
    public sealed record DidNotAnswer(ConnectorFault Fault) : PodEvent;

    /// <summary>It gets nothing new from now on.</summary>
    public sealed record DrainBegan : PodEvent;

    /// <summary>It is used no more; its record is kept.</summary>
    public sealed record WasDisconnected : PodEvent;
}

/// <summary>What to do next about a pod.</summary>
public abstract record PodStep
{
    private PodStep()
    {
    }

    /// <summary>Nothing, until somebody asks.</summary>
    public sealed record Rest : PodStep;

    /// <summary>Ask whether it is there.</summary>
    public sealed record Probe : PodStep;

    /// <summary>Nothing before that time.</summary>
    /// <param name="Until">The time, UTC.</param>
    public sealed record Wait(DateTimeOffset Until) : PodStep;
}

/// <summary>When pods are asked whether they are there.</summary>
/// <param name="Interval">Between two probes of a pod that answers. Default: 60 s.</param>
/// <param name="RetryInterval">Between two probes of one that does not. Default: 10 s.</param>
/// <param name="FailuresUntilUnreachable">Failed probes in a row before a connected pod is unreachable. Default: 2: one may be a hiccup.</param>
public sealed record ProbePolicy(TimeSpan Interval, TimeSpan RetryInterval, int FailuresUntilUnreachable)
{
    /// <summary>Every 60 s; 10 s after a failed one; unreachable after two.</summary>
    public static ProbePolicy Default { get; } = new(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(10), 2);
}

/// <summary>The rules of a pod's life.</summary>
public static class PodMachine
{
    /// <summary>A pod of which nothing is known.</summary>
    public static Pod Initial(PodName name) => new() { Name = name };

    /// <summary>What a command leads to. A command that comes again leads to nothing; one that breaks a rule is refused.</summary>
    public static Decision<PodEvent> Decide(Pod pod, PodCommand command) => command switch
    {
        PodCommand.Connect c => DecideConnect(pod, c.Spec),
        PodCommand.Relabel c => DecideRespec(pod, spec => spec with { Labels = c.Labels }, "labelled", new PodEvent.Relabelled(c.Labels)),
        PodCommand.Cap c => DecideRespec(pod, spec => spec with { Caps = c.Caps }, "capped", new PodEvent.Capped(c.Caps)),
        PodCommand.Probed => pod.State == PodState.Disconnected ? Nothing : Of(new PodEvent.Answered()),
        PodCommand.ProbeFailed c => pod.State == PodState.Disconnected ? Nothing : Of(new PodEvent.DidNotAnswer(c.Fault)),
        PodCommand.Drain => DecideDrain(pod),
        PodCommand.Disconnect c => DecideDisconnect(pod, c.Moving),
        _ => throw new NotSupportedException(command.ToString()),
    };

    /// <summary>The record after something happened. Takes whatever was decided; refuses nothing.</summary>
    public static Pod Evolve(Pod pod, PodEvent happened, DateTimeOffset now, ProbePolicy policy) => happened switch
    {
        PodEvent.Connecting e => pod with { State = PodState.Connecting, Spec = e.Spec, FailedProbes = 0, ProbedAt = null, Fault = null, ChangedAt = now },
        PodEvent.Relabelled e => pod with { Spec = pod.Spec! with { Labels = e.Labels }, ChangedAt = now },
        PodEvent.Capped e => pod with { Spec = pod.Spec! with { Caps = e.Caps }, ChangedAt = now },
        PodEvent.Answered => pod with
        {
            State = pod.State is PodState.Connecting or PodState.Unreachable ? PodState.Connected : pod.State,
            FailedProbes = 0, ProbedAt = now, Fault = null, ChangedAt = now,
        },
        PodEvent.DidNotAnswer e => pod with
        {
            // Draining stays draining: it gets nothing new either way. Connecting becomes unreachable at once: it never answered.
            State = pod.State switch
            {
                PodState.Connecting => PodState.Unreachable,
                PodState.Connected when pod.FailedProbes + 1 >= policy.FailuresUntilUnreachable => PodState.Unreachable,
                _ => pod.State,
            },
            FailedProbes = Math.Min(pod.FailedProbes + 1, policy.FailuresUntilUnreachable), ProbedAt = now, Fault = e.Fault, ChangedAt = now,
        },
        PodEvent.DrainBegan => pod with { State = PodState.Draining, ChangedAt = now },
        PodEvent.WasDisconnected => pod with { State = PodState.Disconnected, ChangedAt = now },
        _ => throw new NotSupportedException(happened.ToString()),
    };

    /// <summary>What to do now, from the record and the clock alone: so that a crash is just another start.</summary>
    public static PodStep Next(Pod pod, DateTimeOffset now, ProbePolicy policy)
    {
        if (pod.State == PodState.Disconnected)
        {
            return new PodStep.Rest();
        }

        var interval = pod.FailedProbes > 0 ? policy.RetryInterval : policy.Interval;
        return pod.ProbedAt is { } probed && probed + interval > now ? new PodStep.Wait(probed + interval) : new PodStep.Probe();
    }

    /// <summary>Which waiting copies may start, as <see cref="Admission"/> has it. A pod that does not work starts none.</summary>
    public static IReadOnlyList<VersionId> Admit(Pod pod, IReadOnlyCollection<Copy> moving, DateTimeOffset now, RetryPolicy policy)
    {
        if (!pod.Works || pod.Spec is null)
        {
            return [];
        }

        return Admission.OfPod(pod.Spec.Slots, moving.Where(c => c.HoldsSlot), moving.Where(c => CopyMachine.Next(c, now, policy) is CopyStep.AwaitSlot));
    }

    private static Decision<PodEvent> DecideConnect(Pod pod, PodSpec spec)
    {
        spec = spec.Caps is null ? spec with { Caps = pod.Spec?.Caps } : spec;
        if (spec.Name != pod.Name)
        {
            return Decision<PodEvent>.Refuse("pod.wrong-name", $"The specification names pod {spec.Name}, the request pod {pod.Name}.", "Send both with one name.");
        }

        if (PodSpecRules.FaultsOf(spec) is { Count: > 0 } faults)
        {
            return Decision<PodEvent>.Refuse("pod.invalid", $"Pod {spec.Name} cannot be connected: {string.Join("; ", faults)}.", "Correct the specification and connect again.");
        }

        if (pod.State != PodState.Disconnected && pod.Spec!.Family != spec.Family)
        {
            return Decision<PodEvent>.Refuse("pod.family-changed", $"Pod {pod.Name} is of family {pod.Spec.Family}, not {spec.Family}.", "Disconnect it first.");
        }

        return pod.State is PodState.Connected or PodState.Connecting && PodSpecRules.Same(pod.Spec!, spec)
            ? Nothing
            : Of(new PodEvent.Connecting(spec));
    }

    /// <summary>What an administrator may change about a pod while it stays connected.</summary>
    private static Decision<PodEvent> DecideRespec(Pod pod, Func<PodSpec, PodSpec> change, string verb, PodEvent happened)
    {
        if (pod.Spec is not { } spec)
        {
            return Decision<PodEvent>.Refuse("pod.unknown", $"There is no pod {pod.Name}.", "List the pods to see which exist.");
        }

        var wanted = change(spec);
        if (PodSpecRules.FaultsOf(wanted) is { Count: > 0 } faults)
        {
            return Decision<PodEvent>.Refuse("pod.invalid", $"Pod {pod.Name} cannot be {verb} so: {string.Join("; ", faults)}.", "Correct what is named and try again.");
        }

        return PodSpecRules.Same(spec, wanted) ? Nothing : Of(happened);
    }

    private static Decision<PodEvent> DecideDrain(Pod pod) => pod.State switch
    {
        PodState.Draining => Nothing,
        PodState.Disconnected => Decision<PodEvent>.Refuse("pod.disconnected", $"Pod {pod.Name} is not connected.", "Connect it first."),
        _ => Of(new PodEvent.DrainBegan()),
    };

    private static Decision<PodEvent> DecideDisconnect(Pod pod, int moving) => (pod.State, moving) switch
    {
        (PodState.Disconnected, _) => Nothing,
        (_, > 0) => Decision<PodEvent>.Refuse("pod.busy", $"Pod {pod.Name} still works on {moving} copies.", "Drain it and wait, or cancel the operations."),
        _ => Of(new PodEvent.WasDisconnected()),
    };

    private static Decision<PodEvent> Of(PodEvent happened) => Decision<PodEvent>.Of(happened);

    private static Decision<PodEvent> Nothing => Decision<PodEvent>.Nothing;
}

internal static class PodSpecRules
{
    internal static IReadOnlyList<string> FaultsOf(PodSpec spec)
    {
        var faults = new List<string>();
        if (!PodName.TryCreate(spec.Name.Value, out _))
        {
            faults.Add($"its name must be {PodName.Rule}");
        }

        if (string.IsNullOrEmpty(spec.Family))
        {
            faults.Add("its family is missing");
        }

        if (spec.Slots is < 1 or > Limits.SlotsPerPod)
        {
            faults.Add($"slots must be 1 to {Limits.SlotsPerPod}, not {spec.Slots}");
        }

        if (spec.Labels.Count > Limits.Labels || spec.Labels.Any(l => l.Key.Length is 0 or > Limits.LabelLength || l.Value.Length > Limits.LabelLength))
        {
            faults.Add($"at most {Limits.Labels} labels of at most {Limits.LabelLength} characters");
        }

        if (spec.Settings.Count > Limits.PodSettings || spec.Settings.Any(s => s.Key.Length is 0 or > Limits.LabelLength || s.Value.Length > Limits.SettingLength))
        {
            faults.Add($"at most {Limits.PodSettings} settings of at most {Limits.SettingLength} characters");
        }

        faults.AddRange(PodCaps.FaultsOf(spec.Caps ?? PodCaps.None).Select(f => $"{f.Field}: {f.Fault}"));
        return faults;
    }

    internal static bool Same(PodSpec a, PodSpec b) => a.Name == b.Name && a.Family == b.Family && a.Slots == b.Slots && (a.Caps ?? PodCaps.None) == (b.Caps ?? PodCaps.None)
        && SameMap(a.Settings, b.Settings) && SameMap(a.Labels, b.Labels);

    private static bool SameMap(IReadOnlyDictionary<string, string> a, IReadOnlyDictionary<string, string> b) =>
        a.Count == b.Count && a.All(p => b.TryGetValue(p.Key, out var value) && value == p.Value);
}
