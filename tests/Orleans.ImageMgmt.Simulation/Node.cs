namespace Orleans.ImageMgmt.Simulation;

/// <summary>A grain in miniature: load, decide, store, do one step, say when to come back.</summary>
internal abstract class Node(World world, string key)
{
    private DateTimeOffset? wakeAt;

    internal World World { get; } = world;

    internal string Key { get; } = key;

    internal Silo Silo { get; } = world.SiloOf(key);

    /// <summary>The grain whose record this is: a copy belongs to its pod.</summary>
    internal static string Owner(string key) => key.StartsWith("copy/", StringComparison.Ordinal) ? "pod/" + key.Split('/')[1] : key;

    /// <summary>Looks at the noun and does what it says next. Timers, resume scans and messages all end here.</summary>
    internal abstract void Drive();

    internal void WakeIn(TimeSpan delay)
    {
        var at = World.Now + delay;
        if (wakeAt <= at && wakeAt > World.Now)
        {
            return;
        }

        wakeAt = at;
        World.After(delay, Key, Silo, () =>
        {
            if (wakeAt == at)
            {
                wakeAt = null;
                Drive();
            }
        });
    }

    /// <summary>Stores, and only then believes it.</summary>
    protected void Write(string recordKey, object before, object after, Action<object> swap, string said)
    {
        World.CrashPoint(Silo);
        if (World.Fault("write-failed", World.Options.WriteFailures))
        {
            if (World.Planted(Plant.KeepUnwritten))
            {
                swap(after);
            }

            World.Invariants.Remember(this);
            throw new WriteFailed();
        }

        World.Invariants.BeforeWrite(before, after);
        World.Store.Write(recordKey, after);
        World.Say(recordKey, said);
        World.CrashPoint(Silo);
        swap(after);
        World.Invariants.Remember(this);
    }

    /// <summary>Whether what is in memory is what is stored.</summary>
    internal abstract bool MatchesStore();

    protected void Send<TNode>(string to, string what, Action<TNode> handle) where TNode : Node => World.Send(Silo, to, what, handle);
}

/// <summary>A grain with one noun.</summary>
internal abstract class Node<TNoun>(World world, string key, TNoun initial) : Node(world, key) where TNoun : class
{
    internal TNoun Noun { get; private set; } = world.Store.Read<TNoun>(key) ?? initial;

    internal sealed override bool MatchesStore() => World.Store.Read<TNoun>(Key) is not { } stored || ReferenceEquals(stored, Noun);

    /// <summary>Applies what was decided: all events in one write.</summary>
    protected bool Commit<TEvent>(Decision<TEvent> decision, Func<TNoun, TEvent, TNoun> evolve, Func<TNoun, string> show)
    {
        if (decision.Events.Count == 0)
        {
            return false;
        }

        var before = Noun;
        var after = decision.Events.Aggregate(before, evolve);
        Write(Key, before, after, noun => Noun = (TNoun)noun, $"{string.Join("+", decision.Events.Select(e => e!.GetType().Name))} -> {show(after)}");
        return true;
    }
}
