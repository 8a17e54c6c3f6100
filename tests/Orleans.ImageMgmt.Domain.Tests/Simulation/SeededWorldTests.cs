using Orleans.ImageMgmt.Simulation;
using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: the machines together keep every promise under any order, loss, repeat and crash, and the checker that says so can see.</summary>
public sealed class SeededWorldTests
{
    private const int Seeds = 20;

    /// <summary>A planted bug has to show within so many seeds; most show within five.</summary>
    private const int SeedsUntilCaught = 60;

    public static TheoryData<Plant> Plants() => [.. Enum.GetValues<Plant>().Where(p => p != Plant.None)];

    [Fact]
    public void No_invariant_breaks_in_twenty_seeds()
    {
        foreach (var seed in Enumerable.Range(1_000, Seeds))
        {
            var result = Simulator.Run(new WorldOptions(seed));
            Assert.True(result.Violation is null, $"seed {seed}: {result.Violation?.Invariant}");
            Assert.True(result.Faults.Count > 3, $"seed {seed} met only {result.Faults.Count} kinds of faults");
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_run()
    {
        foreach (var seed in Enumerable.Range(1_000, 3))
        {
            var first = Simulator.Run(new WorldOptions(seed));
            var second = Simulator.Run(new WorldOptions(seed));
            Assert.Equal((first.Steps, first.TraceHash), (second.Steps, second.TraceHash));
        }

        Assert.NotEqual(Simulator.Run(new WorldOptions(1)).TraceHash, Simulator.Run(new WorldOptions(2)).TraceHash);
    }

    [Fact]
    public void A_dead_pod_delays_no_other_pod()
    {
        foreach (var seed in Enumerable.Range(1, 10))
        {
            Assert.Null(DeadPod.Check(seed)?.Invariant);
        }
    }

    [Theory]
    [MemberData(nameof(Plants))]
    public void A_planted_bug_is_caught_by_an_invariant(Plant plant)
    {
        var caught = Enumerable.Range(1, SeedsUntilCaught)
            .Select(seed => plant == Plant.OneAfterTheOther ? DeadPod.Check(seed, plant) : Simulator.Run(new WorldOptions(seed, plant) { WriteFailures = 0.03 }).Violation)
            .FirstOrDefault(v => v?.Invariant.Contains(Expected(plant), StringComparison.Ordinal) == true);
        Assert.True(caught is not null, $"{plant} went unseen through {SeedsUntilCaught} seeds");
    }

    /// <summary>Each bug has to be caught for what it is, not by chance.</summary>
    private static string Expected(Plant plant) => plant switch
    {
        Plant.AvailableWithoutProof => "is available",
        Plant.AcknowledgeBeforeStore => "was acknowledged and is not in the store",
        Plant.KeepUnwritten => "believes what is not stored",
        Plant.IgnoreSlots => "slots",
        Plant.ForgetStaged => "is requested again",
        Plant.LeaveStaged => "staged bytes",
        Plant.OneAfterTheOther => "the others end after",
        Plant.AskOnce => "work is not done",
        Plant.LowerGeneration => "the generation of",
        Plant.TellOnce => "image knows",
        Plant.OverlookDamage => "its bytes are not those of the version",
        _ => throw new NotSupportedException(plant.ToString()),
    };
}
