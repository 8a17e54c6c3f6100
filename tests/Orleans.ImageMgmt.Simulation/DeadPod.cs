namespace Orleans.ImageMgmt.Simulation;

/// <summary>One dead pod delays nobody: the same publish with and without it, and the others' last copy within a bound.</summary>
public static class DeadPod
{
    /// <summary>What others may lose to a dead one: a second of the bus's own chance.</summary>
    private static readonly TimeSpan slack = TimeSpan.FromSeconds(1);

    public static Violation? Check(int seed, Plant plant = Plant.None)
    {
        var pods = 3 + (seed % 10);
        var dead = 1 + (seed % (pods - 1));
        var (well, _) = LastOfOthers(new WorldOptions(seed, plant), pods, dead, isDead: false);
        var (with, lines) = LastOfOthers(new WorldOptions(seed, plant), pods, dead, isDead: true);
        return with is null || with > well + slack
            ? new Violation(seed, 0, $"with pod {dead} of {pods} dead the others end after {with?.TotalSeconds.ToString("0.0", System.Globalization.CultureInfo.InvariantCulture) ?? "never"} s, without after {well?.TotalSeconds:0.0} s", lines)
            : null;
    }

    private static (TimeSpan? Took, IReadOnlyList<string> Lines) LastOfOthers(WorldOptions options, int pods, int dead, bool isDead)
    {
        var world = Simulator.Make(options, pods);
        world.FaultsOn = false;
        var deadName = new PodName($"pod-{dead:00}");
        var client = new Client(world);
        client.ConnectAndPublish(pods);
        if (isDead)
        {
            world.After(TimeSpan.FromSeconds(5), "world", null, () => world.Connectors[deadName.Value].Mood = Mood.Dead);
        }

        var end = World.Start + TimeSpan.FromMinutes(30);
        var others = pods - 2;
        while (world.Now < end && world.Steps < world.Options.MaxSteps && world.Step())
        {
            if (world.Store.Of<Copy>().Count(c => c.Role == CopyRole.Target && c.Pod != deadName && c.State == CopyState.Available) == others)
            {
                return (world.Now - World.Start, world.Trace.Last);
            }
        }

        return (null, world.Trace.Last);
    }
}
