using Orleans.ImageMgmt.Simulation;
using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: the source's uplink carries little more than one image, and the last pod is nearly as early as any plan could have it.</summary>
public sealed class FanOutTests
{
    /// <summary>The marks: time of the last pod as a ratio to the bound, and images from the source pod.</summary>
    private const double MostTime = 1.2;
    private const double MostImages = 1.3;

    public static TheoryData<int, double, int> Worlds() => new()
    {
        { 8, 0, 0 },
        { 16, 0.1, 4 },
        { 100, 0, 0 },
        { 100, 0.1, 0 },
        { 100, 0.1, 25 },
        { 300, 0.1, 0 },
    };

    [Theory]
    [MemberData(nameof(Worlds))]
    public void The_last_pod_is_near_the_bound_and_the_source_gives_little_more_than_one_image(int pods, double slow, int podsPerSite)
    {
        foreach (var seed in (ulong[])[1, 2, 3])
        {
            var result = FanOutWorld.Run(new FanOutOptions(pods, 160, seed) { Slow = slow, PodsPerSite = podsPerSite });
            Assert.True(result.Ratio is >= 1 and <= MostTime, $"seed {seed}: {result}");
            Assert.True(result.SourceImages is >= 1 and <= MostImages, $"seed {seed}: {result}");
            Assert.Equal((long)pods * 160, result.Transfers);
        }
    }

    [Fact]
    public void Pods_that_die_half_way_hold_up_nobody()
    {
        foreach (var seed in (ulong[])[1, 2, 3])
        {
            var result = FanOutWorld.Run(new FanOutOptions(100, 160, seed) { Slow = 0.1, Dying = 0.1, PodsPerSite = 25 });
            Assert.True(result.Ratio <= 1.35, $"seed {seed}: {result}");
            Assert.True(result.SourceImages <= MostImages, $"seed {seed}: {result}");
        }
    }

    [Fact]
    public void Near_pods_serve_each_other_where_labels_say_who_is_near()
    {
        var without = FanOutWorld.Run(new FanOutOptions(100, 160, 1));
        var with = FanOutWorld.Run(new FanOutOptions(100, 160, 1) { PodsPerSite = 25 });
        Assert.Equal(0, without.NearBytes);
        Assert.True(with.NearBytes > 0.4, $"By chance it would be 0.25: {with}");
    }

    [Fact]
    public void The_same_seed_gives_the_same_plan()
    {
        var options = new FanOutOptions(50, 160, 7) { Slow = 0.1 };
        Assert.Equal(FanOutWorld.Run(options), FanOutWorld.Run(options));
        Assert.NotEqual(FanOutWorld.Run(options).TraceHash, FanOutWorld.Run(options with { Seed = 8 }).TraceHash);
    }
}
