namespace Orleans.ImageMgmt.Simulation;

/// <summary>One process: the grains that it holds in memory, and nothing else that would survive it.</summary>
internal sealed class Silo(int index)
{
    internal int Index { get; } = index;

    internal bool IsUp { get; set; } = true;

    /// <summary>Rises with each crash: what an earlier life had set going is gone.</summary>
    internal int Life { get; set; }

    internal Dictionary<string, Node> Nodes { get; } = new(StringComparer.Ordinal);
}

/// <summary>
/// The whole service in one thread and on one virtual clock: silos, a bus that delays, repeats, drops and reorders, a durable store,
/// pods with their connectors, and a client. The same seed gives the same run.
/// </summary>
internal sealed class World
{
    internal static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly PriorityQueue<Happening, (long At, long Order)> queue = new();
    private readonly Silo[] silos;
    private readonly Func<World, string, Node> make;
    private long order;

    internal World(WorldOptions options, Func<World, string, Node> make)
    {
        Options = options;
        this.make = make;
        Chance = new Random(options.Seed);
        Trace = new Trace(options.Verbose);
        silos = [.. Enumerable.Range(0, 1 + Chance.Next(3)).Select(n => new Silo(n))];
        Invariants = new Invariants(this);
    }

    private sealed record Happening(string Who, Silo? Silo, int Life, Action Run);

    internal WorldOptions Options { get; }

    internal Random Chance { get; }

    internal Trace Trace { get; }

    internal Store Store { get; } = new();

    internal Invariants Invariants { get; }

    internal SortedDictionary<string, Connector> Connectors { get; } = new(StringComparer.Ordinal);

    internal SortedDictionary<string, int> Faults { get; } = new(StringComparer.Ordinal);

    internal DateTimeOffset Now { get; private set; } = Start;

    internal int Steps { get; private set; }

    internal bool FaultsOn { get; set; } = true;

    internal bool CrashesOn { get; set; } = true;

    internal RetryPolicy Retries { get; } = new(6, TimeSpan.FromHours(1), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(30));

    internal ProbePolicy Probes { get; } = new(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(10), 2);

    internal ScrubPolicy Scrubs { get; } = ScrubPolicy.Default with { Every = TimeSpan.FromMinutes(3) };

    internal bool Planted(Plant plant) => Options.Plant == plant;

    internal void Say(string who, string what) => Trace.Line(Now - Start, Steps, who, what);

    /// <summary>Whether a fault of this kind happens now.</summary>
    internal bool Fault(string kind, double probability)
    {
        if (!FaultsOn || Chance.NextDouble() >= probability)
        {
            return false;
        }

        Faults[kind] = Faults.GetValueOrDefault(kind) + 1;
        return true;
    }

    internal Silo SiloOf(string key)
    {
        var sum = 0;
        foreach (var c in key)
        {
            sum = unchecked((sum * 31) + c);
        }

        return silos[(sum & int.MaxValue) % silos.Length];
    }

    /// <summary>Runs later, unless the silo that wanted it has crashed since.</summary>
    internal void After(TimeSpan delay, string who, Silo? silo, Action run) =>
        queue.Enqueue(new Happening(who, silo, silo?.Life ?? 0, run), ((Now + delay).Ticks, order++));

    /// <summary>Sends a message to the grain behind the key. It may be late, come twice, overtake another, or be lost.</summary>
    internal void Send<TNode>(Silo? from, string key, string what, Action<TNode> handle) where TNode : Node
    {
        if (from is not null)
        {
            CrashPoint(from); // between two sends
        }

        if (Fault("drop", 0.03))
        {
            return;
        }

        var copies = Fault("duplicate", 0.03) ? 2 : 1;
        for (var n = 0; n < copies; n++)
        {
            var delay = Fault("delay", 0.02) ? TimeSpan.FromSeconds(Chance.Next(1, 60)) : TimeSpan.FromMilliseconds(Chance.Next(1, 20));
            After(delay, key, null, () => Deliver(key, what, handle));
        }
    }

    /// <summary>The grain, awake: from memory, or from what the store holds.</summary>
    internal Node Awake(string key)
    {
        var silo = SiloOf(key);
        if (!silo.Nodes.TryGetValue(key, out var node))
        {
            node = make(this, key);
            silo.Nodes[key] = node;
        }

        return node;
    }

    /// <summary>The process may die here.</summary>
    internal void CrashPoint(Silo silo)
    {
        if (CrashesOn && FaultsOn && Fault("crash", 0.0004))
        {
            throw new SiloCrashed(silo);
        }
    }

    /// <summary>Does the next thing; false when nothing is left.</summary>
    internal bool Step()
    {
        if (!queue.TryDequeue(out var next, out var when))
        {
            return false;
        }

        Now = new DateTimeOffset(when.At, TimeSpan.Zero);
        if (next.Silo is { } silo && silo.Life != next.Life)
        {
            return true;
        }

        Steps++;
        try
        {
            next.Run();
        }
        catch (SiloCrashed crash)
        {
            Crash(crash.Silo);
        }
        catch (WriteFailed)
        {
            Say(next.Who, "write failed: the turn changed nothing");
            if (Awake(next.Who) is { } node)
            {
                node.WakeIn(TimeSpan.FromSeconds(1));
            }
        }

        Invariants.AfterStep();
        return true;
    }

    /// <summary>Lets time pass: does everything that is due until then.</summary>
    internal void RunUntil(DateTimeOffset end)
    {
        while (queue.TryPeek(out _, out var when) && when.At <= end.Ticks)
        {
            Step();
            Invariants.Require(Steps < Options.MaxSteps, "the world does not come to rest: too many steps");
        }

        Now = end;
    }

    /// <summary>All is well from here on: pods answer, messages arrive, silos run.</summary>
    internal void StopFaults()
    {
        FaultsOn = false;
        Say("world", "faults stop");
        foreach (var connector in Connectors.Values)
        {
            connector.Mood = Mood.Well;
        }
    }

    internal void Crash(Silo silo)
    {
        Say($"silo {silo.Index}", $"crash with {silo.Nodes.Count} grains in memory");
        silo.Life++;
        silo.IsUp = false;
        silo.Nodes.Clear();
        foreach (var connector in Connectors.Values)
        {
            connector.WorkersGone(silo);
        }

        After(TimeSpan.FromSeconds(Chance.Next(1, 30)), "world", null, () => Restart(silo));
    }

    private void Restart(Silo silo)
    {
        if (silo.IsUp)
        {
            return;
        }

        Say($"silo {silo.Index}", "start: resume scan");
        silo.IsUp = true;
        foreach (var key in Store.Keys.Where(k => SiloOf(Node.Owner(k)) == silo))
        {
            Store.Reload(key);
        }

        foreach (var owner in Store.Keys.Select(Node.Owner).Distinct().Where(k => SiloOf(k) == silo))
        {
            After(TimeSpan.FromMilliseconds(Chance.Next(1, 500)), owner, silo, () => Awake(owner).Drive());
        }
    }

    private void Deliver<TNode>(string key, string what, Action<TNode> handle) where TNode : Node
    {
        if (!SiloOf(key).IsUp)
        {
            return; // nobody there: the sender asks again
        }

        if (Options.Verbose)
        {
            Say(key, "< " + what);
        }

        handle((TNode)Awake(key));
    }
}
