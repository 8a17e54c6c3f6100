namespace Orleans.ImageMgmt.Simulation;

/// <summary>Runs worlds.</summary>
public static class Simulator
{
    private const int PodsLimit = 40;

    private static readonly Dictionary<string, Bytes> byPath = Enumerable.Range(1, 3).Select(n => $"golden-{n}.img")
        .ToDictionary(path => path, path => Bytes.Of(path, 3 + (5 * (path[7] - '0'))));

    private static readonly Dictionary<Digest, Bytes> byDigest = byPath.Values.ToDictionary(b => b.Description.ContentDigest);

    /// <summary>One seed from its first step to quiet.</summary>
    public static RunResult Run(WorldOptions options)
    {
        var world = new World(options, Keys.Make);
        try
        {
            Live(world);
            return new RunResult(options.Seed, world.Steps, world.Trace.Hash, world.Faults, null);
        }
        catch (InvariantException broken)
        {
            var violation = new Violation(options.Seed, world.Steps, broken.Message, world.Trace.Last);
            return new RunResult(options.Seed, world.Steps, world.Trace.Hash, world.Faults, violation);
        }
    }

    /// <summary>A world with its pods, nothing begun.</summary>
    internal static World Make(WorldOptions options, int pods)
    {
        var world = new World(options, Keys.Make);
        AddPods(world, pods);
        return world;
    }

    /// <summary>What an import of this source has to show.</summary>
    internal static ContentDescription ContentOf(SourceRef source) => byPath[source.Path].Description;

    internal static void AddPod(World world, PodName pod) =>
        world.Connectors[pod.Value] = new Connector(world, pod, d => byDigest[d], s => byPath[s.Path]);

    private static void AddPods(World world, int pods)
    {
        for (var n = 0; n < pods; n++)
        {
            AddPod(world, new PodName($"pod-{n:00}"));
        }
    }

    private static void Live(World world)
    {
        // Most worlds are small, where races meet; some are wide.
        var pods = world.Chance.Next(8) == 0 ? 2 + world.Chance.Next(PodsLimit - 1) : 2 + world.Chance.Next(6);
        AddPods(world, pods);
        var client = new Client(world);
        client.Plan(pods);
        foreach (var connector in world.Connectors.Values)
        {
            ChangeMood(world, connector);
        }

        CrashAtRandom(world);
        DamageAtRandom(world);
        var faultsEnd = World.Start + world.Options.FaultTime;
        while (world.Now < faultsEnd && world.Step())
        {
            Invariants.Require(world.Steps < world.Options.MaxSteps, "the world does not come to rest: too many steps");
        }

        world.StopFaults();
        Calm(world, client);
    }

    private static void Calm(World world, Client client)
    {
        var end = world.Now + world.Options.CalmTime;
        var tidyAt = world.Now;
        while (world.Now < end)
        {
            if (world.Now >= tidyAt)
            {
                if (IsDone(world))
                {
                    break;
                }

                client.TidyUp();
                tidyAt = world.Now + TimeSpan.FromMinutes(2);
            }

            Invariants.Require(world.Step(), "nothing is left to do");
            Invariants.Require(world.Steps < world.Options.MaxSteps, "the world does not come to rest: too many steps");
        }

        Invariants.Require(Reference.IsQuiet(world), $"faults stopped {world.Options.CalmTime.TotalMinutes:0} minutes ago and work is not done: {Reference.Unquiet(world)}");
        Reference.Check(world);
    }

    /// <summary>Quiet, and nobody left who would still be retried or connected.</summary>
    private static bool IsDone(World world) => world.Now > World.Start + world.Options.FaultTime + TimeSpan.FromMinutes(6)
        && Reference.IsQuiet(world)
        && world.Store.Of<Pod>().All(p => p.State == PodState.Connected);

    private static void ChangeMood(World world, Connector connector) =>
        world.After(TimeSpan.FromSeconds(world.Chance.Next(2, 60)), "world", null, () =>
        {
            if (!world.FaultsOn)
            {
                return;
            }

            var mood = world.Chance.Next(3) > 0 ? Mood.Well : (Mood)world.Chance.Next(1, 8);
            if (mood != Mood.Well)
            {
                world.Fault("mood-" + mood, 1);
            }

            connector.Mood = mood;
            ChangeMood(world, connector);
        });

    /// <summary>A disk changes a chunk and says nothing. Some copy that a repair can find stays whole: what nobody has, nobody can bring back.</summary>
    private static void DamageAtRandom(World world) => world.After(TimeSpan.FromSeconds(world.Chance.Next(5, 90)), "world", null, () =>
    {
        if (!world.FaultsOn)
        {
            return;
        }

        DamageAtRandom(world);
        List<(Connector Connector, VersionId Version)> all = [.. world.Connectors.Values.SelectMany(c => c.Finals.Keys.OrderBy(v => v.Value, StringComparer.Ordinal).Select(v => (c, v)))];
        if (all.Count == 0)
        {
            return;
        }

        var (connector, version) = all[world.Chance.Next(all.Count)];
        if (world.Store.Read<Version>(Keys.Version(version)) is { SourcePod: { } source } known && known.Targets.Where(t => t.Value == TargetOutcome.Available).Select(t => t.Key)
            .Append(source).Any(p => p != connector.Pod && world.Connectors[p.Value] is var other && other.Finals.ContainsKey(version) && !other.DamagedAt.ContainsKey(version)))
        {
            world.Fault("silent-damage", 1);
            connector.Damage(version);
        }
    });

    private static void CrashAtRandom(World world) => world.After(TimeSpan.FromSeconds(world.Chance.Next(5, 240)), "world", null, () =>
    {
        if (world.FaultsOn)
        {
            world.Fault("crash", 1);
            world.Crash(world.SiloOf(Keys.Pod(new PodName($"pod-{world.Chance.Next(4):00}"))));
            CrashAtRandom(world);
        }
    });
}
